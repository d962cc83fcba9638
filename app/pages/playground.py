"""The Playground: a prompt, three sliders, a picture that grows, and everything needed to repeat it."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import gradio as gr

from app.components.examples import JS_ON_LOAD as EXAMPLES_JS
from app.components.examples import examples_html
from app.components.heading import heading
from app.components.schedule_curve import ScheduleCurve
from app.components.sign_in import sign_in
from app.components.stage import Stage, stage_html
from app.components.stops import Stop, StopSlider
from app.playground.controls import (
    CONTROL_NAMES,
    CUSTOM_ASPECT,
    LARGEST,
    SMALLEST,
    Controls,
    controls_from,
    presets,
)
from app.playground.handlers import Handlers, View, example_stage
from app.playground.offers import UNTRAINED_INFO, UNTRAINED_LABEL, Offer
from app.playground.words import EXAMPLE_PROMPTS
from app.request import GenerationRequest, format_points
from app.services import Services
from app.web.api import add_api
from model import SCHEDULES

SHOW_STAGE_JS = """() => {
  const stage = document.getElementById('stage'), still = matchMedia('(prefers-reduced-motion: reduce)').matches;
  if (stage.getBoundingClientRect().top > innerHeight / 2) stage.scrollIntoView({behavior: still ? 'auto' : 'smooth'});
}"""  # on a phone it lies below the controls
WINDOW_NOTES = {1: "1 · plain"}


def build(services: Services) -> gr.Blocks:
    handlers = Handlers(services)
    defaults = default_controls(handlers)
    with gr.Blocks(title="Token-Shuffle Studio", fill_width=True, analytics_enabled=False) as page:
        token = gr.BrowserState("", storage_key="studio-visitor", secret=services.identity.browser_key)
        owner, job, generation = gr.State(None), gr.State(None), gr.State(None)
        if services.problem:
            gr.HTML(
                '<p class="banner">Nothing can be drawn: the weights could not be loaded. The log has the reason.</p>'
            )
        heading("Token-Shuffle Studio")
        sign_in(services)
        prompt, go, stop, resume = prompt_row(services)
        ideas = idea_row(handlers)
        with gr.Row(elem_id="studio", equal_height=False):
            # first for keys and phones; the style puts it at the right of wide screens
            with gr.Column(scale=4, min_width=320, elem_id="controls"):
                inputs, shown = control_panel(handlers, defaults)
                shown |= ideas | {"go": go}
            with gr.Column(scale=7, min_width=320, elem_id="canvas"):
                stage = gr.HTML(first_stage(handlers, defaults), elem_id="stage")
                with gr.Row(visible=False, elem_id="actions") as actions:
                    replay = gr.Button("Replay", size="sm", elem_id="replay")
                    reuse = gr.Button("Use these settings", size="sm", elem_id="reuse")
                details = gr.HTML(elem_id="details")
        controls = [prompt, *inputs, ideas["rewrite"]]
        outputs = [stage, details, actions, go, stop, resume, generation]
        describe = wire_describing(handlers, page, controls, shown)
        buttons = (go, stop, resume, replay, prompt)
        wire_running(handlers, page, controls, (token, owner, job, generation), outputs, buttons, describe)
        reused = gr.on([reuse.click], reuse_values(handlers), [generation, owner], controls, api_visibility="private")
        set_by_server = [
            reused,
            wire_examples(handlers, shown["examples"], controls, outputs),
            *wire_offers(handlers, controls),
        ]
        for event in set_by_server:  # a window that the server sets fires no change of its own
            event.then(**describe)
        add_api(services)
    return page


def prompt_row(services: Services) -> tuple[gr.Textbox, gr.Button, gr.Button, gr.Button]:
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
        resume = gr.Button("Go on", scale=1, min_width=130, elem_id="resume", visible=False)
    return prompt, go, stop, resume


def control_panel(handlers: Handlers, start: Controls) -> tuple[list[Any], dict[str, Any]]:
    """Components in the order of `Controls` (prompt and rewriting apart), and what only shows."""
    services, offer = handlers.services, handlers.offered(start.allow_untrained)
    with gr.Group(elem_classes="panel"):
        resolution = gr.Slider(
            value=start.resolution,
            label="Resolution (px)",
            info=f"{handlers.training_note} Others: allow them below, beside the seed.",
            elem_id="resolution",
            **resolution_range(offer),
        )
        aspect = gr.Radio(
            value=start.aspect, label="Aspect", elem_id="aspect", elem_classes="segmented", **aspect_choices(offer)
        )
        with gr.Row(visible=start.aspect == CUSTOM_ASPECT) as free:
            width = gr.Slider(64, LARGEST, start.width, step=16, label="Width (px)", elem_id="width", interactive=True)
            height = gr.Slider(
                64, LARGEST, start.height, step=16, label="Height (px)", elem_id="height", interactive=True
            )
        window = StopSlider(
            window_stops(services),
            start.window,
            label="Shuffle window s",
            locked=offer.locked,
            elem_id="window",
            padding=True,
        )
    with gr.Group(elem_classes="panel"):
        preset = gr.Radio(
            list(presets(services.tuned)),
            value=None,
            label="Guidance presets",
            elem_id="preset",
            elem_classes="segmented",
        )
        curve = ScheduleCurve(elem_id="curve", padding=True)
        with gr.Row(elem_id="guidance"):
            schedule = gr.Dropdown(
                list(SCHEDULES),
                value=start.schedule,
                label="Shape",
                elem_id="schedule",
                interactive=True,
                min_width=150,
            )
            scale = gr.Slider(
                1, 15, start.scale, step=0.25, label="Scale", elem_id="scale", interactive=True, min_width=150
            )
            ramp_end = gr.Slider(
                0.05, 1, start.ramp_end, step=0.05, label="Ramp end", elem_id="ramp", interactive=True, min_width=150
            )
        points = gr.Textbox(
            start.points,
            label="Control points (fraction:weight)",
            visible=start.schedule == "custom",
            elem_id="points",
            info="Drag them in the curve; double-click adds one, Delete removes it.",
            interactive=True,
        )
    cost = gr.HTML(elem_id="cost")
    components = [aspect, resolution, width, height, window, schedule, scale, ramp_end, points]
    return [*components, *sampling_panel(services, start)], {
        "free": free,
        "preset": preset,
        "curve": curve,
        "cost": cost,
    }


def sampling_panel(services: Services, start: Controls) -> list[Any]:
    """What is seldom changed, folded away; in the order of `Controls`."""
    with gr.Accordion("Sampling, seed, number of pictures", open=False, elem_id="advanced"):
        with gr.Row():
            seed = gr.Number(
                0,
                label="Seed",
                info="That of the last picture; type one to keep it.",
                precision=0,
                minimum=0,
                elem_id="seed",
                interactive=True,
            )
            random_seed = gr.Checkbox(True, label="New seed each time", elem_id="random-seed", interactive=True)
        temperature = gr.Slider(
            0.05, 2, start.temperature, step=0.05, label="Temperature", elem_id="temperature", interactive=True
        )
        with gr.Row():
            top_k = gr.Slider(0, 4096, start.top_k, step=1, label="Top-k (0: off)", elem_id="top-k", interactive=True)
            top_p = gr.Slider(
                0.05, 1, start.top_p, step=0.01, label="Top-p (1: off)", elem_id="top-p", interactive=True
            )
        images = gr.Slider(
            1,
            services.settings.max_images,
            start.num_images,
            step=1,
            label="Pictures",
            elem_id="images",
            interactive=True,
        )
        untrained = gr.Checkbox(
            start.allow_untrained, label=UNTRAINED_LABEL, info=UNTRAINED_INFO, elem_id="untrained", interactive=True
        )
        overlay = gr.Checkbox(True, label="Show the fused windows while drawing", elem_id="overlay", interactive=True)
    seed.input(None, None, random_seed, js="() => false")
    overlay.change(None, overlay, None, js="(on) => { document.body.classList.toggle('no-windows', !on); }")
    return [temperature, top_k, top_p, seed, random_seed, images, untrained]


def resolution_range(offer: Offer) -> dict[str, Any]:
    """Arguments of the slider; one size alone leaves nothing to move, but shows where it lies."""
    if offer.least == offer.most:
        return {"minimum": SMALLEST, "maximum": LARGEST, "step": offer.step, "interactive": False}
    return {"minimum": offer.least, "maximum": offer.most, "step": offer.step, "interactive": True}


def aspect_choices(offer: Offer) -> dict[str, Any]:
    return {"choices": [(name, name) for name in offer.aspects], "interactive": len(offer.aspects) > 1}


def offer_updates(handlers: Handlers, controls: Controls) -> dict[str, Any]:
    """Updates of the three controls that the checkpoint limits, with their values."""
    offer = handlers.offered(controls.allow_untrained)
    return {
        "resolution": gr.update(value=controls.resolution, **resolution_range(offer)),
        "aspect": gr.update(value=controls.aspect, **aspect_choices(offer)),
        "window": gr.update(value=controls.window, locked=list(offer.locked)),
    }


def idea_row(handlers: Handlers) -> dict[str, Any]:
    """What one could ask for, and what is known of the words in the prompt."""
    with gr.Row(elem_id="ideas"):
        examples = gr.HTML(
            examples_html(handlers.examples),
            elem_id="examples",
            js_on_load=EXAMPLES_JS,
            visible=bool(handlers.examples),
        )
        ideas = [
            gr.Button(text, size="sm", min_width=60, elem_classes="idea", visible=not handlers.examples)
            for text in EXAMPLE_PROMPTS
        ]
        surprise = gr.Button("Surprise me", size="sm", min_width=60, elem_id="surprise")
        rewrite = gr.Checkbox(
            bool(handlers.services.vocabulary),
            label="Rewrite loose prompts",
            elem_id="rewrite",
            interactive=True,
            container=False,
            min_width=150,
            visible=bool(handlers.services.vocabulary),
        )
    words = gr.HTML(elem_id="words")
    return {"words": words, "ideas": ideas, "examples": examples, "surprise": surprise, "rewrite": rewrite}


def window_stops(services: Services) -> list[Stop]:
    if services.pipeline is None:
        return [Stop(s, WINDOW_NOTES.get(s, str(s))) for s in (1, 2, 4)]
    trained = {cell["window"] for cell in services.pipeline.supported_cells()}
    return [
        Stop(
            s,
            WINDOW_NOTES.get(s, str(s)) + ("" if s in trained else " (untrained)"),
            f"{s} × {s} codes are one token" + ("" if s in trained else f"; not trained, see “{UNTRAINED_LABEL}”"),
        )
        for s in sorted(services.pipeline.config.shuffle_windows)
    ]


def default_controls(handlers: Handlers) -> Controls:
    """The checkpoint's own tuned settings."""
    tuned = handlers.services.tuned
    request = GenerationRequest(
        prompt="",
        typed="",
        width=tuned.width,
        height=tuned.height,
        shuffle_window=tuned.shuffle_window,
        guidance_schedule=tuned.guidance_schedule,
        guidance_scale=tuned.guidance_scale,
        guidance_points=tuned.guidance_points,
        ramp_end=tuned.ramp_end,
        temperature=tuned.temperature,
        top_k=tuned.top_k,
        top_p=tuned.top_p,
        num_images=tuned.num_images,
    )
    return handlers.controls_of(request)


def first_stage(handlers: Handlers, start: Controls) -> str:
    """What a first visitor sees: an example that appears as it was drawn, else an empty grid of windows."""
    if handlers.examples:
        return example_stage(handlers.examples[0], "type a prompt to draw your own")
    width, height = start.size()
    hint = "Each cell is one fused window: s × s image tokens that are drawn in one step."
    return stage_html(Stage(width, height, start.window, headline="Nothing drawn yet", detail=hint))


def show(view: View) -> list[Any]:
    """A view as updates of stage, details, actions, go, stop, resume, generation."""
    return [
        view.stage,
        view.details,
        gr.update(visible=view.generation_id is not None),
        gr.update(visible=not view.busy),
        gr.update(visible=view.busy),
        gr.update(visible=view.resumable),
        view.generation_id,
    ]


def wire_running(
    handlers: Handlers,
    page: gr.Blocks,
    controls: list[Any],
    states: tuple,
    outputs: list[Any],
    buttons: tuple,
    describe: dict[str, Any],
) -> None:
    """Start, follow, stop, go on, replay, and coming back."""
    token, owner, job, generation = states
    go, stop, resume, replay, prompt = buttons

    seed = controls[CONTROL_NAMES.index("seed")]

    def start(request: gr.Request, *values: Any) -> tuple[str, str, int]:
        *given, visitor = values
        queued = handlers.start(controls_from(given), visitor, request)
        return queued.id, queued.owner, queued.request["seed"]  # the drawn seed is echoed, and drawn anew next time

    def start_replay(shown: str | None, visitor: str, request: gr.Request) -> tuple[str, str]:
        return handlers.replay(shown, visitor, request), handlers.owner(request, visitor)

    async def follow(job_id: str | None, visitor: str | None) -> AsyncIterator[list[Any]]:
        yield [gr.skip()] * len(outputs)  # an event that yields nothing would blank what it could have changed
        async with aclosing(handlers.follow(job_id, visitor)) as views:
            async for view in views:
                yield show(view)

    following = {
        "fn": follow,
        "inputs": [job, owner],
        "outputs": outputs,
        "show_progress": "hidden",
        "concurrency_limit": None,
        "api_visibility": "private",
    }
    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    started = [
        gr.on([go.click, prompt.submit], start, [*controls, token], [job, owner, seed], **quiet),
        replay.click(start_replay, [generation, token], [job, owner], **quiet),
        resume.click(handlers.resume, [job, token], job, **quiet),
    ]
    for event in started:
        event.success(None, js=SHOW_STAGE_JS)
        event.success(**following).then(**describe)  # the expected time is measured anew with every picture
    stop.click(handlers.stop, [job, token], None, queue=False, **quiet)
    arrived = page.load(
        arriving(handlers, len(controls), len(outputs)), token, [*states[:3], *controls, *outputs], **quiet
    )
    arrived.then(**describe).then(**following)


def arriving(handlers: Handlers, control_count: int, output_count: int) -> Any:
    def arrive(visitor: str, request: gr.Request) -> list[Any]:
        found = handlers.arrive(visitor, request)
        shown = show(found.view) if found.view else [gr.skip()] * output_count
        values = [gr.skip()] * control_count if found.controls is None else values_of(handlers, found.controls)
        return [found.token, found.owner, found.job_id, *values, *shown]

    return arrive


def values_of(handlers: Handlers, controls: Controls) -> list[Any]:
    """What sets the page's inputs to these controls, and to what can be chosen beside them."""
    values = {name: getattr(controls, name) for name in CONTROL_NAMES} | offer_updates(handlers, controls)
    return [values[name] for name in CONTROL_NAMES]


def reuse_values(handlers: Handlers) -> Any:
    """The shown picture's settings back into the controls, its seed fixed."""

    def reuse(generation_id: str | None, owner: str | None) -> list[Any]:
        if not generation_id:
            return [gr.skip()] * len(CONTROL_NAMES)
        return values_of(handlers, handlers.reused(generation_id, owner))

    return reuse


def wire_examples(handlers: Handlers, examples: gr.HTML, controls: list[Any], outputs: list[Any]) -> Any:
    """A chosen example fills the controls and the stage; what was drawn before stays in the gallery."""

    def choose(event: gr.EventData) -> list[Any]:
        chosen, stage = handlers.example(getattr(event, "index", None))
        return [*values_of(handlers, chosen), *show(View(stage, busy=False))]

    chosen = examples.choose(
        choose, None, [*controls, *outputs], queue=False, show_progress="hidden", api_visibility="private"
    )
    chosen.success(None, js=SHOW_STAGE_JS)
    return chosen


def wire_offers(handlers: Handlers, controls: list[Any]) -> list[Any]:
    """The limited controls follow each other, and open where untrained sizes and windows are allowed."""
    by_name = dict(zip(CONTROL_NAMES, controls, strict=True))
    limited = [by_name[name] for name in ("resolution", "aspect", "window")]

    def following(moved: str) -> Any:
        def follow(*values: Any) -> list[Any]:
            given = controls_from(values)
            chosen = handlers.settle(given, moved)
            return updates(chosen) if chosen != given else [gr.skip()] * len(limited)

        return follow

    def allow(*values: Any) -> list[Any]:
        return updates(handlers.settle(controls_from(values), "window"))

    def updates(chosen: Controls) -> list[Any]:
        return [*offer_updates(handlers, chosen).values()]

    light = {  # queued, as Gradio tells nobody anything else: what followed is said in a message
        "concurrency_limit": None,
        "show_progress": "hidden",
        "api_visibility": "private",
        "trigger_mode": "always_last",
    }
    moves = (("resolution", "input"), ("aspect", "input"), ("window", "change"))
    followed = [getattr(by_name[name], event)(following(name), controls, limited, **light) for name, event in moves]
    return [*followed, by_name["allow_untrained"].input(allow, controls, limited, **light)]


def wire_describing(handlers: Handlers, page: gr.Blocks, controls: list[Any], shown: dict[str, Any]) -> dict[str, Any]:
    """Curve, costs and words follow the controls; returns the event that describes them again."""
    by_name = dict(zip(CONTROL_NAMES, controls, strict=True))
    light = {"queue": False, "show_progress": "hidden", "api_visibility": "private", "trigger_mode": "always_last"}

    def describe(*values: Any) -> list[Any]:
        given = controls_from(values)
        free = given.aspect == CUSTOM_ASPECT
        curve, cost, drawable = handlers.describe(given)
        sides = given.size() if drawable and not free else (gr.skip(), gr.skip())  # a free size starts at the last one
        return [
            curve,
            cost,
            gr.update(visible=free),
            *sides,
            gr.update(visible=given.schedule == "custom"),
            gr.update(interactive=given.schedule == "half-linear"),
            gr.update(interactive=drawable),
            handlers.preset_of(given),
        ]

    watched = (
        "aspect",
        "resolution",
        "width",
        "height",
        "window",
        "schedule",
        "scale",
        "ramp_end",
        "points",
        "num_images",
    )  # not allow_untrained: what follows from it describes, with values that are still choices
    targets = [
        shown["curve"],
        shown["cost"],
        shown["free"],
        by_name["width"],
        by_name["height"],
        by_name["points"],
        by_name["ramp_end"],
        shown["go"],
        shown["preset"],
    ]
    again = {"fn": describe, "inputs": controls, "outputs": targets, **light}
    gr.on([page.load, *(by_name[name].change for name in watched)], **again)

    def edit(event: gr.EventData) -> tuple[str, str]:
        pairs = getattr(event, "points", None) or []
        return "custom", format_points(tuple((float(x), float(y)) for x, y in pairs[:12]))

    shown["curve"].edit(edit, None, [by_name["schedule"], by_name["points"]], **light)
    guidance = [by_name[name] for name in ("schedule", "scale", "ramp_end", "points")]
    shown["preset"].input(handlers.preset, shown["preset"], guidance, **light)
    asked = [by_name["prompt"], by_name["rewrite"]]
    gr.on([each.change for each in asked], handlers.words, asked, shown["words"], **light)
    for idea in shown["ideas"]:
        idea.click(lambda text: text, idea, by_name["prompt"], **light)
    shown["surprise"].click(handlers.surprise, None, by_name["prompt"], **light)
    return again
