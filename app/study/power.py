"""How many votes a contrast needs, and what it can decide with the votes that a design allows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from app.study.stopping import TARGET_EFFECT, planned_information
from app.study.votes import level_order


@dataclass(frozen=True)
class Power:
    """Assumptions, printed beside every number that rests on them."""

    effect: float = TARGET_EFFECT  # log-odds between two levels; 0.5 is 62 % wins
    tie_share: float = 0.25
    design_effect: float = 2.0  # how much prompts and raters that differ inflate the variance

    def information_per_vote(self) -> float:
        """Of one vote on a contrast near zero: variance of the score (a - b) / 2, deflated by clustering."""
        return (1 - self.tie_share) / 4 / self.design_effect

    def votes_needed(self) -> int:
        return int(np.ceil(planned_information(self.effect) / self.information_per_vote()))

    def smallest_effect(self, votes: int) -> float:
        """The log-odds that this many votes decide with 80 % power; inf without votes."""
        if votes <= 0:
            return float("inf")
        return self.effect * float(np.sqrt(planned_information(self.effect) / (votes * self.information_per_vote())))


def power_table(pairs: pd.DataFrame, raters_per_pair: int, power: Power) -> pd.DataFrame:
    """Contrast -> pairs, votes a criterion when every pair has its raters, votes needed, smallest decidable effect."""
    counts = pairs.groupby("block").size()
    blocks = level_order(counts.index)
    votes = [int(counts[block]) * raters_per_pair for block in blocks]
    return pd.DataFrame(
        {
            "contrast": blocks,
            "pairs": [int(counts[block]) for block in blocks],
            "votes": votes,
            "needed": power.votes_needed(),
            "smallest": [power.smallest_effect(n) for n in votes],
        }
    )
