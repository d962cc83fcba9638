"""Do raters agree, and with themselves? Alpha, AC1, exact agreement, noise floor, controls, repeats.

Only units (comparison x criterion) with at least two raters speak to agreement. Krippendorff's alpha is
the main figure; Gwet's AC1 (2008) guards it where one answer dominates and alpha collapses.

A measure takes patterns of answers, (patterns, answers) counts of raters, and how many units show each, (..., patterns);
it returns (...). There are few patterns, so that a bootstrap of any number of units is quick, all resamples at once. The
`krippendorff` package cannot weigh units; a test holds our alpha against it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from app.study.intervals import shares
from app.study.votes import TIES, answered, is_check

OVERLAP_NEEDED = 0.20  # of the assignments; below, agreement stays empty
CATEGORIES = ("b", "both_bad", "both_good", "a")
BOOTSTRAP_DRAWS = 200


def unit_counts(votes: pd.DataFrame) -> np.ndarray:
    """(units, 4) how many raters gave each answer, over matched pairs with at least two raters. On controls everybody
    agrees, and they would pass for agreement about the settings."""
    used = answered(votes, votes["kind"] == "matched")
    pair, criterion = (pd.factorize(used[name])[0] for name in ("comparison", "criterion"))
    unit = np.unique(pair * (criterion.max(initial=0) + 1) + criterion, return_inverse=True)[1]
    answer = pd.Categorical(used["answer"].astype(object), categories=list(CATEGORIES)).codes
    size = len(CATEGORIES)
    counts = np.bincount(unit * size + answer, minlength=(unit.max(initial=-1) + 1) * size).reshape(-1, size)
    return counts[counts.sum(axis=1) >= 2]


def alpha_nominal(counts: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Krippendorff's alpha over the four answers as they are; nan where only one answer ever occurs."""
    return _alpha(_coincidences(counts, times), 1 - np.eye(counts.shape[1]))


def alpha_ordinal(counts: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Krippendorff's alpha over b < tie < a."""
    ordered = np.stack([counts[:, 0], counts[:, 1] + counts[:, 2], counts[:, 3]], axis=1)
    together = _coincidences(ordered, times)
    values = together.sum(axis=-2)
    rank = values.cumsum(axis=-1) - values / 2
    return _alpha(together, (rank[..., :, None] - rank[..., None, :]) ** 2)


def _coincidences(counts: np.ndarray, times: np.ndarray) -> np.ndarray:
    """How often two raters of a unit gave each pair of answers, (..., answers, answers); a unit of m raters weighs m."""
    weighted = counts * (times / (counts.sum(axis=1) - 1))[..., None]
    together = np.swapaxes(weighted, -1, -2) @ counts
    return together - weighted.sum(axis=-2)[..., None] * np.eye(counts.shape[1])


def _alpha(together: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Krippendorff (2011): one minus observed over expected distance; distances within an answer are zero."""
    values = together.sum(axis=-2)
    apart = (values[..., :, None] * values[..., None, :] * distance).sum(axis=(-2, -1))
    expected = apart / (values.sum(axis=-1) - 1)
    return 1 - (together * distance).sum(axis=(-2, -1)) / np.where(expected > 0, expected, np.nan)


def exact_agreement(counts: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Share of rater pairs inside a unit that gave the same answer, averaged over units."""
    raters = counts.sum(axis=1)
    return _mean((counts * (counts - 1)).sum(axis=1) / (raters * (raters - 1)), times)


def gwet_ac1(counts: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Gwet's AC1: agreement beyond the chance that AC1 assumes."""
    prevalence = _mean(counts / counts.sum(axis=1, keepdims=True), times)
    chance = (prevalence * (1 - prevalence)).sum(axis=-1) / (counts.shape[1] - 1)
    return (exact_agreement(counts, times) - chance) / (1 - chance)


def _mean(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Over units: values (patterns,) or (patterns, answers), times (..., patterns)."""
    total = times.sum(axis=-1)
    return times @ values / (total if values.ndim == 1 else total[..., None])


MEASURES = {
    "Krippendorff's alpha (nominal)": alpha_nominal,
    "Krippendorff's alpha (b < tie < a)": alpha_ordinal,
    "Gwet's AC1": gwet_ac1,
    "exact agreement": exact_agreement,
}


def reliability(votes: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """One row a measure: value, 95 % bootstrap interval over units, units, ratings. Empty without overlap."""
    counts = unit_counts(votes)
    if len(counts) < 2:
        return pd.DataFrame(columns=["measure", "value", "low", "high", "units", "ratings"])
    patterns, times = np.unique(counts, axis=0, return_counts=True)
    often = resamples(times, seed)
    rows = [
        (name, float(measure(patterns, times)), *bounds(measure(patterns, often))) for name, measure in MEASURES.items()
    ]
    frame = pd.DataFrame(rows, columns=["measure", "value", "low", "high"])
    return frame.assign(units=len(counts), ratings=int(counts.sum()))


def resamples(times: np.ndarray, seed: int) -> np.ndarray:
    """(draws, patterns): how often units drawn with replacement show each pattern."""
    return np.random.default_rng(seed).multinomial(times.sum(), times / times.sum(), size=BOOTSTRAP_DRAWS)


def bounds(values: np.ndarray) -> tuple[float, float]:
    """Percentile interval of a measure over resamples of the units; nan while it is undefined in most of them."""
    if np.isnan(values).mean() > 0.5:
        return float("nan"), float("nan")
    low, high = np.nanquantile(values, [0.025, 0.975])
    return float(low), float(high)


def overlap_share(votes: pd.DataFrame) -> float:
    """Share of assignments to matched pairs that repeat a pair of another rater."""
    shown = votes[(votes["kind"] == "matched") & votes["repeat_of"].isna()].drop_duplicates("assignment")
    return float(shown.duplicated("comparison").mean()) if len(shown) else 0.0


def noise_floor(votes: pd.DataFrame) -> pd.DataFrame:
    """How often raters prefer one of two identical pictures, a criterion a row, with interval and n."""
    used = answered(votes, votes["kind"] == "identical")
    return shares(used.assign(score=used["answer"].isin(["a", "b"])), "criterion")


def controls(votes: pd.DataFrame) -> pd.DataFrame:
    """Share of controls answered as expected, by kind and criterion; identical pairs expect a tie."""
    used = answered(votes, votes["kind"] != "matched")
    tie_expected = used["kind"] == "identical"
    used = used[is_check(used) | tie_expected]
    passed = (used["answer"] == used["expected"]) | (tie_expected & ~used["answer"].isin(["a", "b"]))
    return shares(used.assign(score=passed), ["kind", "criterion"])


def self_agreement(votes: pd.DataFrame) -> pd.DataFrame:
    """Share of swapped repeats with the same answer as the first look, a criterion a row."""
    kept = votes[votes["excluded"].isna() & votes["answer"].notna()]
    repeats = kept[kept["repeat_of"].notna()]
    seen = kept[kept["assignment"].isin(repeats["repeat_of"])]
    first = seen[["assignment", "criterion", "answer"]].rename(columns={"assignment": "repeat_of", "answer": "first"})
    both = repeats.merge(first, on=["repeat_of", "criterion"])
    return shares(both.assign(score=both["answer"] == both["first"]), "criterion")


def acceptability(votes: pd.DataFrame, factor: str) -> pd.DataFrame:
    """Share of "both good" among the ties in which a level took part: absolute, where wins are relative."""
    ties = answered(votes, (votes["kind"] == "matched") & votes["answer"].isin(TIES))
    first, second = (
        pd.DataFrame(
            {"criterion": ties["criterion"], "level": ties[f"{factor}_{side}"], "score": ties["answer"] == "both_good"}
        )
        for side in ("a", "b")
    )
    long = pd.concat([first, second[second["level"].astype(object) != first["level"].astype(object)]])
    return shares(long, ["criterion", "level"])
