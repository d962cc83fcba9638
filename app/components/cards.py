"""A grid of thumbnails that can be picked. Records -> safe HTML; the pick comes back as an event."""

from collections.abc import Sequence
from html import escape
from typing import Any

from app.components.details import schedule_text
from app.services import Services
from storage.records import Generation

MAX_ID_CHARS = 64
JS_ON_LOAD = """
element.addEventListener('click', e => {
  const card = e.target.closest('.card');
  if (card) trigger('pick', {id: card.dataset.id});
});
"""
MARK_JS = """(picked) => {
  document.querySelectorAll('.card[data-id]').forEach(card => {
    const at = picked.indexOf(card.dataset.id);
    card.classList.toggle('picked', at >= 0);
    card.setAttribute('aria-pressed', at >= 0);
    card.querySelector('.side')?.remove();
    if (at >= 0) card.insertAdjacentHTML('afterbegin', `<span class="side">${'AB'[at]}</span>`);
  });
}"""  # the browser marks what is picked by itself, as what shows the cards is not sent again


def picks(value: Any) -> list[str]:
    """The ids of at most two picked cards, from whatever a browser sent."""
    return [each[:MAX_ID_CHARS] for each in value if isinstance(each, str)][:2] if isinstance(value, list) else []


def toggled(picked: Any, card_id: Any) -> list[str]:
    """Pick, or put back; a third pick replaces the second."""
    before, card_id = picks(picked), str(card_id)[:MAX_ID_CHARS]
    kept = [each for each in before if each != card_id]
    return kept if len(kept) < len(before) else [*kept[:1], card_id]


def cards_html(services: Services, made: Sequence[Generation], picked: Sequence[str], empty: str) -> str:
    """picked: ids in the order A, B."""
    if not made:
        return f'<p class="empty">{escape(empty)}</p>'
    return f'<div class="cards">{"".join(card_html(services, g, picked) for g in made)}</div>'


def card_html(services: Services, generation: Generation, picked: Sequence[str]) -> str:
    chosen = generation.id in picked
    side = f'<span class="side">{"AB"[picked.index(generation.id)]}</span>' if chosen else ""
    prompt = escape(generation.prompt or "")
    window = f"s={generation.window}" if generation.window else "other system"
    note = f"{generation.width} × {generation.height} · {window} · {schedule_text(generation.settings)}"
    if generation.settings.get("trained") is False:
        note += " · untrained"
    return (
        f'<button type="button" class="card{" picked" if chosen else ""}" data-id="{escape(generation.id)}" '
        f'aria-pressed="{"true" if chosen else "false"}">{side}'
        f'<img loading="lazy" src="{escape(services.picture_url(generation, "thumb"))}" alt="{prompt}">'
        f"<p>{prompt}</p><small>{escape(note)}</small></button>"
    )
