"""Compare: settings grids. Two or three axes, the plan before the start, durable cells, one zoom, blind ratings."""

from typing import Any

import gradio as gr

from app.compare.axes import AXES, EXAMPLES
from app.compare.grid import CSS, JS_ON_LOAD
from app.compare.handlers import ACTIONS, NO_AXIS, RATE_TEXT, CompareHandlers, View, Wish
from app.components.cards import MARK_JS, picks, toggled
from app.components.compare_slider import JS_ON_LOAD as SLIDER_JS
from app.components.heading import heading
from app.components.visitor import visitor_token
from app.playground.offers import UNTRAINED_INFO, UNTRAINED_LABEL
from app.playground.words import EXAMPLE_PROMPTS
from app.results.view import ALL_CRITERIA
from app.services import Services
from app.visit import PRIVATE, address_of
from model import SCHEDULES

TICK_SECONDS = 2


def build(services: Services) -> gr.Blocks:
    handlers = CompareHandlers(services)
    with gr.Blocks(title="Compare · Token-Shuffle Studio", fill_width=True, analytics_enabled=False) as page:
        token = visitor_token(services)
        owner, grid, shown = gr.State(None), gr.State(None), gr.State("")
        picked = gr.JSON([], visible="hidden", elem_id="picked-cells")
        timer = gr.Timer(TICK_SECONDS, active=False)
        heading("Compare")
        inputs = input_panel(services)
        cost = gr.HTML(elem_id="grid-plan")
        buttons = button_row()
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
            for name, title in (("stop-rating", "Stop rating"), ("resume-rating", "Resume rating")):
                buttons[name] = gr.Button(
                    title, size="sm", visible=False, scale=0, min_width=160, elem_id=f"grid-{name}"
                )
        slider = gr.HTML(elem_id="grid-slider", js_on_load=SLIDER_JS)
        with gr.Column(visible=False) as queueing:
            rate = gr.Button("Queue these two for rating", elem_id="grid-rate")
            gr.HTML(f'<p class="fine">{RATE_TEXT}</p>')
        sheet = gr.HTML(elem_id="sheet", js_on_load=JS_ON_LOAD, css_template=CSS)
        outputs = [sheet, shown, status, timer, *(buttons[action] for action in ACTIONS)]
        wire(
            handlers,
            page,
            (token, owner, grid, shown, picked),
            inputs,
            outputs,
            (cost, recent, criterion, slider, queueing, rate, sheet, timer),
            buttons,
        )
    return page


def input_panel(services: Services) -> list[Any]:
    """In the order of `Wish`."""
    shared = shared_inputs(services)
    with gr.Row():
        axes = [
            part
            for title, name in (("Rows", "window"), ("Columns", "scale"), ("Sheets", NO_AXIS))
            for part in axis_inputs(services, title, name)
        ]
    untrained = gr.Checkbox(
        False, label=UNTRAINED_LABEL, info=UNTRAINED_INFO, elem_id="grid-untrained", interactive=True
    )
    return [*shared, *axes, untrained]


def shared_inputs(services: Services) -> list[Any]:
    """What all cells have in common, unless an axis varies it."""
    tuned = services.tuned
    prompt = gr.Textbox(
        EXAMPLE_PROMPTS[0],
        label="Prompt",
        placeholder="What should the pictures show?",
        max_length=services.settings.max_prompt_chars,
        elem_id="grid-prompt",
    )
    with gr.Row():
        resolution = gr.Number(
            tuned.width, label="Resolution (px)", precision=0, minimum=64, maximum=2048, min_width=100
        )
        window = gr.Dropdown(windows_of(services), value=tuned.shuffle_window, label="Window", min_width=90)
        schedule = gr.Dropdown(
            [s for s in SCHEDULES if s != "custom"], value=tuned.guidance_schedule, label="Schedule", min_width=160
        )
        scale = gr.Number(tuned.guidance_scale, label="Scale", minimum=1, maximum=30, min_width=90)
        temperature = gr.Number(tuned.temperature, label="Temperature", minimum=0.05, maximum=2, min_width=90)
        seed = gr.Number(0, label="Seed", precision=0, minimum=0, min_width=90)
    return [prompt, resolution, window, schedule, scale, temperature, seed]


def axis_inputs(services: Services, title: str, name: str) -> tuple[gr.Dropdown, gr.Textbox]:
    """What varies along rows, columns or sheets, and its levels. name: the axis at the start."""
    choices = [each for each in AXES if each != "checkpoint" or services.checkpoints.further]
    with gr.Column(min_width=260):
        with gr.Group():
            axis = gr.Dropdown(
                choices if title != "Sheets" else [NO_AXIS, *choices],
                value=name,
                label=title,
                elem_id=f"axis-{title.lower()}",
            )
            levels = gr.Textbox(
                start_levels(services, name),
                label="Levels",
                lines=1,
                max_lines=5,
                elem_id=f"levels-{title.lower()}",
                info=hint(services, name),
                max_length=4000,
            )
        axis.change(  # leaving a dropdown with the keyboard is input too
            lambda chosen: gr.update(value="", info=hint(services, chosen)), axis, levels, **PRIVATE, queue=False
        )
    return axis, levels


def windows_of(services: Services) -> list[int]:
    return sorted(services.pipeline.config.shuffle_windows) if services.pipeline is not None else [1, 2, 4]


def start_levels(services: Services, name: str) -> str:
    """Around what the checkpoint was trained and tuned for."""
    tuned, pipeline, windows = services.tuned, services.pipeline, windows_of(services)
    if name == "window":
        trained = [s for s in windows if pipeline is not None and pipeline.is_trained(tuned.width, tuned.height, s)]
        return ", ".join(str(window) for window in trained or windows)
    if name == "scale":
        return f"1, {tuned.guidance_scale:g}, {2 * tuned.guidance_scale:g}"
    return "" if name == NO_AXIS else EXAMPLES[name]


def hint(services: Services, name: str) -> str:
    if name == "checkpoint":
        return f"any of {', '.join(services.checkpoints.names)}"
    return "no third axis" if name == NO_AXIS else f"such as {EXAMPLES[name]}"


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


def wire(
    handlers: CompareHandlers,
    page: gr.Blocks,
    states: tuple,
    inputs: list[Any],
    outputs: list[Any],
    parts: tuple,
    buttons: dict[str, Any],
) -> None:
    token, owner, grid, shown, picked = states
    cost, recent, criterion, slider, queueing, rate, sheet, timer = parts

    def describe(*values: Any) -> str:
        return handlers.describe(Wish(*values))

    def arrive(request: gr.Request, visitor: str, criterion: str) -> list[Any]:
        who = handlers.services.identity.owner(request, visitor)
        mine = handlers.recent(who)
        asked = dict(request.query_params).get("grid") or (mine[0][1] if mine else None)
        return [
            who,
            asked,
            gr.update(choices=mine, value=asked if asked in [i for _, i in mine] else None),
            *show(asked, who, criterion),
        ]

    def show(grid_id: str | None, who: str | None, criterion: str) -> list[Any]:
        return shown_values(handlers.view(grid_id, who, criterion))

    def tick(grid_id: str | None, who: str | None, criterion: str, chosen: list[str], last: str) -> list[Any]:
        return shown_values(handlers.view(grid_id, who, criterion, picks(chosen)), last)

    def start(request: gr.Request, visitor: str, *values: Any) -> list[Any]:
        who = handlers.services.identity.owner(request, visitor)
        made = handlers.start(Wish(*values), who, address_of(request))
        return [who, made, gr.update(choices=handlers.recent(who), value=made), []]

    def pick(event: gr.EventData, chosen: list[str]) -> list[str]:
        return toggled(chosen, getattr(event, "id", ""))

    def compare(chosen: list[str], who: str | None) -> list[Any]:
        return [handlers.slider(picks(chosen), who), gr.update(visible=len(picks(chosen)) == 2)]

    def send(grid_id: str | None, who: str | None, chosen: list[str]) -> None:
        gr.Success(handlers.queue(grid_id, who, picks(chosen)))

    reshow = {"fn": show, "inputs": [grid, owner, criterion], "outputs": outputs, **PRIVATE}
    page.load(arrive, [token, criterion], [owner, grid, recent, *outputs], **PRIVATE)
    status = outputs[2]  # with every picture this machine knows better how long the next ones take
    gr.on(
        [page.load, status.change, *(part.change for part in inputs)],
        describe,
        inputs,
        cost,
        queue=False,
        trigger_mode="always_last",
        **PRIVATE,
    )
    buttons["start"].click(start, [token, *inputs], [owner, grid, recent, picked], **PRIVATE).success(**reshow)
    for action in ACTIONS:
        buttons[action].click(acting(handlers, action), [grid, owner], None, **PRIVATE).success(**reshow)
    recent.input(lambda chosen: (chosen, []), recent, [grid, picked], **PRIVATE).then(**reshow)
    criterion.input(**reshow)
    timer.tick(tick, [grid, owner, criterion, picked, shown], outputs, **PRIVATE)
    sheet.pick(pick, picked, picked, **PRIVATE)
    picked.change(compare, [picked, owner], [slider, queueing], **PRIVATE).then(None, picked, None, js=MARK_JS)
    rate.click(send, [grid, owner, picked], None, **PRIVATE).success(**reshow)


def acting(handlers: CompareHandlers, action: str) -> Any:
    def act(grid_id: str | None, who: str | None) -> None:
        handlers.act(action, grid_id, who)

    return act
