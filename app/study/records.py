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
from app.study.votes import ANSWERS, FACTORS
from storage.records import StudyTables

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
    "day",
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
WORDS = (
    "comparison",
    "kind",
    "factor",
    "block",
    "prompt",
    "generation",
    "window",
    "schedule",
    "resolution",
    "checkpoint",
    "rater",
    "criterion",
    "day",
)
ANSWER = pd.CategoricalDtype(ANSWERS)  # one dtype for what is compared with answers
TYPES = {"answer": ANSWER, "expected": ANSWER, "left_side": ANSWER, "repeat_of": "category", "propensity": float}


def vote_frame(tables: StudyTables, pairs: pd.DataFrame) -> pd.DataFrame:
    """The store's tables and the `pair_frame` of them -> the vote frame (app/study/votes.py), oldest vote first."""
    assignments = _typed(pd.DataFrame(tables.assignments, dtype=object))
    votes = _typed(pd.DataFrame(tables.votes, dtype=object).sort_values("vote", kind="stable", ignore_index=True))
    votes["excluded"] = pd.Series(None, votes.index, dtype=object)
    aside = votes["vote"].isin(tables.rules)
    votes.loc[aside, "excluded"] = [tables.rules[vote][0] for vote in votes.loc[aside, "vote"]]
    votes = _spread(votes, assignments, "assignment")
    return _spread(votes, pairs, "comparison")[list(COLUMNS)]


def pair_frame(tables: StudyTables) -> pd.DataFrame:
    """The study's comparisons with what is known of both pictures: the columns of a vote frame that all votes of a pair
    share. The schedule level carries its scale."""
    pictures = pd.DataFrame(tables.pictures)
    known = pd.DataFrame([setting_levels(values) for values in tables.settings.values()], columns=FACTORS, dtype=object)
    # of objects: pictures of other systems have no window, and 1 beside nothing would become 1.0
    pictures = _spread(pictures, known.assign(setting=list(tables.settings)), "setting")
    pairs = pd.DataFrame(tables.comparisons)
    for side in ("a", "b"):
        pairs = _spread(pairs, pictures.add_suffix(f"_{side}"), f"generation_{side}")
    marks = [f"[deleted {block or key}]" for block, key in zip(pairs["block"], pairs["comparison"])]
    pairs["prompt"] = pairs["prompt_a"].where(pairs["prompt_a"].notna(), pd.Series(marks, dtype=object))
    pairs = pairs[[name for name in COLUMNS if name in pairs]]
    return _typed(pairs)


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """Repeated words as categories, which compare and group as numbers."""
    words = [name for name in table if name.removesuffix("_a").removesuffix("_b") in WORDS]
    types = dict.fromkeys(words, "category") | TYPES
    return table.astype({name: kind for name, kind in types.items() if name in table})


def _spread(many: pd.DataFrame, few: pd.DataFrame, key: str) -> pd.DataFrame:
    """`many` with the columns of the row of `few` that has the same key, which becomes a category."""
    keys = pd.Index(few[key])
    where = keys.get_indexer(many[key])
    many = many.assign(**{key: pd.Categorical.from_codes(where, keys)})
    return pd.concat([many, few.drop(columns=key).take(where).set_axis(many.index)], axis=1)


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
