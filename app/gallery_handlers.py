"""What the gallery does, as methods without a page around them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from html import escape
from typing import Any

import gradio as gr

from app.components.cards import cards_html, picks
from app.components.compare_slider import Side, compare_html
from app.components.details import details_html, schedule_text
from app.services import Services
from app.visit import note_seen, refuse
from storage.errors import NotFound, StorageError
from storage.records import Generation, GenerationFilter

PAGE_SIZE = 48
SCOPES = ("Everything", "Mine", "Published")
MAX_SEARCH_CHARS = 200
EMPTY = "Nothing here yet. Pictures appear as soon as they are drawn."


@dataclass(frozen=True)
class Wish:
    """The filter bar's values, in the order of the page's inputs."""

    text: str
    scope: str
    sizes: Sequence[str]
    windows: Sequence[int]
    schedules: Sequence[str]
    since: float | None
    until: float | None


class GalleryHandlers:
    """One object per page; keeps no state of its own."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.store = services.store

    def viewer(self, request: gr.Request, token: str | None) -> str | None:
        return self.services.identity.owner(request, token)

    def page(self, wish: Wish, viewer: str | None, cursor: str | None, picked: Sequence[str]) -> tuple[str, str | None]:
        """Cards of one page as HTML, and the cursor of the next."""
        try:
            found = self.store.list_generations(filter_of(wish, viewer), cursor=cursor or None, limit=PAGE_SIZE)
        except (ValueError, TypeError, OverflowError, OSError) as error:  # OSError: dates that no clock has
            raise refuse(error) from error
        note_seen(self.store, viewer, found.items)
        filtered = any((wish.text, wish.sizes, wish.windows, wish.schedules, wish.since, wish.until))
        empty = "No picture fits these filters." if filtered else EMPTY
        return cards_html(self.services, found.items, picks(picked), empty), found.next_cursor

    def choices(self, viewer: str | None) -> dict[str, list[Any]]:
        found = self.store.filter_choices(GenerationFilter(viewer=viewer))
        return {**found, "sizes": [f"{width} × {height}" for width, height in found["sizes"]]}

    def shown(self, picked: Sequence[str], viewer: str | None) -> tuple[str, str, Generation | None]:
        """Comparison, details, and the picture that the buttons act on (the last picked)."""
        made = []
        for generation_id in picks(picked):
            try:
                made.append(self.store.get_generation(generation_id, viewer))
            except NotFound as error:
                raise refuse(error) from error
        if not made:
            return "", "", None
        note_seen(self.store, viewer, made)
        sides = ("A", "B") if len(made) == 2 else ("",)
        details = [
            details_html(self.services, [g], own=g.owner == viewer, side=side)
            for g, side in zip(made, sides, strict=True)
        ]
        return self.comparison(made), "".join(details), made[-1]

    def comparison(self, made: Sequence[Generation]) -> str:
        sides = [Side(self.services.picture_url(each), side_label(each)) for each in made]
        if len(sides) == 1:
            only = made[0]
            return single_html(sides[0], only)
        return compare_html(sides[0], sides[1], made[0].width / made[0].height)

    def act(self, action: str, generation_id: str | None, viewer: str | None) -> str:
        """publish, unpublish or delete an own picture; the sentence to show."""
        actions = {
            "publish": (self.store.publish, "Published: everybody who opens this studio can see it."),
            "unpublish": (self.store.unpublish, "Private again."),
            "delete": (self.store.delete_generation, "Deleted: picture and prompt are gone."),
        }
        do, said = actions[action]
        try:
            if not generation_id or viewer is None:
                raise NotFound("pick one of your pictures first")
            do(generation_id, viewer)
        except StorageError as error:
            raise refuse(error) from error
        return said

    def take_down(self, generation_id: str | None, reason: str, key: str, request: gr.Request) -> str:
        """By an administrator only."""
        try:
            if not self.services.identity.is_admin(request, key):
                raise ValueError("only the administrator of this studio can take pictures down")
            if not (reason or "").strip() or len(reason) > 300:
                raise ValueError("give a reason of 1 to 300 characters")
            if not generation_id:
                raise ValueError("pick a picture first")
            self.store.take_down(generation_id, reason.strip())
        except ValueError as error:
            raise refuse(error) from error
        return "Taken down; its owner sees the reason."


def filter_of(wish: Wish, viewer: str | None) -> GenerationFilter:
    if wish.scope not in SCOPES:
        raise ValueError(f"{str(wish.scope)[:40]!r} cannot be shown; choose one of {', '.join(SCOPES)}")
    return GenerationFilter(
        viewer=viewer,
        text=(wish.text or "").strip()[:MAX_SEARCH_CHARS] or None,
        sizes=[size_from(text) for text in wish.sizes or ()],
        windows=[int(window) for window in wish.windows or ()],
        schedules=list(wish.schedules or ()),
        since=time_from(wish.since),
        until=time_from(wish.until),
        mine=wish.scope == "Mine",
        published=wish.scope == "Published",
    )


def size_from(text: str) -> tuple[int, int]:
    width, _, height = str(text).partition("×")
    return int(width), int(height)


def time_from(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, timezone.utc) if seconds else None


def side_label(generation: Generation) -> str:
    """The shortest first, as a narrow corner cuts the end."""
    window = f"s={generation.window}, " if generation.window else ""
    checkpoint = f"{name}, " if (name := generation.settings.get("checkpoint_name")) else ""
    return f"seed {generation.seed}, {window}{checkpoint}{schedule_text(generation.settings)}"


def single_html(side: Side, generation: Generation) -> str:
    aspect = generation.width / generation.height
    return (
        f'<div class="stage"><div class="stage-frames" style="--aspect:{aspect:.4f}">'
        f'<figure class="frame" data-zoom tabindex="0" role="button"><img src="{escape(side.source)}" '
        f'alt="{escape(generation.prompt or "")}"></figure></div></div>'
    )
