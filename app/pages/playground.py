"""The Playground: a prompt, three sliders, a picture that grows, and everything needed to repeat it."""

from collections.abc import AsyncIterator
from typing import Any

import gradio as gr

from app.api import add_api
from app.components.schedule_curve import ScheduleCurve
from app.components.stage import Stage, stage_html
from app.components.stops import Stop, StopSlider
from app.controls import (
    ASPECTS,
    CONTROL_NAMES,
    CUSTOM_ASPECT,
    LARGEST,
    PRESETS,
    SMALLEST,
    Controls,
    controls_from,
    controls_of,
)
from app.playground_handlers import EXAMPLES, Arrival, Handlers, View
from app.request import GenerationRequest, format_points, request_from
from app.services import Services
from model import SCHEDULES
from model.settings import Settings as PictureSettings

WINDOW_NOTES = {1: "1 · plain", 2: "2", 4: "4", 8: "8"}


def build(services: Services) -> gr.Blocks:
    handlers = Handlers(services)
    defaults = default_controls(services)
    with gr.Blocks(title="Token-Shuffle Studio", fill_width=True, analytics_enabled=False) as page:
        token = gr.BrowserState("", storage_key="studio-visitor", secret=services.identity.browser_key)
        owner, job, generation = gr.State(None), gr.State(None), gr.State(None)
        if services.problem:
            gr.HTML('<p class="banner">Nothing can be drawn: the weights could not be loaded. The log has the reason.</p>')
        gr.HTML('<h1 class="brand">Token-Shuffle Studio</h1>')
        prompt, go, stop = prompt_row(services)
        ideas = idea_row()
        with gr.Row(elem_id="studio", equal_height=False):
            with gr.Column(scale=7, min_width=320, elem_id="canvas"):
                stage = gr.HTML(empty_stage(defaults), elem_id="stage")
                with gr.Row(visible=False, elem_id="actions") as actions:
                    replay = gr.Button("Replay", size="sm", elem_id="replay")
                    reuse = gr.Button("Use these settings", size="sm", elem_id="reuse")
                details = gr.HTML(elem_id="details")
            with gr.Column(scale=4, min_width=320, elem_id="controls"):
                inputs, shown = control_panel(services, defaults)
                shown |= ideas
        controls = [prompt, *inputs]
        outputs = [stage, details, actions, go, stop, generation]
        wire_running(handlers, page, controls, (token, owner, job, generation), outputs, (go, stop, replay, prompt))
        wire_describing(handlers, page, controls, shown)
        gr.on([reuse.click], reuse_values(handlers), [generation, owner], controls, api_visibility="private")
        add_api(services)
    return page


def prompt_row(services: Services) -> tuple[gr.Textbox, gr.Button, gr.Button]:
    with gr.Row(elem_id="prompt-row"):
        prompt = gr.Textbox(
            placeholder="What should the picture show?",
            show_label=False,
            label="Prompt",
            container=False,
            scale=8,
            lines=1,
            max_lines=4,
            autofocus=True,
            max_length=services.settings.max_prompt_chars,
            elem_id="prompt",
        )
        go = gr.Button(
            "Generate", variant="primary", scale=1, min_width=130, elem_id="go", interactive=services.problem is None
        )
        stop = gr.Button("Stop", variant="stop", scale=1, min_width=130, elem_id="stop", visible=False)
    return prompt, go, stop


def control_panel(services: Services, start: Controls) -> tuple[list[Any], dict[str, Any]]:
    """Components in the order of `Controls` (the prompt apart), and what only shows."""
    with gr.Group(elem_classes="panel"):
        resolution = gr.Slider(
            SMALLEST, LARGEST, start.resolution, step=64, label="Resolution (px)", elem_id="resolution", interactive=True
        )
        aspect = gr.Radio(
            [*ASPECTS, CUSTOM_ASPECT], value=start.aspect, label="Aspect", elem_id="aspect", elem_classes="segmented"
        )
        with gr.Row(visible=start.aspect == CUSTOM_ASPECT) as free:
            width = gr.Slider(64, LARGEST, start.width, step=16, label="Width (px)", elem_id="width", interactive=True)
            height = gr.Slider(64, LARGEST, start.height, step=16, label="Height (px)", elem_id="height", interactive=True)
        window = StopSlider(window_stops(services), start.window, label="Shuffle window s", elem_id="window", padding=True)
    with gr.Group(elem_classes="panel"):
        preset = gr.Radio(list(PRESETS), value=None, label="Guidance presets", elem_id="preset", elem_classes="segmented")
        curve = ScheduleCurve(elem_id="curve", padding=True)
        schedule = gr.Dropdown(list(SCHEDULES), value=start.schedule, label="Shape", elem_id="schedule", interactive=True)
        with gr.Row():
            scale = gr.Slider(1, 15, start.scale, step=0.25, label="Scale", elem_id="scale", interactive=True)
            ramp_end = gr.Slider(0.05, 1, start.ramp_end, step=0.05, label="Ramp ends at", elem_id="ramp", interactive=True)
        points = gr.Textbox(
            start.points, label="Control points (fraction:weight)", visible=start.schedule == "custom", elem_id="points",
            info="Drag them in the curve; double-click adds one, Delete removes it.", interactive=True,
        )  # fmt: skip
    cost = gr.HTML(elem_id="cost")
    with gr.Accordion("Sampling, seed, number of pictures", open=False, elem_id="advanced"):
        with gr.Row():
            seed = gr.Number(0, label="Seed", precision=0, minimum=0, elem_id="seed", interactive=True)
            random_seed = gr.Checkbox(True, label="New seed each time", elem_id="random-seed", interactive=True)
        temperature = gr.Slider(0.05, 2, start.temperature, step=0.05, label="Temperature", elem_id="temperature", interactive=True)
        with gr.Row():
            top_k = gr.Slider(0, 4096, start.top_k, step=1, label="Top-k (0: off)", elem_id="top-k", interactive=True)
            top_p = gr.Slider(0.05, 1, start.top_p, step=0.01, label="Top-p (1: off)", elem_id="top-p", interactive=True)
        images = gr.Slider(
            1, services.settings.max_images, start.num_images, step=1, label="Pictures", elem_id="images", interactive=True
        )
        overlay = gr.Checkbox(True, label="Show the fused windows while drawing", elem_id="overlay", interactive=True)
    overlay.change(None, overlay, None, js="(on) => { document.body.classList.toggle('no-windows', !on); }")
    components = [
        aspect, resolution, width, height, window, schedule, scale, ramp_end, points,
        temperature, top_k, top_p, seed, random_seed, images,
    ]  # fmt: skip
    return components, {"free": free, "preset": preset, "curve": curve, "cost": cost}


def idea_row() -> dict[str, Any]:
    """What one could ask for, and what is known of the words in the prompt."""
    with gr.Row(elem_id="ideas"):
        ideas = [gr.Button(text, size="sm", min_width=60, elem_classes="idea") for text in EXAMPLES]
        surprise = gr.Button("Surprise me", size="sm", min_width=60, elem_id="surprise")
    return {"words": gr.HTML(elem_id="words"), "ideas": ideas, "surprise": surprise}


def window_stops(services: Services) -> list[Stop]:
    if services.pipeline is None:
        return [Stop(s, WINDOW_NOTES[s]) for s in (1, 2, 4)]
    trained = {cell["window"] for cell in services.pipeline.supported_cells()}
    return [
        Stop(
            s,
            WINDOW_NOTES.get(s, str(s)) + ("" if s in trained else " (untrained)"),
            f"{s} × {s} codes are one token" + ("" if s in trained else "; this checkpoint was not trained for it"),
        )
        for s in sorted(services.pipeline.config.shuffle_windows)
    ]


def default_controls(services: Services) -> Controls:
    """The checkpoint's own tuned settings."""
    tuned = services.pipeline.validate("x") if services.pipeline is not None else PictureSettings()
    request = GenerationRequest(
        prompt="", typed="", width=tuned.width, height=tuned.height, shuffle_window=tuned.shuffle_window,
        guidance_schedule=tuned.guidance_schedule, guidance_scale=tuned.guidance_scale,
        guidance_points=tuned.guidance_points, ramp_end=tuned.ramp_end, temperature=tuned.temperature,
        top_k=tuned.top_k, top_p=tuned.top_p, num_images=tuned.num_images,
    )  # fmt: skip
    return controls_of(request)


def empty_stage(start: Controls) -> str:
    width, height = start.size()
    hint = "Each cell is one fused window: s × s image tokens that are drawn in one step."
    return stage_html(Stage(width, height, start.window, headline="Nothing drawn yet", detail=hint))


def show(view: View) -> list[Any]:
    """A view as updates of stage, details, actions, go, stop, generation."""
    return [
        view.stage,
        view.details,
        gr.update(visible=view.generation_id is not None),
        gr.update(visible=not view.busy),
        gr.update(visible=view.busy),
        view.generation_id,
    ]


def wire_running(
    handlers: Handlers, page: gr.Blocks, controls: list[Any], states: tuple, outputs: list[Any], buttons: tuple
) -> None:
    """Start, follow, stop, replay, and coming back."""
    token, owner, job, generation = states
    go, stop, replay, prompt = buttons

    def start(request: gr.Request, *values: Any) -> tuple[str, str]:
        *given, visitor = values
        controls_given = controls_from(given)
        return handlers.start(controls_given, visitor, request), handlers.owner(request, visitor)

    def start_replay(shown: str | None, visitor: str, request: gr.Request) -> tuple[str, str]:
        return handlers.replay(shown, visitor, request), handlers.owner(request, visitor)

    def stop_job(job_id: str | None, visitor: str, request: gr.Request) -> None:
        handlers.stop(job_id, visitor, request)

    async def follow(job_id: str | None, visitor: str | None) -> AsyncIterator[list[Any]]:
        yield [gr.skip()] * len(outputs)  # an event that yields nothing would blank what it could have changed
        async for view in handlers.follow(job_id, visitor):
            yield show(view)

    def arrive(visitor: str, request: gr.Request) -> list[Any]:
        found = handlers.arrive(visitor, request)
        shown = show(found.view) if found.view else [gr.skip()] * len(outputs)
        return [found.token, found.owner, found.job_id, *control_values(found, len(controls)), *shown]

    following = {
        "fn": follow, "inputs": [job, owner], "outputs": outputs, "show_progress": "hidden",
        "concurrency_limit": None, "api_visibility": "private",
    }  # fmt: skip
    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    gr.on([go.click, prompt.submit], start, [*controls, token], [job, owner], **quiet).success(**following)
    replay.click(start_replay, [generation, token], [job, owner], **quiet).success(**following)
    stop.click(stop_job, [job, token], None, queue=False, **quiet)
    page.load(arrive, token, [token, owner, job, *controls, *outputs], **quiet).then(**following)


def control_values(found: Arrival, count: int) -> list[Any]:
    if found.controls is None:
        return [gr.skip()] * count
    return [getattr(found.controls, name) for name in CONTROL_NAMES]


def reuse_values(handlers: Handlers) -> Any:
    """The shown picture's settings back into the controls, its seed fixed."""

    def reuse(generation_id: str | None, owner: str | None) -> list[Any]:
        if not generation_id:
            return [gr.skip()] * len(CONTROL_NAMES)
        made = handlers.services.store.get_generation(generation_id, owner)
        request = GenerationRequest(prompt="", typed="")
        if made.job_id:
            request = request_from(handlers.services.store.get_job(made.job_id, None).request)
        values = controls_of(request)
        return [getattr(values, name) for name in CONTROL_NAMES]

    return reuse


def wire_describing(handlers: Handlers, page: gr.Blocks, controls: list[Any], shown: dict[str, Any]) -> None:
    """Curve, costs and words follow the controls."""
    by_name = dict(zip(CONTROL_NAMES, controls, strict=True))
    light = {"queue": False, "show_progress": "hidden", "api_visibility": "private", "trigger_mode": "always_last"}

    def describe(*values: Any) -> tuple[Any, str, Any, Any, Any]:
        given = controls_from(values)
        curve, cost = handlers.describe(given)
        return (
            curve, cost, gr.update(visible=given.aspect == CUSTOM_ASPECT), gr.update(visible=given.schedule == "custom"),
            gr.update(interactive=given.schedule == "half-linear"),
        )  # fmt: skip

    watched = ("aspect", "resolution", "width", "height", "window", "schedule", "scale", "ramp_end", "points", "num_images")
    targets = [shown["curve"], shown["cost"], shown["free"], by_name["points"], by_name["ramp_end"]]
    gr.on([page.load, *(by_name[name].change for name in watched)], describe, controls, targets, **light)

    def edit(event: gr.EventData) -> tuple[str, str]:
        pairs = getattr(event, "points", None) or []
        return "custom", format_points(tuple((float(x), float(y)) for x, y in pairs[:12]))

    shown["curve"].edit(edit, None, [by_name["schedule"], by_name["points"]], **light)
    guidance = [by_name[name] for name in ("schedule", "scale", "ramp_end", "points")]
    shown["preset"].input(handlers.preset, shown["preset"], guidance, **light)
    by_name["prompt"].change(handlers.words, by_name["prompt"], shown["words"], **light)
    for idea in shown["ideas"]:
        idea.click(lambda text: text, idea, by_name["prompt"], **light)
    shown["surprise"].click(handlers.surprise, None, by_name["prompt"], **light)
