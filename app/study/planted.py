"""Planted truth: a crowd with known effects, and what an infinitely long study would report about it.

Raters and prompts differ in how much each effect weighs with them. Averaging over that spread flattens
log-odds, so the number to recover is not the planted coefficient of one mind but the marginal one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from app.study import davidson
from app.study.coding import Coding

QUADRATURE_POINTS = 25


@dataclass(frozen=True)
class Truth:
    """Effects by term name in log-odds (absent = 0); spreads are standard deviations of an effect."""

    effects: dict[str, float] = field(default_factory=dict)
    side: float = 0.1
    log_tie: float = -0.3
    both_good: float = 0.6  # share of ties
    cannot_tell: float = 0.02
    prompt_sd: float = 0.6
    rater_sd: float = 0.4

    def vector(self, coding: Coding) -> np.ndarray:
        """(terms,) the effects in the order of the coding."""
        unknown = set(self.effects) - {term.name for term in coding.terms}
        if unknown:
            raise ValueError(f"effects {sorted(unknown)} are not among {[term.name for term in coding.terms]}")
        return np.array([self.effects.get(term.name, 0.0) for term in coding.terms])


class Crowd:
    """Raters who answer about pairs; what moves one rater or one prompt stays the same all study long."""

    def __init__(self, truth: Truth, coding: Coding, prompts: int, raters: int, random: np.random.Generator):
        self.truth, self.random = truth, random
        self.effects = truth.vector(coding)
        self.prompt_shift = random.normal(0, truth.prompt_sd, (prompts, len(self.effects)))
        self.rater_shift = random.normal(0, truth.rater_sd, (raters, len(self.effects)))

    def answer(self, contrast: np.ndarray, prompt: int, rater: int, left_side: str) -> str:
        """(terms,) coding of a minus b -> one of the five answers."""
        if self.random.random() < self.truth.cannot_tell:
            return "cannot_tell"
        effect = self.effects + self.prompt_shift[prompt] + self.rater_shift[rater]
        difference = contrast @ effect + (self.truth.side if left_side == "a" else -self.truth.side)
        chance = davidson.probabilities(np.array([difference]), self.truth.log_tie)[0]
        drawn = ("a", "b", "tie")[self.random.choice(3, p=chance)]
        if drawn != "tie":
            return drawn
        return "both_good" if self.random.random() < self.truth.both_good else "both_bad"


def marginal(truth: Truth, coding: Coding, contrasts: np.ndarray) -> np.ndarray:
    """(n, terms) contrasts of the design -> (terms + 2,) parameters that endless votes would give."""
    sign = np.repeat([1.0, -1.0], len(contrasts))
    design = np.column_stack([np.tile(contrasts, (2, 1)), sign])
    difference = design @ np.append(truth.vector(coding), truth.side)
    spread = np.sqrt((design[:, :-1] ** 2).sum(axis=1) * (truth.prompt_sd**2 + truth.rater_sd**2))
    nodes, weights = np.polynomial.hermite_e.hermegauss(QUADRATURE_POINTS)
    expected = sum(
        weight * davidson.probabilities(difference + node * spread, truth.log_tie)
        for node, weight in zip(nodes, weights / weights.sum())
    )
    tiny = np.full(design.shape[1] + 1, 1e-9)
    return davidson.fit(design, expected, np.ones(len(design)), tiny, endless=True)
