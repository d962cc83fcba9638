"""Davidson's tie model (1970) as a likelihood: values, slopes, curvature, and its ridge maximum.

With d the difference of pictures a and b on the log-odds scale (the side effect included)
P(a) : P(b) : P(tie) = exp(d / 2) : exp(-d / 2) : exp(theta).
"""

from __future__ import annotations

import numpy as np
from scipy import optimize
from scipy.special import softmax


def probabilities(difference: np.ndarray, log_tie: float) -> np.ndarray:
    """(n,) differences -> (n, 3) chances of a, b, tie."""
    difference = np.asarray(difference, dtype=float)
    logits = np.stack([difference / 2, -difference / 2, np.full_like(difference, log_tie)], axis=1)
    return softmax(logits, axis=1)


def scores(design: np.ndarray, observed: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    """(n, p) design, (n, 3) observed shares, (p + 1,) parameters -> (n, p + 1) slope of each vote."""
    gap = observed - probabilities(design @ parameters[:-1], parameters[-1])
    return np.column_stack([design * ((gap[:, :1] - gap[:, 1:2]) / 2), gap[:, 2]])


def information(design: np.ndarray, weight: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    """(p + 1, p + 1) expected (= observed) information of the weighted votes."""
    chance = probabilities(design @ parameters[:-1], parameters[-1])
    a, b, tie = chance.T
    size = len(parameters)
    matrix = np.empty((size, size))
    matrix[:-1, :-1] = design.T @ (design * (weight * (a + b - (a - b) ** 2) / 4)[:, None])
    matrix[:-1, -1] = matrix[-1, :-1] = design.T @ (-weight * (a - b) / 2 * tie)
    matrix[-1, -1] = (weight * tie * (1 - tie)).sum()
    return matrix


def fit(design: np.ndarray, observed: np.ndarray, weight: np.ndarray, precision: np.ndarray) -> np.ndarray:
    """(p + 1,) maximum of the log-likelihood minus half the ridge (`precision` is its diagonal)."""

    def loss(parameters):
        chance = probabilities(design @ parameters[:-1], parameters[-1])
        likelihood = (weight * (observed * np.log(chance + 1e-300)).sum(axis=1)).sum()
        return precision @ parameters**2 / 2 - likelihood

    def slope(parameters):
        return precision * parameters - weight @ scores(design, observed, parameters)

    def curvature(parameters):
        return information(design, weight, parameters) + np.diag(precision)

    start = np.zeros(design.shape[1] + 1)
    found = optimize.minimize(loss, start, jac=slope, hess=curvature, method="trust-exact", options={"gtol": 1e-6})
    return found.x
