"""From the store's records to the arrays and frames that this folder works on. Reads nothing itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from app.study.choice import Pool, Seen
from app.study.coding import Coding, make_coding
from app.study.design import setting_levels
from app.study.votes import FACTORS

COLUMNS = (
    "vote",
    "assignment",
    "comparison",
    "kind",
    "factor",
    "block",
    "expected",
    "repeat_of",
    "prompt",
    "rater",
    "criterion",
    "answer",
    "left_side",
    "excluded",
    "answered_at",
    "propensity",
    "decision_ms",
    "generation_a",
    "generation_b",
    "seconds_a",
    "seconds_b",
    "steps_a",
    "steps_b",
    "peak_memory_bytes_a",
    "peak_memory_bytes_b",
    *(f"{factor}_{side}" for side in ("a", "b") for factor in FACTORS),
)


def vote_frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The store's long table -> the vote frame (app/study/votes.py). The schedule level carries its scale."""
    frame = pd.DataFrame(
        rows, columns=list(dict.fromkeys([*COLUMNS, "setting_a", "setting_b", "settings_a", "settings_b"]))
    )
    for side in ("a", "b"):
        known = {
            key: setting_levels(values)
            for key, values in dict(zip(frame[f"setting_{side}"], frame[f"settings_{side}"])).items()
        }
        for factor in FACTORS:
            frame[f"{factor}_{side}"] = frame[f"setting_{side}"].map(
                {key: level[factor] for key, level in known.items()}
            )
    return frame[list(COLUMNS)].astype({"excluded": object, "repeat_of": object, "answer": object})


def joined_frame(
    columns: Mapping[str, Sequence[Any]], shared: pd.DataFrame, excluded: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """The same vote frame from parts: what all votes of a pair share (`pair_frame`) is spread by position."""
    votes = pd.DataFrame(dict(columns))
    votes["answered_at"] = pd.to_datetime(votes["answered_at"], format="ISO8601", utc=True)
    votes["excluded"] = (
        votes["vote"].map({vote: rules[0] for vote, rules in excluded.items() if rules}) if excluded else None
    )
    where = pd.Index(shared["comparison"]).get_indexer(votes["comparison"])
    spread = shared.drop(columns=list(votes.columns)).take(where).reset_index(drop=True)
    frame = pd.concat([votes, spread], axis=1)[list(COLUMNS)]
    return frame.astype({"excluded": object, "repeat_of": object, "answer": object})


def pair_frame(pairs: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Comparisons of a study as rows of a vote frame without votes."""
    return vote_frame([{"comparison": key, **pair} for key, pair in pairs.items()])


def study_coding(pictures: Mapping[str, str], settings: Mapping[str, Mapping[str, Any]]) -> tuple[pd.DataFrame, Coding]:
    """The store's `study_settings` -> (generation -> factors, the coding of all levels that occur)."""
    table = pd.DataFrame(
        [setting_levels(values) for values in settings.values()], index=list(settings), columns=[*FACTORS, "rest"]
    )
    return table.loc[list(pictures.values())].set_axis(list(pictures)), make_coding(table, FACTORS)


def pool_of(pairs: Sequence[Any], levels: pd.DataFrame, coding: Coding) -> Pool:
    """Comparison records -> the pool, unrated. `levels`: generation -> factors; only matched pairs get a contrast."""
    kind = np.array([pair.kind for pair in pairs], dtype=object)
    contrast = np.zeros((len(pairs), len(coding.terms)))
    matched = np.flatnonzero(kind == "matched")
    if len(matched):
        a, b = (
            levels.loc[[pairs[i].generation_a for i in matched]],
            levels.loc[[pairs[i].generation_b for i in matched]],
        )
        contrast[matched] = coding.encode(a) - coding.encode(b)
    return Pool(
        np.array([pair.id for pair in pairs], dtype=object),
        kind,
        np.array([pair.block or "" for pair in pairs], dtype=object),
        np.zeros(len(pairs), dtype=int),
        contrast,
    )


def with_raters(pool: Pool, raters: Mapping[str, int]) -> Pool:
    """The pool as it is rated now. raters: comparison -> who answered so far."""
    return replace(pool, raters=np.array([raters.get(comparison, 0) for comparison in pool.comparison], dtype=int))


def history_of(assignments: Iterable[Any]) -> list[Seen]:
    """A rater's assignments, oldest first."""
    return [
        Seen(a.id, a.comparison.id, a.left_side, a.comparison.kind, a.repeat_of, set(a.criteria) <= set(a.answered))
        for a in assignments
    ]
