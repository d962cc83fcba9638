"""From the store's records to the arrays and frames that this folder works on. Reads nothing itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from app.study.choice import Pool, Seen
from app.study.coding import Coding, make_coding
from app.study.design import generation_frame, setting_levels
from app.study.votes import FACTORS

COLUMNS = (
    "vote", "assignment", "comparison", "kind", "factor", "block", "expected", "repeat_of", "prompt", "rater",
    "criterion", "answer", "left_side", "excluded", "answered_at", "propensity", "decision_ms",
    "generation_a", "generation_b", "seconds_a", "seconds_b", "steps_a", "steps_b",
    "peak_memory_bytes_a", "peak_memory_bytes_b",
    *(f"{factor}_{side}" for side in ("a", "b") for factor in FACTORS),
)  # fmt: skip


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


def joined_frame(columns: Mapping[str, Sequence[Any]], shared: pd.DataFrame, excluded: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """The same vote frame from parts: what all votes of a pair share (`pair_frame`) is spread by position."""
    votes = pd.DataFrame(dict(columns))
    votes["answered_at"] = pd.to_datetime(votes["answered_at"], format="ISO8601", utc=True)
    votes["excluded"] = votes["vote"].map({vote: rules[0] for vote, rules in excluded.items() if rules}) if excluded else None
    where = pd.Index(shared["comparison"]).get_indexer(votes["comparison"])
    spread = shared.drop(columns=list(votes.columns)).take(where).reset_index(drop=True)
    frame = pd.concat([votes, spread], axis=1)[list(COLUMNS)]
    return frame.astype({"excluded": object, "repeat_of": object, "answer": object})


def pair_frame(pairs: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Comparisons of a study as rows of a vote frame without votes."""
    return vote_frame([{"comparison": key, **pair} for key, pair in pairs.items()])


def settings_coding(settings: Iterable[Mapping[str, Any]]) -> Coding:
    """The coding of all levels that occur in these settings."""
    return make_coding(pd.DataFrame([setting_levels(values) for values in settings], columns=[*FACTORS, "rest"]), FACTORS)


def pool_of(coverage: Iterable[Any], levels: pd.DataFrame, coding: Coding) -> Pool:
    """Coverage records -> the pool. `levels`: generation -> factors; only matched pairs get a contrast."""
    found = [entry for entry in coverage if entry.available]
    kind = np.array([entry.comparison.kind for entry in found], dtype=object)
    contrast = np.zeros((len(found), len(coding.terms)))
    matched = np.flatnonzero(kind == "matched")
    if len(matched):
        a = levels.loc[[found[i].comparison.generation_a for i in matched]]
        b = levels.loc[[found[i].comparison.generation_b for i in matched]]
        contrast[matched] = coding.encode(a) - coding.encode(b)
    return Pool(
        np.array([entry.comparison.id for entry in found], dtype=object),
        kind,
        np.array([entry.comparison.block or "" for entry in found], dtype=object),
        np.array([entry.raters for entry in found], dtype=int),
        contrast,
    )


def study_coding(generations: Iterable[Any]) -> tuple[pd.DataFrame, Coding]:
    """Generations of a study -> (generation -> factors, the coding of all levels that the study has)."""
    levels = generation_frame([g for g in generations if g.source == "model"]).set_index("generation")
    return levels, make_coding(levels, FACTORS)


def history_of(assignments: Iterable[Any]) -> list[Seen]:
    """A rater's assignments, oldest first."""
    return [Seen(a.id, a.comparison.id, a.left_side, a.comparison.kind, a.repeat_of) for a in assignments]
