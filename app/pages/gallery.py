"""The gallery: everything that was drawn, newest first; filters, comparison of two, publishing, deleting."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.components.cards import JS_ON_LOAD as CARDS_JS
from app.components.cards import MARK_JS, picks, toggled
from app.components.compare_slider import JS_ON_LOAD as COMPARE_JS
from app.components.heading import heading
from app.components.visitor import visitor_token
from app.gallery_handlers import SCOPES, GalleryHandlers, Wish
from app.services import Services
from app.visit import PRIVATE

FOCUS_JS = "() => document.getElementById('%s')?.focus()"  # the button that was pressed is gone


@dataclass(frozen=True)
class Parts:
    """The page's components by name."""

    wishes: list[Any]  # in the order of `Wish`
    # what the page remembers: the browser's mark, who looks, where the list goes on, what is picked, what buttons act on
    token: gr.BrowserState
    viewer: gr.State
    cursor: gr.State
    picked: gr.JSON
    current: gr.State
    cards: gr.HTML
    older: gr.Button
    newest: gr.Button
    compare: gr.HTML
    details: gr.HTML
    buttons: dict[str, Any]

    @property
    def listing(self) -> list[Any]:
        """What `listed` sets."""
        return [self.cards, self.cursor, self.older, self.newest]

    @property
    def shown(self) -> list[Any]:
        """What `shown_values` sets."""
        return [self.compare, self.details, self.current, *self.buttons.values()]


def build(services: Services) -> gr.Blocks:
    handlers = GalleryHandlers(services)
    with gr.Blocks(title="Gallery · Token-Shuffle Studio", fill_width=True, analytics_enabled=False) as page:
        remembered = {
            "token": visitor_token(services),
            # ids as the browser knows them; each is checked when used
            "picked": gr.JSON([], visible="hidden", elem_id="picked"),
            **{name: gr.State(None) for name in ("viewer", "cursor", "current")},
        }
        heading("Gallery")
        wishes = filter_bar()
        with gr.Row(equal_height=False, elem_id="gallery"):
            with gr.Column(scale=5, min_width=320):
                cards = gr.HTML(elem_id="cards", js_on_load=CARDS_JS)
                older = gr.Button("Older", visible=False, elem_id="older")
                newest = gr.Button("Back to the newest", visible=False, elem_id="newest")
            with gr.Column(scale=4, min_width=320, elem_id="viewer"):
                compare = gr.HTML(hint(), elem_id="compare", js_on_load=COMPARE_JS)
                buttons = action_buttons()
                details = gr.HTML(elem_id="picked-details")
                admin = admin_panel(services)
        parts = Parts(
            wishes,
            cards=cards,
            older=older,
            newest=newest,
            compare=compare,
            details=details,
            buttons=buttons,
            **remembered,
        )
        relist = wire_list(handlers, page, parts)
        reshow = wire_picking(handlers, parts)
        wire_buttons(handlers, parts, relist, reshow)
        if admin:
            wire_admin(handlers, parts, admin, relist, reshow)
    return page


def filter_bar() -> list[Any]:
    """In the order of `Wish`."""
    with gr.Row(elem_id="filters"):
        text = gr.Textbox(label="Prompt contains", placeholder="any", elem_id="search", scale=3, min_width=180)
        scope = gr.Dropdown(list(SCOPES), value=SCOPES[0], label="Whose", elem_id="scope", scale=2, min_width=150)
        sizes = gr.Dropdown([], multiselect=True, label="Size", elem_id="sizes", scale=2, min_width=130)
        windows = gr.Dropdown([], multiselect=True, label="Window", elem_id="windows", scale=1, min_width=110)
        schedules = gr.Dropdown([], multiselect=True, label="Schedule", elem_id="schedules", scale=2, min_width=130)
    with gr.Accordion("Dates", open=False), gr.Row():
        since = gr.DateTime(label="From", elem_id="since", timezone="UTC")
        until = gr.DateTime(label="Until", elem_id="until", timezone="UTC")
    return [text, scope, sizes, windows, schedules, since, until]


def action_buttons() -> dict[str, Any]:
    with gr.Row(visible=False, elem_id="picture-actions") as row:
        publish = gr.Button("Publish", size="sm", elem_id="publish")
        unpublish = gr.Button("Make private", size="sm", elem_id="unpublish")
        ask = gr.Button("Delete", size="sm", variant="stop", elem_id="ask-delete")
        keep = gr.Button("Keep it", size="sm", elem_id="keep")
        delete = gr.Button("Delete for good", size="sm", variant="stop", elem_id="delete")
    return {"row": row, "publish": publish, "unpublish": unpublish, "ask": ask, "keep": keep, "delete": delete}


def admin_panel(services: Services) -> tuple[Any, Any, Any] | None:
    """Only where an administrator can exist."""
    if not services.identity.has_admin_key and not services.settings.on_space:
        return None
    with gr.Accordion("Administration", open=False, elem_id="admin"):
        key = gr.Textbox(label="Key", type="password", elem_id="admin-key")
        reason = gr.Textbox(label="Reason", max_length=300, elem_id="admin-reason")
        down = gr.Button("Take the picked picture down", variant="stop", elem_id="take-down")
    return key, reason, down


def hint() -> str:
    return '<p class="empty">Pick a picture to see it large; pick a second one to compare the two.</p>'


def wire_list(handlers: GalleryHandlers, page: gr.Blocks, parts: Parts) -> dict[str, Any]:
    """Filters and pages of the list; returns the event that lists anew from the newest."""

    def newest(who: str | None, chosen: list[str], *values: Any) -> list[Any]:
        return listed(handlers, Wish(*values), who, None, chosen)

    def older(who: str | None, at: str | None, chosen: list[str], *values: Any) -> list[Any]:
        return listed(handlers, Wish(*values), who, at, chosen)

    def arrive(request: gr.Request, visitor: str, *values: Any) -> list[Any]:
        who = handlers.viewer(request, visitor)
        offered = handlers.choices(who)
        menus = [gr.update(choices=offered[name]) for name in ("sizes", "windows", "schedules")]
        return [who, *menus, *listed(handlers, Wish(*values), who, None, [])]

    wishes = parts.wishes
    page.load(arrive, [parts.token, *wishes], [parts.viewer, *wishes[2:5], *parts.listing], **PRIVATE)
    relist = {"fn": newest, "inputs": [parts.viewer, parts.picked, *wishes], "outputs": parts.listing, **PRIVATE}
    gr.on([wish.change for wish in wishes] + [parts.newest.click], trigger_mode="always_last", **relist)
    parts.older.click(older, [parts.viewer, parts.cursor, parts.picked, *wishes], parts.listing, **PRIVATE)
    return relist


def wire_picking(handlers: GalleryHandlers, parts: Parts) -> dict[str, Any]:
    """Picking one or two cards; returns the event that shows them again."""

    def pick(event: gr.EventData, chosen: list[str]) -> list[str]:
        return toggled(chosen, getattr(event, "id", ""))

    def show(chosen: list[str], who: str | None) -> list[Any]:
        return shown_values(handlers, chosen, who)

    reshow = {"fn": show, "inputs": [parts.picked, parts.viewer], "outputs": parts.shown, **PRIVATE}
    picked = parts.cards.pick(pick, parts.picked, parts.picked, **PRIVATE)
    picked.then(**reshow).then(None, parts.picked, None, js=MARK_JS)
    return reshow


def wire_buttons(handlers: GalleryHandlers, parts: Parts, relist: dict[str, Any], reshow: dict[str, Any]) -> None:
    """Publish, unpublish, delete; and asking before the last."""
    buttons = parts.buttons
    for action in ("publish", "unpublish", "delete"):
        acted = buttons[action].click(
            acting(handlers, action), [parts.current, parts.viewer, parts.picked], parts.picked, **PRIVATE
        )
        acted.success(**reshow).then(**relist)
    asking = [buttons[name] for name in ("ask", "keep", "delete")]
    buttons["ask"].click(lambda: asked(True), None, asking, **PRIVATE).then(None, js=FOCUS_JS % "keep")
    buttons["keep"].click(lambda: asked(False), None, asking, **PRIVATE).then(None, js=FOCUS_JS % "ask-delete")


def wire_admin(handlers: GalleryHandlers, parts: Parts, admin: tuple, relist: dict, reshow: dict) -> None:
    key, reason, down = admin

    def take_down(request: gr.Request, given: str, why: str, chosen: str | None) -> list[str]:
        gr.Success(handlers.take_down(chosen, why, given, request))
        return []

    taken = down.click(take_down, [key, reason, parts.current], parts.picked, **PRIVATE)
    taken.success(**reshow).then(**relist)


def asked(sure: bool) -> list[Any]:
    """Ask before deleting, or not any more; the way back stands where the first click was."""
    return [gr.update(visible=not sure), gr.update(visible=sure), gr.update(visible=sure)]


def acting(handlers: GalleryHandlers, action: str) -> Any:
    def act(generation_id: str | None, who: str | None, chosen: list[str]) -> list[str]:
        gr.Success(handlers.act(action, generation_id, who))
        return [each for each in picks(chosen) if action != "delete" or each != generation_id]

    return act


def listed(handlers: GalleryHandlers, wish: Wish, who: str | None, at: str | None, chosen: list[str]) -> list[Any]:
    html, following = handlers.page(wish, who, at, chosen)
    return [html, following, gr.update(visible=following is not None), gr.update(visible=at is not None)]


def shown_values(handlers: GalleryHandlers, chosen: list[str], who: str | None) -> list[Any]:
    """The buttons act on the picture picked last, and say so where there are two."""
    chosen = picks(chosen)
    compare, details, last = handlers.shown(chosen, who)
    own = last is not None and who is not None and last.owner == who
    which = " B" if len(chosen) == 2 else ""
    return [
        compare or hint(),
        details,
        last.id if last else None,
        gr.update(visible=own),
        gr.update(visible=own and not last.published, value=f"Publish{which}"),
        gr.update(visible=own and last.published, value=f"Make{which} private"),
        gr.update(visible=own, value=f"Delete{which}"),
        gr.update(visible=False),
        gr.update(visible=False, value=f"Delete{which} for good"),
    ]
