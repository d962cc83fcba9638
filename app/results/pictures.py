"""From a mark in a plot to the pictures behind it: pairs side by side, with how they were answered. Safe HTML."""

from collections import defaultdict
from collections.abc import Sequence
from html import escape

import numpy as np
import pandas as pd

from app.services import Services
from app.study.design import setting_label
from app.study.flaws import Marked
from app.study.votes import FACTORS
from model import guidance_weights
from storage.records import Generation

MAX_PAIRS = 12
MAX_MARKED = 2000


def pairs_of_term(pairs: pd.DataFrame, term: str) -> pd.DataFrame:
    """Matched pairs that speak to a term such as "window=4" or "window=4 × resolution=512×512"."""
    chosen = pairs[pairs["kind"] == "matched"]
    for part in term.split(" × "):
        factor, _, level = part.partition("=")
        if factor in FACTORS and level:
            chosen = chosen[(chosen[f"{factor}_a"].astype(str) == level) | (chosen[f"{factor}_b"].astype(str) == level)]
    first = term.partition("=")[0]
    return chosen[chosen["factor"] == first] if first in FACTORS and " × " not in term else chosen


def pairs_of_levels(pairs: pd.DataFrame, factor: str, one: str, other: str) -> pd.DataFrame:
    """Matched pairs of two levels of a factor."""
    names = pairs[[f"{factor}_a", f"{factor}_b"]].astype(str)
    both = (names == [one, other]).all(axis=1) | (names == [other, one]).all(axis=1)
    return pairs[(pairs["kind"] == "matched") & (pairs["factor"] == factor) & both]


def pairs_of_setting(pairs: pd.DataFrame, label: str) -> pd.DataFrame:
    """Matched pairs with a setting as plots name it: "w4 · half-linear 7.5 · 512×512"."""

    def names(side: str) -> pd.Series:
        levels = zip(*(pairs[f"{factor}_{side}"] for factor in FACTORS))
        return pd.Series([setting_label(*each) for each in levels], index=pairs.index, dtype=object)

    return pairs[(pairs["kind"] == "matched") & ((names("a") == label) | (names("b") == label))]


def marked_pictures(services: Services, study_id: str, votes: pd.DataFrame) -> list[Marked]:
    """Pictures of the study's own model, once for every look that counts, with the areas that were marked in that look;
    empty without any mark. Of more than MAX_MARKED an even sample, so that a rate stays a rate."""
    boxes: dict[tuple[str, str], list[tuple[float, float, float, float]]] = defaultdict(list)
    for flaw in services.store.flaws(study_id):
        if flaw.kind == "area":
            boxes[flaw.assignment_id, flaw.generation_id].append((flaw.x0, flaw.y0, flaw.x1, flaw.y1))
    if not boxes:
        return []
    kept = votes[votes["excluded"].isna()].drop_duplicates("assignment")
    looks = pd.concat(
        [kept[["assignment", f"generation_{side}"]].set_axis(["look", "picture"], axis=1) for side in "ab"]
    )
    looks = list(looks.drop_duplicates().itertuples(index=False, name=None))
    if boxes.keys().isdisjoint(looks):
        return []
    sample = [looks[i] for i in np.unique(np.linspace(0, len(looks) - 1, MAX_MARKED).astype(int))]
    known = services.store.generations_by_id(list({picture for _, picture in sample}))
    return [
        Marked(known[picture].settings, step_weights(known[picture]), boxes.get((look, picture), ()))
        for look, picture in sample
        if known[picture].source == "model"
    ]


def step_weights(generation: Generation) -> list[float]:
    """The guidance weight of every step of a picture; 1 where its schedule is not one of ours."""
    schedule = generation.settings.get("schedule") or {}
    points = schedule.get("points")
    try:
        return guidance_weights(
            schedule.get("kind"),
            generation.settings.get("scale") or 1.0,
            max(generation.steps, 1),
            points=[tuple(point) for point in points] if points else None,
            ramp_end=schedule.get("ramp_end") or 0.5,
        ).tolist()
    except ValueError:
        return [1.0]


def pairs_html(services: Services, title: str, chosen: pd.DataFrame, votes: pd.DataFrame, viewer: str | None) -> str:
    """The most answered pairs. Whoever sees them here has seen them with their settings and will not rate them."""
    if chosen.empty:
        return f'<p class="empty">No pairs behind “{escape(title)}”.</p>'
    kept = votes[votes["excluded"].isna() & votes["comparison"].isin(chosen["comparison"])]
    counts = kept.groupby("comparison").size()
    order = chosen.assign(n=chosen["comparison"].map(counts).fillna(0)).sort_values("n", ascending=False, kind="stable")
    rows = list(order.head(MAX_PAIRS).itertuples())
    ids = list(dict.fromkeys(each for row in rows for each in (row.generation_a, row.generation_b)))
    known = services.store.generations_by_id(ids)
    if viewer is not None:
        services.store.note_sightings(viewer, ids)
    cards = "".join(pair_html(services, row, known, kept[kept["comparison"] == row.comparison]) for row in rows)
    more = f", the {len(rows)} most answered are shown" if len(chosen) > len(rows) else ""
    head = f"<b>{escape(title)}</b>: {len(chosen)} pairs{more}. You will not be asked to rate these any more."
    return f'<p class="fine">{head}</p><div class="pairs">{cards}</div>'


def pair_html(services: Services, row, known: dict[str, Generation], votes: pd.DataFrame) -> str:
    sides = "".join(
        figure_html(services, known[getattr(row, f"generation_{side}")], getattr(row, f"{row.factor}_{side}"))
        for side in "ab"
    )
    return f'<div class="pair"><div class="both">{sides}</div><p>{escape(row.prompt or "")}</p><small>{escape(tally(votes))}</small></div>'


def figure_html(services: Services, generation: Generation, level: object) -> str:
    if generation.image is None:
        return "<figure><div>deleted</div></figure>"
    link = services.picture_url(generation)
    thumb = services.picture_url(generation, "thumb")
    return (
        f'<figure><a href="{escape(link)}" target="_blank"><img loading="lazy" src="{escape(thumb)}" alt="{escape(str(level))}"></a>'
        f"<figcaption>{escape(str(level))}</figcaption></figure>"
    )


def tally(votes: pd.DataFrame) -> str:
    """Such as "left 3, right 1, tie 2 (6 answers)" in the order in which the pictures stand here."""
    counts = votes["answer"].value_counts()
    parts: Sequence[tuple[str, int]] = (
        ("first", int(counts.get("a", 0))),
        ("second", int(counts.get("b", 0))),
        ("both good", int(counts.get("both_good", 0))),
        ("both bad", int(counts.get("both_bad", 0))),
    )
    said = ", ".join(f"{name} {count}" for name, count in parts if count)
    return f"{said} ({len(votes)} answers)" if said else "not answered yet"
