"""The rating model: factors of the setting as coefficients on one log-odds scale, one fit a criterion.

Difference of pictures a and b = sum of the effects of window, schedule, resolution, checkpoint and their interactions
+ or - the advantage of the left side; ties by Davidson. Firth's penalty takes the lean of small studies out, and a weak
ridge keeps combinations that nobody rated finite (arXiv 1411.1168).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from app.study import davidson
from app.study.coding import Coding, make_coding
from app.study.intervals import sandwich, t_interval, t_p_value, two_way_meat
from app.study.votes import FACTORS, levels, outcome, ratable

PRIOR_SD = 3.0  # log-odds; an effect of 3 already means 95 : 5
INTERACTION_PRIOR_SD = 1.0


@dataclass(frozen=True)
class Rating:
    """A fitted model. Parameters are the terms of `coding`, then the side effect, then log of the tie weight."""

    criterion: str
    coding: Coding
    parameters: np.ndarray
    covariance: np.ndarray
    naive_covariance: np.ndarray
    freedom: np.ndarray
    votes_per_term: np.ndarray
    n_votes: int
    n_prompts: int
    n_raters: int


def rate(votes: pd.DataFrame, criterion: str, coding: Coding | None = None) -> Rating:
    """Fit one criterion of a vote frame. Without votes every effect is zero and as uncertain as the prior.

    `coding` fixes the known levels (say, those of the study); by default they are the rated ones.
    """
    used = ratable(votes, criterion)
    a, b = levels(used, FACTORS, "a"), levels(used, FACTORS, "b")
    coding = coding or make_coding(pd.concat([a, b]), FACTORS)
    contrast = coding.encode(a) - coding.encode(b)
    return _fit(used, criterion, coding, contrast)


def _fit(used: pd.DataFrame, criterion: str, coding: Coding, contrast: np.ndarray) -> Rating:
    design = np.column_stack([contrast, np.where(used["left_side"] == "a", 1.0, -1.0)])
    result = outcome(used)
    rows, row = distinct_rows(design)  # few settings meet in many votes
    counts = np.zeros((len(rows), 3))
    np.add.at(counts, (row, result), 1)
    weight, precision = counts.sum(axis=1), ridge(coding)
    parameters = davidson.fit(rows, counts / weight[:, None], weight, precision)
    curvature = davidson.information(rows, weight, parameters) + np.diag(precision)
    prompt, rater = (pd.factorize(used[column])[0] for column in ("prompt", "rater"))
    meat = np.zeros_like(curvature)
    if len(used):
        meat = two_way_meat(davidson.scores(design, np.eye(3)[result], parameters), prompt, rater)
    touched = np.column_stack([design != 0, np.ones(len(used), dtype=bool)])
    return Rating(
        criterion,
        coding,
        parameters,
        covariance=sandwich(curvature, meat, np.diag(precision)),
        naive_covariance=np.linalg.inv(curvature),
        freedom=_freedom(touched, prompt, rater),
        votes_per_term=touched.sum(axis=0),
        n_votes=len(used),
        n_prompts=_distinct(prompt),
        n_raters=_distinct(rater),
    )


def distinct_rows(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, p) -> the different rows and, (n,), which of them each row is. `np.unique` sorts whole rows: ten times slower."""
    code = np.zeros(len(matrix), dtype=int)
    for column in matrix.T:
        values = pd.factorize(column)[0]
        code = pd.factorize(code * (values.max(initial=0) + 1) + values)[0]
    first = np.unique(code, return_index=True)[1]
    return matrix[first], code


def ridge(coding: Coding) -> np.ndarray:
    """(terms + 2,) prior precision of every parameter."""
    spread = [INTERACTION_PRIOR_SD if term.is_interaction else PRIOR_SD for term in coding.terms]
    return 1 / np.square([*spread, PRIOR_SD, PRIOR_SD])


def _freedom(touched: np.ndarray, prompt: np.ndarray, rater: np.ndarray) -> np.ndarray:
    """(p,) the smaller number of prompts or raters that speak to a parameter, minus one."""
    return np.array([min(_distinct(prompt[column]), _distinct(rater[column])) - 1 for column in touched.T])


def _distinct(codes: np.ndarray) -> int:
    return int(np.count_nonzero(np.bincount(codes)))


def effects(rating: Rating) -> pd.DataFrame:
    """One row a term: estimate on the log-odds scale, clustered and naive interval, p-value, votes behind it."""
    count = len(rating.coding.terms)
    return _table(rating, [term.name for term in rating.coding.terms], np.arange(count)).assign(
        factor=[" × ".join(f for f, _ in term.levels) for term in rating.coding.terms],
        reference=[_reference_name(rating.coding, term) for term in rating.coding.terms],
    )


def _reference_name(coding: Coding, term) -> str:
    return ", ".join(f"{factor}={coding.reference(factor)}" for factor, _ in term.levels)


def side_effect(rating: Rating) -> pd.DataFrame:
    """One row: the advantage of the left side in log-odds."""
    return _table(rating, ["left side"], np.array([len(rating.coding.terms)]))


def _table(rating: Rating, names, index: np.ndarray) -> pd.DataFrame:
    estimate, freedom = rating.parameters[index], rating.freedom[index]
    error = np.sqrt(np.diag(rating.covariance)[index])
    naive = np.sqrt(np.diag(rating.naive_covariance)[index])
    low, high = t_interval(estimate, error, freedom)
    naive_low, naive_high = t_interval(estimate, naive, np.full(len(index), 1e9))
    return pd.DataFrame(
        {
            "criterion": rating.criterion,
            "term": names,
            "estimate": estimate,
            "se": error,
            "df": freedom,
            "low": low,
            "high": high,
            "naive_low": naive_low,
            "naive_high": naive_high,
            "p_value": t_p_value(estimate, error, freedom),
            "n": rating.votes_per_term[index],
        }
    )


def predict(rating: Rating, settings: pd.DataFrame) -> pd.DataFrame:
    """Rating of each setting against the reference setting, with interval; unrated combinations too.

    Adds `rating`, its standard error `se`, `low` and `high` (log-odds).
    """
    rows = rating.coding.encode(settings) - rating.coding.reference_row()
    count = rows.shape[1]
    value = rows @ rating.parameters[:count]
    error = np.sqrt(np.einsum("ni,ij,nj->n", rows, rating.covariance[:count, :count], rows))
    freedom = max(min(rating.n_prompts, rating.n_raters) - 1, 0)
    low, high = t_interval(value, error, np.full(len(rows), freedom))
    return settings.assign(rating=value, se=error, low=low, high=high)
