"""Compare: settings grids. Two or three axes, the plan before the start, durable cells, one zoom, blind ratings."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.compare.grid import CSS, JS_ON_LOAD
from app.compare.handlers import ACTIONS, RATE_TEXT, UNKNOWN, CompareHandlers, View, Wish
from app.components.cards import MARK_JS, picks, toggled
from app.components.compare_slider import JS_ON_LOAD as SLIDER_JS
from app.components.heading import heading
from app.components.visitor import visitor_token
from app.pages.compare_inputs import input_panel
from app.results.view import ALL_CRITERIA
from app.services import Services
from app.visit import PRIVATE, address_of

TICK_SECONDS = 2


@dataclass(frozen=True)
class Parts:
    """The page's components by name. inputs: named as the fields of `Wish`. buttons: "start" and those of ACTIONS."""

    # what the page remembers: the browser's mark, whose grids these are, the grid shown and its sheet, the picked cells
    token: gr.BrowserState
    owner: gr.State
    grid: gr.State
    shown: gr.State
    picked: gr.JSON
    timer: gr.Timer

    inputs: dict[str, Any]
    cost: gr.HTML
    buttons: dict[str, gr.Button]
    recent: gr.Dropdown
    criterion: gr.Dropdown
    status: gr.HTML
    slider: gr.HTML
    queueing: gr.Column
    rate: gr.Button
    sheet: gr.HTML

    @property
    def outputs(self) -> list[Any]:
        """What `shown_values` sets."""
        return [self.sheet, self.shown, self.status, self.timer, *(self.buttons[action] for action in ACTIONS)]


def build(services: Services) -> gr.Blocks:
    with gr.Blocks(title="Compare · Token-Shuffle Studio", fill_width=True, analytics_enabled=False) as page:
        remembered = {
            "token": visitor_token(services),
            "owner": gr.State(None),
            "grid": gr.State(None),
            "shown": gr.State(""),
            "picked": gr.JSON([], visible="hidden", elem_id="picked-cells"),
            "timer": gr.Timer(TICK_SECONDS, active=False),
        }
        heading("Compare")
        inputs = input_panel(services)
        cost = gr.HTML(elem_id="grid-plan")
        buttons = button_row()
        parts = Parts(**remembered, inputs=inputs, cost=cost, **grid_part(buttons))
        events = Events(CompareHandlers(services), tuple(inputs))
        wire_grid(events, page, parts)
        wire_rating(events, parts)
    return page


def grid_part(buttons: dict[str, Any]) -> dict[str, Any]:
    """The grid and what is done with it, below the buttons that draw it."""
    with gr.Row():
        recent = gr.Dropdown([], label="My grids", elem_id="grid-recent", scale=3)
        criterion = gr.Dropdown(
            ALL_CRITERIA,
            value=ALL_CRITERIA[0][1],
            label="Win share by",
            elem_id="grid-criterion",
            scale=1,
            min_width=200,
        )
    status = gr.HTML(elem_id="grid-status")
    with gr.Row(elem_id="grid-rating"):
        rating = {
            name: gr.Button(title, size="sm", visible=False, scale=0, min_width=160, elem_id=f"grid-{name}")
            for name, title in (("stop-rating", "Stop rating"), ("resume-rating", "Resume rating"))
        }
    slider = gr.HTML(elem_id="grid-slider", js_on_load=SLIDER_JS)
    with gr.Column(visible=False) as queueing:
        rate = gr.Button("Queue these two for rating", elem_id="grid-rate")
        gr.HTML(f'<p class="fine">{RATE_TEXT}</p>')
    return {
        "buttons": buttons | rating,
        "recent": recent,
        "criterion": criterion,
        "status": status,
        "slider": slider,
        "queueing": queueing,
        "rate": rate,
        "sheet": gr.HTML(elem_id="sheet", js_on_load=JS_ON_LOAD, css_template=CSS),
    }


def button_row() -> dict[str, Any]:
    with gr.Row(elem_id="grid-buttons"):
        return {
            "start": gr.Button("Start the grid", variant="primary", elem_id="grid-start"),
            "hold": gr.Button("Pause", visible=False, elem_id="grid-hold"),
            "go-on": gr.Button("Go on", visible=False, elem_id="grid-go-on"),
            "stop": gr.Button("Stop", variant="stop", visible=False, elem_id="grid-stop"),
        }


def shown_values(view: View, last: str | None = None) -> list[Any]:
    """Values of the outputs; an unchanged sheet is not sent again, so that nothing jumps under the reader."""
    sheet = gr.skip() if view.sheet == last else view.sheet
    stoppable = view.busy or view.held
    return [
        sheet,
        view.sheet,
        view.status,
        gr.Timer(active=view.busy),
        gr.update(visible=view.busy),
        gr.update(visible=view.held),
        gr.update(visible=stoppable),
        gr.update(visible=view.rating == "open"),
        gr.update(visible=view.rating == "paused"),
    ]


class Events:
    """The handlers as the page's events take them: values of components in, values of components out. names: of the
    inputs, in their order."""

    def __init__(self, handlers: CompareHandlers, names: tuple[str, ...]) -> None:
        self.handlers, self.names = handlers, names

    def wish(self, values: Iterable[Any]) -> Wish:
        return Wish(**dict(zip(self.names, values, strict=True)))

    def describe(self, *values: Any) -> str:
        return self.handlers.describe(self.wish(values))

    def arrive(self, request: gr.Request, visitor: str, criterion: str) -> list[Any]:
        who = self.handlers.services.identity.owner(request, visitor)
        mine = self.handlers.recent(who)
        asked = dict(request.query_params).get("grid") or (mine[0][1] if mine else None)
        choice = gr.update(choices=mine, value=asked if asked in [i for _, i in mine] else None)
        view = self.handlers.view(asked, who, criterion)
        if asked and not view.found:
            gr.Warning(UNKNOWN)  # the sheet that says so too is below the fold
        return [who, asked, choice, *shown_values(view)]

    def show(self, grid_id: str | None, who: str | None, criterion: str) -> list[Any]:
        return shown_values(self.handlers.view(grid_id, who, criterion))

    def tick(self, grid_id: str | None, who: str | None, criterion: str, chosen: list[str], last: str) -> list[Any]:
        return shown_values(self.handlers.view(grid_id, who, criterion, picks(chosen)), last)

    def start(self, request: gr.Request, visitor: str, *values: Any) -> list[Any]:
        who = self.handlers.services.identity.owner(request, visitor)
        made = self.handlers.start(self.wish(values), who, address_of(request))
        return [who, made, gr.update(choices=self.handlers.recent(who), value=made), []]

    def act(self, action: str) -> Any:
        def do(grid_id: str | None, who: str | None) -> None:
            self.handlers.act(action, grid_id, who)

        return do

    def pick(self, event: gr.EventData, chosen: list[str]) -> list[str]:
        return toggled(chosen, getattr(event, "id", ""))

    def compare(self, chosen: list[str], who: str | None) -> list[Any]:
        return [self.handlers.slider(picks(chosen), who), gr.update(visible=len(picks(chosen)) == 2)]

    def send(self, grid_id: str | None, who: str | None, chosen: list[str]) -> None:
        gr.Success(self.handlers.queue(grid_id, who, picks(chosen)))


def wire_grid(events: Events, page: gr.Blocks, parts: Parts) -> None:
    """Planning, starting and following a grid."""
    token, owner, grid, recent, criterion = parts.token, parts.owner, parts.grid, parts.recent, parts.criterion
    inputs, outputs = list(parts.inputs.values()), parts.outputs
    reshow = reshowing(events, parts)
    page.load(events.arrive, [token, criterion], [owner, grid, recent, *outputs], **PRIVATE)
    gr.on(  # with every picture this machine knows better how long the next ones take
        [page.load, parts.status.change, *(part.change for part in inputs)],
        events.describe,
        inputs,
        parts.cost,
        queue=False,
        trigger_mode="always_last",
        **PRIVATE,
    )
    started = [owner, grid, recent, parts.picked]
    parts.buttons["start"].click(events.start, [token, *inputs], started, **PRIVATE).success(**reshow)
    for action in ACTIONS:
        parts.buttons[action].click(events.act(action), [grid, owner], None, **PRIVATE).success(**reshow)
    recent.input(lambda chosen: (chosen, []), recent, [grid, parts.picked], **PRIVATE).then(**reshow)
    criterion.input(**reshow)
    parts.timer.tick(events.tick, [grid, owner, criterion, parts.picked, parts.shown], outputs, **PRIVATE)


def wire_rating(events: Events, parts: Parts) -> None:
    """Picking two cells, looking at them side by side, and queueing them for raters."""
    picked, owner, grid = parts.picked, parts.owner, parts.grid
    parts.sheet.pick(events.pick, picked, picked, **PRIVATE)
    picked.change(events.compare, [picked, owner], [parts.slider, parts.queueing], **PRIVATE).then(
        None, picked, None, js=MARK_JS
    )
    parts.rate.click(events.send, [grid, owner, picked], None, **PRIVATE).success(**reshowing(events, parts))


def reshowing(events: Events, parts: Parts) -> dict[str, Any]:
    """The event that shows the grid as it is now."""
    shown_by = [parts.grid, parts.owner, parts.criterion]
    return {"fn": events.show, "inputs": shown_by, "outputs": parts.outputs, **PRIVATE}
