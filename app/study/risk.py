"""How likely it is that somebody did not look: a score of 0 to 100 from what their votes themselves show.

Plain rules with printed thresholds. A score at or above EXCLUDE_AT sets all votes of the rater aside under one rule,
in the study's table of exclusions; the rater is not told (a shadow exclusion), and falling below lifts it again.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from app.study.votes import is_check

EXCLUDE_AT = 60.0
RULE = "risk"
FEWEST_VOTES = 9  # nobody is judged on less
FEWEST_PAIRS = 3
FAST_MS = 700
FEWEST_CONTROLS = 3  # pairs, not answers: the answers to one pair go together
ONE_SIDE_P = 1e-4  # fifteen pairs in a row
ONE_ANSWER_PAIRS = 20

COLUMNS = ["rater", "risk", "reasons", "votes"]


def risk_scores(votes: pd.DataFrame) -> pd.DataFrame:
    """One row a rater: risk in 0 to 100, the reasons in words, votes. `votes` is the vote frame, excluded ones included."""
    rows = [(rater, *_score(own), len(own)) for rater, own in votes.groupby("rater", sort=False)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _score(own: pd.DataFrame) -> tuple[float, list[str]]:
    """Sum of the points of all rules that apply, at most 100."""
    if len(own) < FEWEST_VOTES:
        return 0.0, []
    found = [rule(own) for rule in (_failed_controls, _too_fast, _one_side, _one_answer)]
    reasons = [(points, reason) for points, reason in found if points > 0]
    return min(sum(points for points, _ in reasons), 100.0), [reason for _, reason in reasons]


def _failed_controls(own: pd.DataFrame) -> tuple[float, str]:
    """Controls with a right answer: worse than a coin is what not looking gives. At most 60 points."""
    asked = own[is_check(own) & own["answer"].isin(["a", "b"])]
    if asked["assignment"].nunique() < FEWEST_CONTROLS:
        return 0.0, ""
    failed = int((asked["answer"] != asked["expected"]).sum())
    share = failed / len(asked)
    return 60.0 * max((share - 0.2) / 0.3, 0.0) if share < 0.5 else 60.0, f"{failed} of {len(asked)} checks failed"


def _too_fast(own: pd.DataFrame) -> tuple[float, str]:
    """First questions of a pair answered before one can have looked. At most 50 points."""
    first = own[pd.to_numeric(own["decision_ms"]).notna()].drop_duplicates("assignment")
    if len(first) < FEWEST_PAIRS:
        return 0.0, ""
    share = float((pd.to_numeric(first["decision_ms"]) < FAST_MS).mean())
    return 50.0 * max(
        (share - 0.3) / 0.5, 0.0
    ) if share < 0.8 else 50.0, f"{share:.0%} of pairs answered in under {FAST_MS} ms"


def _one_side(own: pd.DataFrame) -> tuple[float, str]:
    """Always left or always right, by the first choice on every pair: sides are counterbalanced, so the chance of it is a
    coin's, and criteria that agree are one toss. At most 40 points."""
    chose = own[own["answer"].isin(["a", "b"])].drop_duplicates("assignment")
    left = int((chose["answer"] == chose["left_side"]).sum())
    if len(chose) < FEWEST_PAIRS:
        return 0.0, ""
    p = stats.binomtest(left, len(chose)).pvalue
    return (40.0, f"{left} of {len(chose)} first choices on the left") if p < ONE_SIDE_P else (0.0, "")


def _one_answer(own: pd.DataFrame) -> tuple[float, str]:
    """The same button nearly always, such as only "cannot tell". At most 30 points."""
    if own["assignment"].nunique() < ONE_ANSWER_PAIRS:
        return 0.0, ""
    pressed = np.where(
        own["answer"].isin(["a", "b"]), np.where(own["answer"] == own["left_side"], "left", "right"), own["answer"]
    )
    names, counts = np.unique(pressed.astype(str), return_counts=True)
    share = counts.max() / len(own)
    said = f"{share:.0%} of answers are {names[counts.argmax()].replace('_', ' ')}"
    return (30.0, said) if share > 0.95 else (0.0, "")


def sweep_plan(
    votes: pd.DataFrame, scores: pd.DataFrame, limit: float = EXCLUDE_AT
) -> tuple[dict[str, list[str]], list[str]]:
    """What a sweep does: reason -> votes to set aside now, and votes to count again. `votes` carries `risky`: whether
    the rule holds for a vote today."""
    by_rater = scores.set_index("rater")
    risky = by_rater.index[by_rater["risk"] >= limit]
    should = votes["rater"].isin(risky)
    out: dict[str, list[str]] = {}
    for rater, rows in votes[should & ~votes["risky"]].groupby("rater", sort=False):
        reason = "; ".join(by_rater.at[rater, "reasons"])
        out.setdefault(reason, []).extend(rows["vote"])
    return out, votes.loc[~should & votes["risky"], "vote"].tolist()
