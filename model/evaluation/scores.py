"""From verdicts to a table: accuracy per category and their mean, with intervals, seen and held out."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt

from model.evaluation.geneval import COUNTS, Prompt

Z = 1.959964  # 95 %


@dataclass(frozen=True)
class Rate:
    """A share of right pictures with its 95 % interval; ``n`` is the number of prompts behind it (0: no value)."""

    value: float | None
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}] n={self.n}" if self.n else "–"


NOTHING = Rate(None, 0.0, 1.0, 0)


def wilson(share: float, n: int) -> Rate:
    """Wilson's score interval of a share of ``n`` independent trials."""
    if not n:
        return NOTHING
    scale = 1 + Z**2 / n
    middle = (share + Z**2 / (2 * n)) / scale
    half = Z * sqrt(share * (1 - share) / n + Z**2 / (4 * n**2)) / scale
    return Rate(share, max(middle - half, 0.0), min(middle + half, 1.0), n)


def rate(verdicts: Iterable[list[bool]]) -> Rate:
    """Accuracy over prompts; each brings the verdicts on its pictures.

    Pictures of one prompt are alike, so the interval counts prompts, not pictures: with four pictures
    a prompt it is a little too wide rather than much too narrow.
    """
    shares = [sum(pictures) / len(pictures) for pictures in verdicts]
    return wilson(sum(shares) / len(shares), len(shares)) if shares else NOTHING


def mean_rate(rates: list[Rate]) -> Rate:
    """Unweighted mean of independent rates; their intervals are combined by squares (Zou and Donner 2008)."""
    known = [r for r in rates if r.n]
    if not known:
        return NOTHING
    value = sum(r.value for r in known) / len(known)
    low = value - sqrt(sum((r.value - r.low) ** 2 for r in known)) / len(known)
    high = value + sqrt(sum((r.high - r.value) ** 2 for r in known)) / len(known)
    return Rate(value, max(low, 0.0), min(high, 1.0), sum(r.n for r in known))


def difference(a: Rate, b: Rate) -> Rate:
    """a − b of independent rates, with the interval of Newcombe (1998, method 10) from theirs."""
    if not (a.n and b.n):
        return NOTHING
    value = a.value - b.value
    low = value - sqrt((a.value - a.low) ** 2 + (b.high - b.value) ** 2)
    high = value + sqrt((a.high - a.value) ** 2 + (b.value - b.low) ** 2)
    return Rate(value, low, high, a.n + b.n)


def table(prompts: list[Prompt], verdicts: list[list[bool]]) -> dict[str, dict[str, Rate]]:
    """Rates per category and ``mean``, each over ``all``, ``seen`` and ``held-out`` prompts, and ``seen - held-out``.

    Single objects have no combination that could be held out: they are in ``all`` only, so the means of
    ``seen`` and ``held-out`` are over the other five categories and can be compared with one another.
    """
    rows: dict[str, dict[str, Rate]] = {}
    for category in COUNTS:
        mine = [(p, v) for p, v in zip(prompts, verdicts) if p.category == category]
        combined = category != "single_object"
        rows[category] = {
            "all": rate(v for _, v in mine),
            "seen": rate(v for p, v in mine if combined and not p.held_out),
            "held-out": rate(v for p, v in mine if combined and p.held_out),
        }
    rows["mean"] = {column: mean_rate([row[column] for row in rows.values()]) for column in ("all", "seen", "held-out")}
    for row in rows.values():
        row["seen - held-out"] = difference(row["seen"], row["held-out"])
    return rows


def markdown(rows: dict[str, dict[str, Rate]], kind: str = "category") -> str:
    """A table for the docs; ``kind`` is what its rows are."""
    columns = next(iter(rows.values()))
    lines = [f"| {kind} | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    lines += [f"| {name} | " + " | ".join(map(str, row.values())) + " |" for name, row in rows.items()]
    return "\n".join(lines)
