"""Settings as numbers: dummy columns for the levels of each factor and for their interactions.

A difference of two settings' rows is what a vote sees; the first level of a factor is its reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from app.study.votes import level_order


@dataclass(frozen=True)
class Term:
    """One coefficient: the levels that must all hold for its column to be one."""

    levels: tuple[tuple[str, object], ...]

    @property
    def name(self) -> str:
        """Such as `window=4` or `window=4 x resolution=512`."""
        return " × ".join(f"{factor}={level}" for factor, level in self.levels)

    @property
    def is_interaction(self) -> bool:
        return len(self.levels) > 1


@dataclass(frozen=True)
class Coding:
    """Which settings the coefficient vector knows, and what each coefficient means."""

    levels: dict[str, list]
    terms: tuple[Term, ...]

    def reference(self, factor: str):
        """The level against which the others of the factor are measured."""
        return self.levels[factor][0]

    def encode(self, settings: pd.DataFrame) -> np.ndarray:
        """(n, factors) levels -> (n, terms): zeros and ones for main effects, centred products for interactions.

        Centring makes a main effect the average over the levels of the other factors.
        """
        self._check(settings)
        columns = [self._column(settings, term) for term in self.terms]
        return np.stack(columns, axis=1) if columns else np.zeros((len(settings), 0))

    def _column(self, settings: pd.DataFrame, term: Term) -> np.ndarray:
        column = np.ones(len(settings))
        for factor, level in term.levels:
            centre = 1 / len(self.levels[factor]) if term.is_interaction else 0.0
            column = column * ((settings[factor] == level).to_numpy() - centre)
        return column

    def reference_row(self) -> np.ndarray:
        """(terms,) the coding of the setting with every factor at its reference."""
        return self.encode(pd.DataFrame({factor: levels[:1] for factor, levels in self.levels.items()}))[0]

    def _check(self, settings: pd.DataFrame) -> None:
        for factor, known in self.levels.items():
            unknown = set(pd.unique(settings[factor])) - set(known)
            if unknown:
                raise ValueError(f"{factor} {sorted(map(str, unknown))} was not rated; known levels: {known}")


def make_coding(settings: pd.DataFrame, factors) -> Coding:
    """Coding of every factor with at least two levels in `settings`, and of all their pairs."""
    levels = {factor: level_order(settings[factor]) for factor in factors}
    varied = [factor for factor in factors if len(levels[factor]) > 1]
    terms = [Term(((f, level),)) for f in varied for level in levels[f][1:]]
    terms += [Term(((f, x), (g, y))) for f, g in combinations(varied, 2) for x in levels[f][1:] for y in levels[g][1:]]
    return Coding(levels, tuple(terms))
