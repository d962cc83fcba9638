"""Events of the inputs: curve, costs and words tell what they mean, and whatever sets some lets the others follow."""

from typing import Any

import gradio as gr

from app.pages.playground.inputs import LIMITED, input_updates, limited_updates
from app.pages.playground.parts import SHOW_STAGE_JS, Parts
from app.playground.controls import CONTROL_NAMES, CUSTOM_ASPECT, controls_from
from app.playground.handlers import Handlers
from app.playground.views import View
from app.request import format_points
from app.visit import PRIVATE
from model.guidance import MAX_POINTS

LIGHT = {"queue": False, "trigger_mode": "always_last", **PRIVATE}
# not the words, which `describe` leaves out, nor allow_untrained: what follows from it describes, with values that are
# still choices
WATCHED = [name for name in CONTROL_NAMES if name not in ("prompt", "rewrite", "allow_untrained")]
SIZES = ("resolution", "width", "height")
EMPTIED = ("scale", "ramp_end", "temperature", "top_k", "top_p", "num_images")


def wire(handlers: Handlers, page: gr.Blocks, parts: Parts) -> dict[str, Any]:
    """The event that describes the inputs again."""
    describe = {"fn": describer(handlers, parts), "inputs": parts.controls, "outputs": described(parts), **LIGHT}
    gr.on([page.load, *(parts.inputs[name].change for name in WATCHED)], **describe)
    wire_guidance(handlers, parts)
    wire_prompt(handlers, parts)
    wire_typed(parts)
    for event in (wire_reuse(handlers, parts), wire_examples(handlers, parts), *wire_limits(handlers, parts)):
        event.then(**describe)  # a window that the server sets fires no change of its own
    return describe


def described(parts: Parts) -> list[Any]:
    """What `describer` sets."""
    inputs = [parts.inputs[name] for name in ("width", "height", "points", "ramp_end")]
    return [parts.curve, parts.cost, parts.free, *inputs, parts.go, parts.preset]


def describer(handlers: Handlers, parts: Parts) -> Any:
    def describe(*values: Any) -> dict[Any, Any]:
        given = controls_from(values)
        free = given.aspect == CUSTOM_ASPECT
        curve, cost, drawable = handlers.describe(given)
        sides = given.size() if drawable and not free else (gr.skip(), gr.skip())  # a free size starts at the last one
        return {
            parts.curve: curve,
            parts.cost: cost,
            parts.free: gr.update(visible=free),
            parts.inputs["width"]: sides[0],
            parts.inputs["height"]: sides[1],
            parts.inputs["points"]: gr.update(visible=given.schedule == "custom"),
            parts.inputs["ramp_end"]: gr.update(interactive=given.schedule == "half-linear"),
            parts.go: gr.update(interactive=drawable),
            parts.preset: handlers.preset_of(given),
        }

    return describe


def wire_guidance(handlers: Handlers, parts: Parts) -> None:
    """The curve's points and the presets set the guidance."""

    def edit(event: gr.EventData) -> tuple[str, str]:
        pairs = getattr(event, "points", None) or []
        return "custom", format_points(tuple((float(x), float(y)) for x, y in pairs[:MAX_POINTS]))

    guidance = [parts.inputs[name] for name in ("schedule", "scale", "ramp_end", "points")]
    parts.curve.edit(edit, None, [parts.inputs["schedule"], parts.inputs["points"]], **LIGHT)
    parts.preset.input(handlers.preset, parts.preset, guidance, **LIGHT)


def wire_typed(parts: Parts) -> None:
    """A field that is left shows what counts: sizes their nearest step, and an emptied one what it began with."""

    def snap(*values: Any) -> dict[Any, Any]:
        given = controls_from(values)
        snapped = given.snapped()
        moved = [name for name in SIZES if getattr(snapped, name) != getattr(given, name)]
        return {parts.inputs[name]: getattr(snapped, name) for name in moved} or gr.skip()

    for name in SIZES:
        parts.inputs[name].release(snap, parts.controls, [parts.inputs[each] for each in SIZES], **LIGHT)
    for name in EMPTIED:
        slider = parts.inputs[name]
        # as it was left: `preprocess` would have filled it already
        slider.release(refilled(slider.value), slider, slider, preprocess=False, **LIGHT)


def refilled(start: float) -> Any:
    def refill(left: float | None) -> Any:
        return start if left is None else gr.skip()

    return refill


def wire_prompt(handlers: Handlers, parts: Parts) -> None:
    prompt, rewrite = parts.inputs["prompt"], parts.inputs["rewrite"]
    gr.on([prompt.change, rewrite.change], handlers.words, [prompt, rewrite], parts.words, **LIGHT)
    for idea in parts.ideas:
        idea.click(lambda text: text, idea, prompt, **LIGHT)
    parts.surprise.click(handlers.surprise, None, prompt, **LIGHT)


def wire_reuse(handlers: Handlers, parts: Parts) -> Any:
    """The shown picture's settings back into the inputs, its seed fixed."""

    def reuse(generation_id: str | None, owner: str | None) -> dict[Any, Any]:
        if not generation_id:
            return gr.skip()
        return input_updates(handlers, parts, handlers.reused(generation_id, owner))

    return parts.reuse.click(reuse, [parts.generation, parts.owner], parts.controls, api_visibility="private")


def wire_examples(handlers: Handlers, parts: Parts) -> Any:
    """A chosen example fills the inputs and the stage; what was drawn before stays in the gallery."""

    def choose(event: gr.EventData) -> dict[Any, Any]:
        controls, stage = handlers.example(getattr(event, "index", None))
        return {**input_updates(handlers, parts, controls), **parts.show(View(stage, busy=False))}

    chosen = parts.examples.choose(choose, None, [*parts.controls, *parts.canvas], queue=False, **PRIVATE)
    chosen.success(None, js=SHOW_STAGE_JS)
    return chosen


def wire_limits(handlers: Handlers, parts: Parts) -> list[Any]:
    """The limited inputs follow each other, and open where untrained sizes and windows are allowed."""
    limited = [parts.inputs[name] for name in LIMITED]

    def following(moved: str) -> Any:
        def follow(*values: Any) -> dict[Any, Any]:
            given = controls_from(values)
            chosen = handlers.settle(given, moved)
            return limited_updates(handlers, parts, chosen) if chosen != given else gr.skip()

        return follow

    def allow(*values: Any) -> dict[Any, Any]:
        return limited_updates(handlers, parts, handlers.settle(controls_from(values), "window"))

    # queued, as Gradio tells nobody anything else: what followed is said in a message
    told = {"concurrency_limit": None, "trigger_mode": "always_last", **PRIVATE}
    moves = (("resolution", "input"), ("aspect", "input"), ("window", "change"))
    followed = [
        getattr(parts.inputs[name], event)(following(name), parts.controls, limited, **told) for name, event in moves
    ]
    return [*followed, parts.inputs["allow_untrained"].input(allow, parts.controls, limited, **told)]
