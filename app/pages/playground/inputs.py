"""The Playground's controls: sizes and window, guidance, sampling; and the updates that set them."""

from typing import Any

import gradio as gr

from app.components.schedule_curve import ScheduleCurve
from app.components.stops import Stop, StopSlider
from app.components.typed_slider import BoundedSlider, TypedSlider
from app.pages.playground.parts import Parts
from app.playground.controls import CONTROL_NAMES, CUSTOM_ASPECT, LARGEST, SMALLEST, Controls
from app.playground.handlers import Handlers
from app.playground.offers import UNTRAINED_INFO, UNTRAINED_LABEL, Offer
from app.playground.presets import presets
from app.services import Services
from model import SCHEDULES

LIMITED = ("resolution", "aspect", "window")  # by what the checkpoint was trained for
WINDOW_NOTES = {1: "1 · plain"}


def input_panels(handlers: Handlers, start: Controls) -> dict[str, Any]:
    """Components by the names of `Parts` and `Controls`."""
    with gr.Group(elem_classes="panel"):
        made = size_inputs(handlers, start)
    with gr.Group(elem_classes="panel"):
        made |= guidance_inputs(handlers.services, start)
    made["cost"] = gr.HTML(elem_id="cost")
    with gr.Accordion("Sampling, seed, number of pictures", open=False, elem_id="advanced"):
        made |= sampling_inputs(handlers.services, start)
    return made


def size_inputs(handlers: Handlers, start: Controls) -> dict[str, Any]:
    offer = handlers.offered(start.allow_untrained)
    resolution = BoundedSlider(
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
        width, height = (
            TypedSlider(64, LARGEST, value, step=16, label=f"{side.capitalize()} (px)", elem_id=side, interactive=True)
            for side, value in (("width", start.width), ("height", start.height))
        )
    window = StopSlider(
        window_stops(handlers.services),
        start.window,
        label="Shuffle window s",
        locked=offer.locked,
        elem_id="window",
        padding=True,
    )
    return {
        "resolution": resolution,
        "aspect": aspect,
        "free": free,
        "width": width,
        "height": height,
        "window": window,
    }


def guidance_inputs(services: Services, start: Controls) -> dict[str, Any]:
    names = list(presets(services.tuned))
    preset = gr.Radio(names, value=None, label="Guidance presets", elem_id="preset", elem_classes="segmented")
    curve = ScheduleCurve(elem_id="curve", padding=True)
    shared = {"interactive": True, "min_width": 150}
    with gr.Row(elem_id="guidance"):
        schedule = gr.Dropdown(list(SCHEDULES), value=start.schedule, label="Shape", elem_id="schedule", **shared)
        scale = TypedSlider(1, 15, start.scale, step=0.25, label="Scale", elem_id="scale", **shared)
        ramp_end = TypedSlider(0.05, 1, start.ramp_end, step=0.05, label="Ramp end", elem_id="ramp", **shared)
    points = gr.Textbox(
        start.points,
        label="Control points (fraction:weight)",
        visible=start.schedule == "custom",
        elem_id="points",
        info="Drag them in the curve; double-click adds one, Delete removes it.",
        interactive=True,
    )
    return {
        "preset": preset,
        "curve": curve,
        "schedule": schedule,
        "scale": scale,
        "ramp_end": ramp_end,
        "points": points,
    }


def sampling_inputs(services: Services, start: Controls) -> dict[str, Any]:
    """What is seldom changed."""

    def slider(least: float, most: float, value: float, step: float, label: str, name: str) -> TypedSlider:
        return TypedSlider(least, most, value, step=step, label=label, elem_id=name, interactive=True)

    with gr.Row():
        seed = gr.Number(
            0,
            label="Seed",
            info="That of the last picture; type one to keep it.",
            precision=0,
            elem_id="seed",
            interactive=True,
        )
        random_seed = gr.Checkbox(True, label="New seed each time", elem_id="random-seed", interactive=True)
    temperature = slider(0.05, 2, start.temperature, 0.05, "Temperature", "temperature")
    with gr.Row():
        top_k = slider(0, 4096, start.top_k, 1, "Top-k (0: off)", "top-k")
        top_p = slider(0.05, 1, start.top_p, 0.01, "Top-p (1: off)", "top-p")
    num_images = slider(1, services.settings.max_images, start.num_images, 1, "Pictures", "images")
    allow_untrained = gr.Checkbox(
        start.allow_untrained, label=UNTRAINED_LABEL, info=UNTRAINED_INFO, elem_id="untrained", interactive=True
    )
    overlay = gr.Checkbox(True, label="Show the fused windows while drawing", elem_id="overlay", interactive=True)
    seed.input(None, None, random_seed, js="() => false")
    overlay.change(None, overlay, None, js="(on) => { document.body.classList.toggle('no-windows', !on); }")
    return {
        "seed": seed,
        "random_seed": random_seed,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "num_images": num_images,
        "allow_untrained": allow_untrained,
    }


def resolution_range(offer: Offer) -> dict[str, Any]:
    """Arguments of the slider; one size alone leaves nothing to move, but shows where it lies."""
    if offer.least == offer.most:
        return {"minimum": SMALLEST, "maximum": LARGEST, "step": offer.step, "interactive": False}
    return {"minimum": offer.least, "maximum": offer.most, "step": offer.step, "interactive": True}


def aspect_choices(offer: Offer) -> dict[str, Any]:
    return {"choices": [(name, name) for name in offer.aspects], "interactive": len(offer.aspects) > 1}


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


def limited_updates(handlers: Handlers, parts: Parts, controls: Controls) -> dict[Any, Any]:
    """What sets the limited inputs to these controls, and to what can be chosen beside them."""
    offer = handlers.offered(controls.allow_untrained)
    return {
        parts.inputs["resolution"]: gr.update(value=controls.resolution, **resolution_range(offer)),
        parts.inputs["aspect"]: gr.update(value=controls.aspect, **aspect_choices(offer)),
        parts.inputs["window"]: gr.update(value=controls.window, locked=list(offer.locked)),
    }


def input_updates(handlers: Handlers, parts: Parts, controls: Controls) -> dict[Any, Any]:
    """What sets all inputs to these controls."""
    values = {parts.inputs[name]: getattr(controls, name) for name in CONTROL_NAMES}
    return values | limited_updates(handlers, parts, controls)
