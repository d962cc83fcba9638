"""From a mark in a plot to the pictures behind it: pairs side by side, with how they were answered, and pictures with the
flaws that were marked on them. Safe HTML."""

from collections import defaultdict
from collections.abc import Sequence
from html import escape

import numpy as np
import pandas as pd

from app.drawing.record import stored_weights
from app.services import Services
from app.study.design import setting_label
from app.study.flaws import Marked, marked_in
from app.study.tables import ALL_CONTRASTS, blocks_of
from app.study.votes import FACTORS, answered
from app.visit import note_seen
from storage.records import Generation

MAX_PAIRS = 12
MAX_MARKED = 2000


def pairs_of_term(pairs: pd.DataFrame, term: str) -> pd.DataFrame:
    """Matched pairs that speak to a term such as "window=4" or "window=4 × resolution=512×512"."""
    chosen = pairs[pairs["kind"] == "matched"]
    for part in term.split(" × "):
        chosen = pairs_of_level(chosen, part)
    first = term.partition("=")[0]
    return chosen[chosen["factor"] == first] if " × " not in term else chosen


def pairs_of_level(pairs: pd.DataFrame, name: str) -> pd.DataFrame:
    """Matched pairs in which a level such as "window=4" takes part."""
    factor, _, level = name.partition("=")
    if factor not in FACTORS:
        return pairs[:0]
    with_it = (pairs[f"{factor}_a"].astype(str) == level) | (pairs[f"{factor}_b"].astype(str) == level)
    return pairs[(pairs["kind"] == "matched") & with_it]


def pairs_of_block(pairs: pd.DataFrame, name: str) -> pd.DataFrame:
    """Pairs of a contrast such as "window 1 | 4", of a kind of control such as "wrong prompt", or of all contrasts."""
    if name == ALL_CONTRASTS:
        return pairs[pairs["kind"] == "matched"]
    return pairs[blocks_of(pairs) == name]


def pairs_of_setting(pairs: pd.DataFrame, label: str) -> pd.DataFrame:
    """Matched pairs with a setting as plots name it: "w4 · half-linear 7.5 · 512×512"."""

    def names(side: str) -> pd.Series:
        levels = zip(*(pairs[f"{factor}_{side}"] for factor in FACTORS))
        return pd.Series([setting_label(*each) for each in levels], index=pairs.index, dtype=object)

    return pairs[(pairs["kind"] == "matched") & ((names("a") == label) | (names("b") == label))]


def voted_on(pairs: pd.DataFrame, votes: pd.DataFrame, day: str) -> pd.DataFrame:
    """Pairs that were handed out on a day such as "2026-03-01" (UTC) and have a kept vote from then."""
    kept = votes[votes["excluded"].isna() & (votes["day"] == day)]
    return pairs[pairs["comparison"].isin(kept["comparison"])]


def rated_twice(pairs: pd.DataFrame, votes: pd.DataFrame, criterion: str) -> pd.DataFrame:
    """Matched pairs that two raters at least answered under a criterion: what agreement is counted over."""
    used = answered(votes, (votes["kind"] == "matched") & (votes["criterion"] == criterion))
    raters = used.groupby("comparison", observed=True)["rater"].nunique()
    return pairs[pairs["comparison"].isin(raters.index[raters >= 2])]


PAIRS_OF_MARK = {  # figure -> (all pairs, custom data of a mark) -> the pairs behind it
    "forest": pairs_of_term,
    "wins": pairs_of_block,
    "acceptability": pairs_of_level,
    "pareto": pairs_of_setting,
    "schedules": pairs_of_term,
    "parallel": pairs_of_setting,
    "conflicts": pairs_of_block,
    "coverage": pairs_of_block,
}
PAIRS_OF_VOTES = {"timeline": voted_on, "reliability": rated_twice}  # the same, from the votes


def pairs_of(name: str, pairs: pd.DataFrame, votes: pd.DataFrame, mark: str) -> pd.DataFrame:
    """The pairs behind a mark of a figure."""
    if name in PAIRS_OF_VOTES:
        return PAIRS_OF_VOTES[name](pairs, votes, mark)
    return PAIRS_OF_MARK[name](pairs, mark)


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
        Marked(known[picture].settings, step_weights(known[picture]), boxes.get((look, picture), ()), picture)
        for look, picture in sample
        if known[picture].source == "model"
    ]


def step_weights(generation: Generation) -> list[float]:
    """The guidance weight of every step of a picture; 1 where its schedule is not one of ours."""
    try:
        return stored_weights(generation.settings, max(generation.steps, 1))
    except ValueError:
        return [1.0]


def marked_html(services: Services, title: str, study_id: str, votes: pd.DataFrame, viewer: str | None) -> str:
    """The pictures that raters marked in one bin, such as "window=2 place 0,1", with the marks on them."""
    window, _, bin_name = title.partition(" ")
    kind, _, bin_name = bin_name.partition(" ")
    level = window.removeprefix("window=")
    chosen = marked_in(
        marked_pictures(services, study_id, votes), int(level) if level.isdecimal() else 0, kind, bin_name
    )
    if not chosen:
        return f'<p class="empty">No marked pictures behind “{escape(title)}”.</p>'
    known = services.store.generations_by_id([each.generation for each in chosen[:MAX_PAIRS]])
    note_seen(services.store, viewer, known.values())
    cards = "".join(marked_figure(services, known[each.generation], each) for each in chosen[:MAX_PAIRS])
    more = f", {MAX_PAIRS} are shown" if len(chosen) > MAX_PAIRS else ""
    head = f"<b>{escape(title)}</b>: {len(chosen)} marked pictures{more}. You will not be asked to rate these any more."
    return f'<p class="fine">{head}</p><div class="pairs marked">{cards}</div>'


def marked_figure(services: Services, generation: Generation, marked: Marked) -> str:
    if generation.image is None:
        return '<div class="pair"><div>deleted</div></div>'
    boxes = "".join(
        f'<i style="left:{x0:.1%};top:{y0:.1%};width:{x1 - x0:.1%};height:{y1 - y0:.1%}"></i>'
        for x0, y0, x1, y1 in marked.boxes
    )
    prompt = escape(generation.prompt_sent or "")
    return (
        f'<div class="pair"><a class="marks" href="{escape(services.picture_url(generation))}" target="_blank">'
        f'<img loading="lazy" src="{escape(services.picture_url(generation, "thumb"))}" alt="{prompt}">{boxes}</a><p>{prompt}</p></div>'
    )


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
    note_seen(services.store, viewer, known.values())
    cards = "".join(pair_html(services, row, known, kept[kept["comparison"] == row.comparison]) for row in rows)
    more = f", the {len(rows)} most answered are shown" if len(chosen) > len(rows) else ""
    head = f"<b>{escape(title)}</b>: {len(chosen)} pairs{more}. You will not be asked to rate these any more."
    return f'<p class="fine">{head}</p><div class="pairs">{cards}</div>'


def pair_html(services: Services, row, known: dict[str, Generation], votes: pd.DataFrame) -> str:
    sides = "".join(
        figure_html(services, known[getattr(row, f"generation_{side}")], caption(row, side)) for side in "ab"
    )
    return f'<div class="pair"><div class="both">{sides}</div><p>{escape(row.prompt or "")}</p><small>{escape(tally(votes))}</small></div>'


def caption(row, side: str) -> str:
    """The level in which the pair differs; of a control the whole setting."""
    names = [row.factor] if row.factor in FACTORS else FACTORS
    levels = [getattr(row, f"{name}_{side}") for name in names]
    return str(levels[0]) if len(levels) == 1 else setting_label(*levels)


def figure_html(services: Services, generation: Generation, level: str) -> str:
    return f"<figure>{picture_html(services, generation, level)}<figcaption>{escape(level)}</figcaption></figure>"


def picture_html(services: Services, generation: Generation, name: str) -> str:
    """A thumbnail that opens the picture."""
    if generation.image is None:
        return "<div>deleted</div>"
    link, thumb = services.picture_url(generation), services.picture_url(generation, "thumb")
    return (
        f'<a href="{escape(link)}" target="_blank"><img loading="lazy" src="{escape(thumb)}" alt="{escape(name)}"></a>'
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
