"""The vote frame: one row a vote (assignment x criterion), which everything in this folder reads.

Columns: `assignment`, `comparison`, `kind` (matched, wrong_prompt, degraded, identical, free), `repeat_of`
(assignment or None), `prompt`, `rater`, `criterion`, `answer` (in terms of the comparison's pictures a and
b, never left and right), `left_side` (which of them was on the left), `excluded` (rule or None), and for
each factor f the levels `f_a` and `f_b`.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

CRITERIA = {
    "alignment": "Which picture fits the text better?",
    "appearance": "Which picture looks better?",
    "flaws": "Which picture has fewer flaws?",
}
# As storage.schema and storage.preferences have them; this folder loads without a database.
ANSWERS = ("a", "b", "both_good", "both_bad", "cannot_tell")
TIES = ("both_good", "both_bad")
FACTORS = ("window", "schedule", "resolution", "checkpoint")


def ratable(votes: pd.DataFrame, criterion: str) -> pd.DataFrame:
    """The votes that ratings may use: one criterion, matched pairs, answered, kept, no swapped repeats.

    Controls test the raters, not the settings; "cannot tell" is missing, not a tie; a repeat is a second
    look of the same rater at the same pair and would count that pair twice.
    """
    if criterion not in CRITERIA:
        raise ValueError(f"criterion {criterion!r} is not one of {', '.join(CRITERIA)}")
    return answered(votes, (votes["criterion"] == criterion) & (votes["kind"] == "matched"))


def answered(votes: pd.DataFrame, among: pd.Series) -> pd.DataFrame:
    """Those of the votes `among` (n,) that say something, were not excluded, and are a rater's first look at the pair."""
    keep = among & votes["answer"].isin(ANSWERS[:4]) & votes["excluded"].isna() & votes["repeat_of"].isna()
    return votes[keep].reset_index(drop=True)


def is_check(votes: pd.DataFrame) -> pd.Series:
    """Votes on controls with a right answer. A picture of another text is the worse one in alignment and nothing else."""
    return votes["expected"].isin(["a", "b"]) & (
        (votes["kind"] != "wrong_prompt") | (votes["criterion"] == "alignment")
    )


def outcome(votes: pd.DataFrame) -> np.ndarray:
    """(n,) 0 = a won, 1 = b won, 2 = tie."""
    return np.select([votes["answer"] == "a", votes["answer"] == "b"], [0, 1], default=2)


def points(votes: pd.DataFrame) -> np.ndarray:
    """(n,) 1 = a won, 0 = b won, a tie half."""
    return np.array([1.0, 0.0, 0.5])[outcome(votes)]


def levels(votes: pd.DataFrame, factors, picture: str) -> pd.DataFrame:
    """(n, factors) the levels of picture "a" or "b"."""
    return votes[[f"{factor}_{picture}" for factor in factors]].set_axis(list(factors), axis=1)


def level_order(values) -> list:
    """Distinct levels in natural order (2 before 10, 64×64 before 256×256); the first one is the reference."""
    distinct = pd.unique(pd.Series(list(values), dtype=object).dropna()).tolist()
    return sorted(distinct, key=_natural)


def _natural(level) -> tuple:
    if not isinstance(level, str):
        return (0, [float(level)], "")
    words = re.sub(r"[\d.]+", "", level)
    return (1, words, [float(number) for number in re.findall(r"\d+(?:\.\d+)?", level)])
