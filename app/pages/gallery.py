"""The gallery: everything that was drawn, newest first; filters, comparison of two, publishing, deleting."""

from typing import Any

import gradio as gr

from app.components.cards import JS_ON_LOAD as CARDS_JS
from app.components.cards import picks, toggled
from app.components.compare_slider import JS_ON_LOAD as COMPARE_JS
from app.components.heading import heading
from app.gallery_handlers import SCOPES, GalleryHandlers, Wish
from app.services import Services

PRIVATE = {"show_progress": "hidden", "api_visibility": "private"}


def build(services: Services) -> gr.Blocks:
    handlers = GalleryHandlers(services)
    with gr.Blocks(title="Gallery · Token-Shuffle Studio", fill_width=True, analytics_enabled=False) as page:
        token = gr.BrowserState("", storage_key="studio-visitor", secret=services.identity.browser_key)
        viewer, cursor, current = gr.State(None), gr.State(None), gr.State(None)
        picked = gr.JSON(
            [], visible="hidden", elem_id="picked"
        )  # ids as the browser knows them; each is checked when used
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
        shown = [compare, details, current, *buttons.values()]
        wire(
            handlers,
            page,
            wishes,
            (token, viewer, cursor, picked, current),
            (cards, older, newest),
            shown,
            buttons,
            admin,
        )
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


def wire(
    handlers: GalleryHandlers,
    page: gr.Blocks,
    wishes: list[Any],
    states: tuple,
    grid: tuple,
    shown: list[Any],
    buttons: dict[str, Any],
    admin: tuple | None,
) -> None:
    token, viewer, cursor, picked, current = states
    cards, older, newest = grid
    listing = [cards, cursor, older, newest]

    def refresh(who: str | None, chosen: list[str], *values: Any) -> list[Any]:
        return listed(handlers, Wish(*values), who, None, chosen)

    def further(who: str | None, at: str | None, chosen: list[str], *values: Any) -> list[Any]:
        return listed(handlers, Wish(*values), who, at, chosen)

    def arrive(request: gr.Request, visitor: str, *values: Any) -> list[Any]:
        who = handlers.viewer(request, visitor)
        offered = handlers.choices(who)
        menus = [gr.update(choices=offered[name]) for name in ("sizes", "windows", "schedules")]
        return [who, *menus, *listed(handlers, Wish(*values), who, None, [])]

    def pick(event: gr.EventData, chosen: list[str]) -> list[str]:
        return toggled(chosen, getattr(event, "id", ""))

    def show(chosen: list[str], who: str | None) -> list[Any]:
        return shown_values(handlers, chosen, who)

    page.load(arrive, [token, *wishes], [viewer, *wishes[2:5], *listing], **PRIVATE)
    relist = {"fn": refresh, "inputs": [viewer, picked, *wishes], "outputs": listing, **PRIVATE}
    reshow = {"fn": show, "inputs": [picked, viewer], "outputs": shown, **PRIVATE}
    gr.on([wish.change for wish in wishes] + [newest.click], trigger_mode="always_last", **relist)
    older.click(further, [viewer, cursor, picked, *wishes], listing, **PRIVATE)
    cards.pick(pick, picked, picked, **PRIVATE).then(**reshow).then(mark_picked, picked, None, js=MARK_JS, **PRIVATE)
    for action in ("publish", "unpublish", "delete"):
        buttons[action].click(acting(handlers, action), [current, viewer, picked], picked, **PRIVATE).success(
            **reshow
        ).then(**relist)
    asking = [buttons[name] for name in ("ask", "keep", "delete")]
    buttons["ask"].click(lambda: asked(True), None, asking, **PRIVATE).then(None, js=FOCUS_JS % "keep")
    buttons["keep"].click(lambda: asked(False), None, asking, **PRIVATE).then(None, js=FOCUS_JS % "ask-delete")
    if admin:
        key, reason, down = admin

        def take_down(request: gr.Request, given: str, why: str, chosen: str | None) -> None:
            gr.Success(handlers.take_down(chosen, why, given, request))

        down.click(take_down, [key, reason, current], None, **PRIVATE).success(
            lambda: [], None, picked, **PRIVATE
        ).then(**reshow).then(**relist)


MARK_JS = """(picked) => {
  document.querySelectorAll('#cards .card').forEach(card => {
    const at = picked.indexOf(card.dataset.id);
    card.classList.toggle('picked', at >= 0);
    card.setAttribute('aria-pressed', at >= 0);
    card.querySelector('.side')?.remove();
    if (at >= 0) card.insertAdjacentHTML('afterbegin', `<span class="side">${'AB'[at]}</span>`);
  });
}"""


FOCUS_JS = "() => document.getElementById('%s')?.focus()"  # the button that was pressed is gone


def mark_picked(picked: list[str]) -> None:
    """The browser marks the cards itself; nothing to compute."""


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
