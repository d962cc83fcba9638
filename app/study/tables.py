"""What the results page draws, as data frames: wins, costs, the Pareto front, coverage, verdicts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from app.study.coding import Coding
from app.study.intervals import share_interval, shares
from app.study.ratings import Rating, effects, predict
from app.study.stopping import Verdict, review
from app.study.votes import CRITERIA, FACTORS, answered, level_order, levels, points, ratable

ALL_CONTRASTS = "all contrasts"


def win_table(votes: pd.DataFrame, criterion: str, factor: str) -> pd.DataFrame:
    """Ordered pairs of levels: share of votes that `row` won against `column`, ties half, Wilson interval, n.

    The interval treats votes as independent; the forest plot has the clustered one.
    """
    used = ratable(votes, criterion)
    used = used[used["factor"] == factor]
    forward = pd.DataFrame({"row": used[f"{factor}_a"], "column": used[f"{factor}_b"], "score": points(used)})
    both = pd.concat([forward, forward.set_axis(["column", "row", "score"], axis=1).assign(score=1 - forward["score"])])
    return shares(both, ["row", "column"])


def rival_table(votes: pd.DataFrame) -> pd.DataFrame:
    """Rival system x criterion -> share of answers that the study's own picture won (ties half), Wilson interval, n."""
    used = answered(votes, (votes["kind"] == "free") & (votes["factor"] == "system"))
    names = used["block"].str.removeprefix("system ")
    return shares(used.assign(system=names, score=points(used)), ["system", "criterion"])


def setting_costs(pairs: pd.DataFrame) -> pd.DataFrame:
    """One row a setting of the matched pairs: the factors, median seconds, steps (fused tokens), memory (GiB) and pictures."""
    sides = []
    for side in ("a", "b"):
        names = {f"{name}_{side}": name for name in (*FACTORS, "generation", "seconds", "steps", "peak_memory_bytes")}
        sides.append(pairs.loc[pairs["kind"] == "matched", list(names)].rename(columns=names))
    pictures = pd.concat(sides).drop_duplicates("generation")
    grouped = pictures.groupby(list(FACTORS), dropna=False)
    return (
        grouped.agg(
            seconds=("seconds", "median"),
            steps=("steps", "median"),
            memory=("peak_memory_bytes", "median"),
            pictures=("generation", "count"),
        )
        .reset_index()
        .assign(memory=lambda table: pd.to_numeric(table["memory"]) / 2**30)
    )


def rated_costs(
    rating: Rating,
    pairs: pd.DataFrame,
    votes: pd.DataFrame,
    cost: str = "seconds",
    flops: Mapping[tuple, float] | None = None,
) -> pd.DataFrame:
    """Ratings of all settings of the design beside their costs; `front` marks those that nothing beats in both, `n` counts
    the votes: 0 where the rating is a prediction. Settings whose cost is not known are left out. flops: levels of the
    factors -> FLOPs of one picture."""
    costs, used = setting_costs(pairs), ratable(votes, rating.criterion)
    keys = list(zip(*(costs[factor] for factor in FACTORS)))
    rated = pairs.assign(n=pairs["comparison"].map(used["comparison"].value_counts()).fillna(0).astype(int))
    sides = pd.concat([levels(rated, FACTORS, side).assign(n=rated["n"]) for side in "ab"])
    counts = sides.groupby(list(FACTORS), observed=True)["n"].sum()
    costs = costs.assign(
        flops=[(flops or {}).get(key, np.nan) for key in keys], n=[int(counts.get(key, 0)) for key in keys]
    )
    costs = costs.dropna(subset=[cost])
    if costs.empty:
        return costs.assign(rating=[], low=[], high=[], front=[])
    table = predict(rating, costs).sort_values([cost, "rating"], ascending=[True, False], ignore_index=True)
    best = table["rating"].cummax().shift(fill_value=-np.inf)
    return table.assign(front=table["rating"] > best)


def schedule_ratings(costs: pd.DataFrame, votes: pd.DataFrame, criterion: str) -> pd.DataFrame:
    """`rated_costs` -> one row a schedule: mean `rating`, `low`, `high` over its `settings`, and `n` votes on pairs that show
    it. The interval of a mean is no wider than the mean of the bounds."""
    used = ratable(votes, criterion)
    first, second = (used[f"schedule_{side}"].astype(object) for side in "ab")
    counts = pd.concat([first, second[first != second]]).value_counts()
    mean = costs.groupby("schedule", sort=False, observed=True).agg(
        rating=("rating", "mean"), low=("low", "mean"), high=("high", "mean"), settings=("rating", "size")
    )
    return mean.reset_index().assign(n=lambda table: [int(counts.get(level, 0)) for level in table["schedule"]])


def capacity(coding: Coding, pairs: pd.DataFrame, raters_per_pair: int) -> dict[str, int]:
    """Term -> votes a criterion that speak to it once every pair has all its raters."""
    matched = pairs[pairs["kind"] == "matched"]
    contrast = coding.encode(levels(matched, FACTORS, "a")) - coding.encode(levels(matched, FACTORS, "b"))
    return {term.name: int(count) * raters_per_pair for term, count in zip(coding.terms, (contrast != 0).sum(axis=0))}


def blocks_of(pairs: pd.DataFrame) -> pd.Series:
    """The contrast of every pair, such as "window 1 | 4"; of a control its kind, such as "wrong prompt"."""
    named = (pairs["kind"] == "matched") & pairs["block"].notna()
    return pairs["block"].astype(object).where(named, pairs["kind"].str.replace("_", " "))


def coverage_table(pairs: pd.DataFrame, votes: pd.DataFrame) -> pd.DataFrame:
    """Contrast -> pairs, pairs with a rating, ratings (raters who answered); controls under their kind."""
    kept = votes[votes["excluded"].isna() & votes["repeat_of"].isna()]
    raters = kept.drop_duplicates(["comparison", "rater"]).groupby("comparison").size()
    frame = pd.DataFrame(
        {
            "block": blocks_of(pairs),
            "matched": pairs["kind"] == "matched",
            "raters": pairs["comparison"].map(raters).fillna(0).astype(int),
        }
    )
    table = frame.groupby(["block", "matched"])["raters"].agg(
        pairs="count", rated=lambda r: int((r > 0).sum()), ratings="sum"
    )
    table = table.reset_index().set_index("block")
    order = level_order(table.index)
    return table.loc[order].reset_index().sort_values("matched", ascending=False, kind="stable")


def verdicts(rating: Rating, primary: Sequence[str], looks: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One row a term: estimate, interval, what kind of claim it may be, and how many votes it still needs.

    Primary contrasts (frozen before the first vote) are judged by the five spending looks; everything else
    is exploratory, with p-values under false-discovery control.
    """
    table = effects(rating)
    is_primary = table["term"].isin(primary).to_numpy()
    adjusted = np.full(len(table), np.nan)
    open_p = ~is_primary & table["p_value"].notna().to_numpy()
    if open_p.any():
        adjusted[open_p] = stats.false_discovery_control(table.loc[open_p, "p_value"])
    judged = [_judge(row, rating.criterion, looks) for row in table.itertuples()]
    return table.assign(
        claim=np.where(is_primary, "primary", "exploratory"),
        adjusted_p=adjusted,
        look=[v.look for v in judged],
        fraction=[v.fraction for v in judged],
        boundary=[v.boundary for v in judged],
        decided=[v.decided for v in judged],
        finished=[v.finished for v in judged],
        votes_left=pd.array([v.votes_left for v in judged], dtype="Int64"),
    )


def _judge(row, criterion: str, looks: Sequence[Mapping[str, Any]]) -> Verdict:
    """After a look that decided no further one is taken: that verdict stands."""
    results = [look["result"] for look in _looks_at(row.term, criterion, looks)]
    for number, result in enumerate(results, 1):
        if result["decided"]:
            return Verdict(number, result["fraction"], math.nan, math.nan, True, True, 0)
    naive = (row.naive_high - row.naive_low) / 2 / stats.norm.ppf(0.975)
    error = max(
        row.se, naive
    )  # few clusters can agree by luck, and would pass for all the information that was planned
    return review(row.estimate, error, row.df, int(row.n), [result["fraction"] for result in results])


def _looks_at(term: str, criterion: str, looks: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [look for look in looks if (look["contrast"], look["criterion"]) == (term, criterion)]


def what_if(
    votes: pd.DataFrame, rules: Mapping[str, Sequence[str]], lifted: Sequence[str] = (), dropped: Sequence[str] = ()
) -> pd.DataFrame:
    """The votes as if some exclusion rules did not hold and some raters were left out.

    rules: vote -> the rules that exclude it. What is left out by hand is marked "left out".
    """
    still = {vote: next((rule for rule in names if rule not in lifted), None) for vote, names in rules.items()}
    excluded = votes["vote"].map(still).astype(object) if still else pd.Series(None, index=votes.index, dtype=object)
    excluded = excluded.where(excluded.notna(), None)
    return votes.assign(excluded=excluded.mask(votes["rater"].isin(list(dropped)), "left out"))


def timeline(votes: pd.DataFrame) -> pd.DataFrame:
    """Kept votes by criterion and the day on which the pair was handed out."""
    kept = votes.loc[votes["excluded"].isna(), ["day", "criterion"]]
    return kept.groupby(["day", "criterion"], observed=True).size().rename("votes").reset_index()


def conflicts(votes: pd.DataFrame) -> pd.DataFrame:
    """Where criteria disagree: pair of criteria x contrast -> share of first looks that chose different pictures, among
    those that chose one under both, with Wilson interval and n. Row "all contrasts" comes first."""
    chosen = answered(votes, (votes["kind"] == "matched") & votes["answer"].isin(["a", "b"]))
    look, looks = pd.factorize(chosen["assignment"])
    block = chosen["block"].groupby(look).first()
    choice = pd.DataFrame(0, index=range(len(looks)), columns=list(CRITERIA))  # 1: a, -1: b, 0: neither
    for name in CRITERIA:
        of_name = (chosen["criterion"] == name).to_numpy()
        choice.loc[look[of_name], name] = np.where(chosen.loc[of_name, "answer"] == "a", 1, -1)
    rows = []
    for first, second in combinations(CRITERIA, 2):
        both = choice[first] * choice[second]
        differ = (both[both != 0] < 0).groupby(block, observed=True).agg(["sum", "size"])
        groups = [(ALL_CONTRASTS, *differ.sum()), *differ.loc[level_order(differ.index)].itertuples()]
        rows += [(first, second, block, hits / n, *share_interval(hits, n), n) for block, hits, n in groups if n]
    return pd.DataFrame(rows, columns=["first", "second", "block", "share", "low", "high", "n"])
