"""Whole studies with planted truth: plan, crowd, pair choice, votes, and how well the truth came back.

The ledger is where assignments and votes go: a list here for the fast tests, the real database in
`python -m app.study simulate`. Everything else is the same code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count, product
from typing import Protocol

import numpy as np
import pandas as pd

from app.drawing.checkpoints import DEFAULT
from app.study.choice import Choice, Pool, Seen, choose
from app.study.coding import Coding, make_coding
from app.study.design import matched_pairs
from app.study.planted import Crowd, Truth, marginal
from app.study.ratings import Rating, effects, rate, side_effect
from app.study.votes import CRITERIA, FACTORS

SESSION = 10  # assignments between two looks at what the other raters did


@dataclass(frozen=True)
class Plan:
    """Size of a simulated study. Every prompt is drawn with one seed at every combination of levels."""

    windows: tuple[int, ...] = (1, 2, 4)
    schedules: tuple[str, ...] = ("constant 4", "linear 4")
    resolutions: tuple[str, ...] = ("64×64", "128×128")
    prompts: int = 24
    raters: int = 12
    assignments: int = 60  # a rater
    raters_per_pair: int = 3
    criteria: tuple[str, ...] = tuple(CRITERIA)

    def generations(self) -> pd.DataFrame:
        """The pictures of the study as `design.matched_pairs` wants them."""
        cells = product(range(self.prompts), self.windows, self.schedules, self.resolutions)
        rows = [(f"g{i}", f"prompt {p}", 0, w, s, r, DEFAULT, "") for i, (p, w, s, r) in enumerate(cells)]
        return pd.DataFrame(rows, columns=["generation", "prompt", "seed", *FACTORS, "rest"])


class Ledger(Protocol):
    """Where a study lives. `pool` is asked once a session, `write` once an assignment."""

    prompts: dict[str, str]  # comparison -> prompt

    def pool(self) -> Pool: ...
    def history(self, rater: int) -> list[Seen]: ...
    def write(self, rater: int, choice: Choice, answers: dict[str, str]) -> str: ...
    def votes(self) -> pd.DataFrame: ...


@dataclass
class MemoryLedger:
    """Assignments and votes in lists."""

    pairs: pd.DataFrame  # comparison, a, b, prompt, block, and the factors of a and b
    contrast: np.ndarray
    rows: list[dict] = field(default_factory=list)
    seen: dict[int, list[Seen]] = field(default_factory=dict)
    fresh_id: count = field(default_factory=count)

    @property
    def prompts(self) -> dict[str, str]:
        return dict(zip(self.pairs["comparison"], self.pairs["prompt"]))

    def pool(self) -> Pool:
        rated = pd.Series(0, index=self.pairs["comparison"])
        if self.rows:
            who = pd.DataFrame(self.rows).groupby("comparison")["rater"].nunique()
            rated.loc[who.index] = who
        kinds = np.full(len(self.pairs), "matched")
        return Pool(
            self.pairs["comparison"].to_numpy(),
            kinds,
            self.pairs["block"].to_numpy(),
            rated.to_numpy(),
            self.contrast,
        )

    def history(self, rater: int) -> list[Seen]:
        return list(self.seen.get(rater, []))

    def write(self, rater: int, choice: Choice, answers: dict[str, str]) -> str:
        assignment = f"s{next(self.fresh_id)}"
        self.seen.setdefault(rater, []).append(
            Seen(assignment, choice.comparison, choice.left_side, "matched", choice.repeat_of)
        )
        shared = {"assignment": assignment, "comparison": choice.comparison, "rater": f"r{rater}"}
        shared |= {
            "left_side": choice.left_side,
            "repeat_of": choice.repeat_of,
            "propensity": choice.propensity,
        }
        self.rows += [shared | {"criterion": criterion, "answer": answer} for criterion, answer in answers.items()]
        return assignment

    def votes(self) -> pd.DataFrame:
        frame = pd.DataFrame(self.rows).merge(self.pairs.drop(columns=["a", "b"]), on="comparison")
        return frame.assign(kind="matched", excluded=None)


def pair_table(plan: Plan) -> tuple[pd.DataFrame, Coding, np.ndarray]:
    """The pairs of a plan with the factors of both pictures, the coding, and (n, terms) contrasts."""
    pictures = plan.generations().set_index("generation")
    pairs = matched_pairs(pictures.reset_index())
    pairs.insert(0, "comparison", [f"c{i}" for i in range(len(pairs))])
    for side in ("a", "b"):
        for factor in FACTORS:
            pairs[f"{factor}_{side}"] = pictures.loc[pairs[side], factor].to_numpy()
    coding = make_coding(pictures, FACTORS)
    contrast = coding.encode(pictures.loc[pairs["a"]]) - coding.encode(pictures.loc[pairs["b"]])
    return pairs, coding, contrast


def run_raters(
    ledger: Ledger,
    plan: Plan,
    crowds: dict[str, Crowd],
    coding: Coding,
    prompt_of: dict[str, int],
    random: np.random.Generator,
) -> None:
    """Let every rater answer, sessions interleaved; the choice of pairs is the arena's, with one fit a round."""
    for session in range(-(-plan.assignments // SESSION)):
        rating = rate(ledger.votes(), plan.criteria[0], coding=coding) if session else None
        for rater in range(plan.raters):
            length = min(SESSION, plan.assignments - session * SESSION)
            _session(ledger, plan, crowds, rating, prompt_of, random, rater, length)


def _session(ledger, plan, crowds, rating: Rating | None, prompt_of, random, rater: int, length: int) -> None:
    pool, history = ledger.pool(), ledger.history(rater)
    everything = np.ones(len(pool.comparison), dtype=bool)
    for _ in range(length):
        choice = choose(pool, history, everything, plan.raters_per_pair, random, rating)
        if choice is None:
            return
        row = int(np.flatnonzero(pool.comparison == choice.comparison)[0])
        answers = {
            name: crowd.answer(pool.contrast[row], prompt_of[choice.comparison], rater, choice.left_side)
            for name, crowd in crowds.items()
        }
        assignment = ledger.write(rater, choice, answers)
        history.append(Seen(assignment, choice.comparison, choice.left_side, "matched", choice.repeat_of))


def simulate_study(
    plan: Plan,
    truth: Truth,
    seed: int,
    open_ledger: Callable[[pd.DataFrame, np.ndarray], Ledger] = MemoryLedger,
) -> tuple[pd.DataFrame, Coding, np.ndarray]:
    """One study from empty to full: vote frame, coding, (terms + 2,) numbers to recover. One crowd a criterion."""
    random = np.random.default_rng(seed)
    pairs, coding, contrast = pair_table(plan)
    ledger = open_ledger(pairs, contrast)
    crowds = {name: Crowd(truth, coding, plan.prompts, plan.raters, random) for name in plan.criteria}
    number = {prompt: i for i, prompt in enumerate(pd.unique(pairs["prompt"]))}
    prompt_of = {comparison: number[prompt] for comparison, prompt in ledger.prompts.items()}
    run_raters(ledger, plan, crowds, coding, prompt_of, random)
    return ledger.votes(), coding, marginal(truth, coding, contrast)


def recovery(votes: pd.DataFrame, coding: Coding, target: np.ndarray, criteria) -> pd.DataFrame:
    """One row a parameter and criterion: target, estimate, both intervals, p-value."""
    tables = []
    for criterion in criteria:
        rating = rate(votes, criterion, coding=coding)
        found = pd.concat([effects(rating), side_effect(rating)], ignore_index=True)
        tables.append(found.assign(target=target[: len(found)]))
    return pd.concat(tables, ignore_index=True)


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """Rows of many studies -> one row a term: bias, coverage of both intervals, share of p < 0.05, intervals."""
    marked = found.assign(
        bias=found["estimate"] - found["target"],
        coverage=found["target"].between(found["low"], found["high"]),
        naive_coverage=found["target"].between(found["naive_low"], found["naive_high"]),
        significant=found["p_value"] < 0.05,
        width=found["high"] - found["low"],
    )
    table = marked.groupby("term", sort=False).agg(
        target=("target", "mean"),
        bias=("bias", "mean"),
        width=("width", "mean"),
        coverage=("coverage", "mean"),
        naive_coverage=("naive_coverage", "mean"),
        significant=("significant", "mean"),
        intervals=("bias", "size"),
    )
    return table.reset_index()
