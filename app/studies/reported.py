"""Pairs that are offered no more because raters reported them as broken, as whoever keeps the study judges them."""

from collections.abc import Sequence
from html import escape

from app.results.pictures import picture_html
from app.services import Services
from app.visit import note_seen
from storage.records import Comparison, Generation

MAX_SHOWN = 24


def choices(pairs: Sequence[Comparison]) -> list[tuple[str, str]]:
    """(number and contrast, id) of each."""
    return [(f"{i}: {pair.block or pair.kind.replace('_', ' ')}", pair.id) for i, pair in enumerate(pairs, 1)]


def reported_html(services: Services, pairs: Sequence[Comparison], viewer: str | None) -> str:
    """Their pictures, under the same numbers; "" without any. Whoever sees them here will not rate them."""
    ids = [each for pair in pairs[:MAX_SHOWN] for each in (pair.generation_a, pair.generation_b)]
    known = services.store.generations_by_id(ids)
    note_seen(services.store, viewer, known.values())
    cards = "".join(
        card(services, label, known[pair.generation_a], known[pair.generation_b])
        for (label, _), pair in zip(choices(pairs), pairs[:MAX_SHOWN])
    )
    more = f"The first {MAX_SHOWN} are shown." if len(pairs) > MAX_SHOWN else ""
    return f'<div class="pairs">{cards}</div><p class="fine">{more}</p>' if pairs else ""


def card(services: Services, label: str, *pictures: Generation) -> str:
    sides = "".join(f"<figure>{picture_html(services, each, label)}</figure>" for each in pictures)
    return f'<div class="pair"><div class="both">{sides}</div><p>{escape(label)}</p><small>{escape(pictures[0].prompt_sent or "")}</small></div>'
