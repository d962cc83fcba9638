"""Uncertainty that knows that votes come in clusters: two-way (prompt x rater) sandwich covariance.

Cameron, Gelbach, Miller (2011). 95 % intervals that treat votes as independent cover less than that once
prompts and raters differ (docs/protocol.md says how much); the naive interval is kept beside the honest one for comparison.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse, stats
from scipy.special import ndtri

LEVEL = 0.95


def cluster_sums(scores: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """(n, p) scores, (n,) cluster codes 0..G-1 -> (G, p) sums inside each cluster."""
    member = sparse.csr_array((np.ones(len(cluster)), (cluster, np.arange(len(cluster)))))
    return member @ scores


def one_way_meat(scores: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """(p, p) sum over clusters of the outer products of their scores, with the G / (G - 1) correction."""
    sums = cluster_sums(scores, cluster)
    count = max(len(sums), 2)
    return sums.T @ sums * count / (count - 1)


def two_way_meat(scores: np.ndarray, prompt: np.ndarray, rater: np.ndarray) -> np.ndarray:
    """(p, p) meat of the sandwich: by prompt + by rater - by their intersection, made positive.

    Never below the larger one-way meat on the diagonal: with few raters the subtraction can leave less
    variance than one clustering alone shows.
    """
    by_prompt, by_rater = one_way_meat(scores, prompt), one_way_meat(scores, rater)
    cells = np.unique(prompt * (rater.max() + 1) + rater, return_inverse=True)[1]
    both = positive_part(by_prompt + by_rater - one_way_meat(scores, cells))
    floor = np.maximum(np.diag(by_prompt), np.diag(by_rater))
    stretch = np.sqrt(np.maximum(floor / np.maximum(np.diag(both), 1e-12), 1.0))
    return both * np.outer(stretch, stretch)


def positive_part(matrix: np.ndarray) -> np.ndarray:
    """The nearest matrix without negative eigenvalues."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return (vectors * np.clip(values, 0, None)) @ vectors.T


def sandwich(curvature: np.ndarray, meat: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """(p, p) covariance of a ridge estimate: curvature^-1 (meat + prior) curvature^-1.

    `curvature` includes the prior precision. Where the data say nothing, meat is zero and what is left is
    the prior variance, so that unrated combinations get wide intervals instead of none.
    """
    bread = np.linalg.inv(curvature)
    return bread @ (meat + prior) @ bread


def t_interval(estimate, error, freedom):
    """95 % interval: estimate, its standard error, degrees of freedom -> (low, high); nan below one degree of freedom."""
    usable = np.asarray(freedom, dtype=float) >= 1
    quantile = stats.t.ppf(0.5 + LEVEL / 2, np.where(usable, freedom, 1))
    half = np.where(usable, quantile * error, np.nan)
    return estimate - half, estimate + half


def t_p_value(estimate, error, freedom) -> np.ndarray:
    """Two-sided p-value of "the effect is zero"; nan below one degree of freedom."""
    freedom = np.asarray(freedom, dtype=float)
    ratio = np.abs(estimate) / np.maximum(error, 1e-12)
    return np.where(freedom >= 1, 2 * stats.t.sf(ratio, np.maximum(freedom, 1)), np.nan)


def share_interval(wins: float, n: float) -> tuple[float, float]:
    """95 % Wilson interval of a share; (nan, nan) without votes."""
    if n <= 0:
        return float("nan"), float("nan")
    z = ndtri(0.5 + LEVEL / 2)
    centre = (wins + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * np.sqrt(max(wins * (n - wins) / n, 0) + z * z / 4)
    return float(max(centre - half, 0.0)), float(min(centre + half, 1.0))


def shares(scores: pd.DataFrame, by: str | list[str]) -> pd.DataFrame:
    """One row a group of `by`: mean of `score` (0..1) as `share`, Wilson's `low` and `high` with rows as independent, `n`."""
    table = scores.groupby(by, observed=True)["score"].agg(wins="sum", n="count").reset_index()
    bounds = [share_interval(wins, n) for wins, n in zip(table["wins"], table["n"])]
    return table.assign(
        share=table["wins"] / table["n"], low=[low for low, _ in bounds], high=[high for _, high in bounds]
    ).drop(columns="wins")
