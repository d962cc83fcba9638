"""Davidson's tie model (1970) as a likelihood: values, slopes, curvature, and its penalised maximum.

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


def pull_of_skew(design: np.ndarray, weight: np.ndarray, parameters: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """(p + 1,) slope of half the log-determinant of the information, whose inverse is `covariance`.

    Third cumulants of the answers, weighed by how uncertain each row's difference and tie weight are.
    """
    chance = probabilities(design @ parameters[:-1], parameters[-1])
    statistics = np.array(
        [[0.5, 0], [-0.5, 0], [0, 1]]
    )  # what a, b and a tie add to the slope of (difference, log_tie)
    apart = statistics - (chance @ statistics)[:, None]
    shared = design @ covariance[:-1, -1]
    own = np.einsum("np,pq,nq->n", design, covariance[:-1, :-1], design)
    uncertain = np.stack([own, shared, shared, np.full_like(own, covariance[-1, -1])], axis=1).reshape(-1, 2, 2)
    spread = np.einsum("nka,nab,nkb->nk", apart, uncertain, apart)
    pull = np.einsum("nk,nk,nka->na", chance, spread, apart) * weight[:, None] / 2
    return np.append(design.T @ pull[:, 0], pull[:, 1].sum())


def fit(
    design: np.ndarray, observed: np.ndarray, weight: np.ndarray, precision: np.ndarray, endless: bool = False
) -> np.ndarray:
    """(p + 1,) maximum of the log-likelihood minus half the ridge (`precision` is its diagonal), plus Firth's penalty.

    Few votes make plain maximum likelihood lean away from zero; half the log-determinant of the information (Firth 1993,
    the Jeffreys prior) takes that lean out to first order. `endless`: the shares are those of endless votes; no penalty.
    """
    ridge = np.diag(precision)

    def loss(parameters):
        chance = probabilities(design @ parameters[:-1], parameters[-1])
        likelihood = (weight * (observed * np.log(chance + 1e-300)).sum(axis=1)).sum()
        firth = 0 if endless else np.linalg.slogdet(curvature(parameters)).logabsdet / 2
        return precision @ parameters**2 / 2 - likelihood - firth

    def slope(parameters):
        plain = precision * parameters - weight @ scores(design, observed, parameters)
        if endless:
            return plain
        return plain - pull_of_skew(design, weight, parameters, np.linalg.inv(curvature(parameters)))

    def curvature(parameters):
        return information(design, weight, parameters) + ridge

    start = np.zeros(design.shape[1] + 1)
    found = optimize.minimize(loss, start, jac=slope, hess=curvature, method="trust-exact", options={"gtol": 1e-6})
    return found.x
