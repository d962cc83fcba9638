"""The inputs of the Compare page: what all cells share, and what varies along rows, columns and sheets."""

from typing import Any

import gradio as gr

from app.compare.axes import AXES
from app.compare.examples import example
from app.compare.handlers import NO_AXIS
from app.playground.offers import UNTRAINED_INFO, UNTRAINED_LABEL
from app.playground.words import EXAMPLE_PROMPTS
from app.services import Services
from app.visit import PRIVATE
from model import SCHEDULES


def input_panel(services: Services) -> dict[str, Any]:
    """By the names of `Wish`."""
    inputs = shared_inputs(services)
    with gr.Row():
        for title, name in (("Rows", "window"), ("Columns", "scale"), ("Sheets", NO_AXIS)):
            inputs |= axis_inputs(services, title, name)
    untrained = gr.Checkbox(
        False, label=UNTRAINED_LABEL, info=UNTRAINED_INFO, elem_id="grid-untrained", interactive=True
    )
    return inputs | {"allow_untrained": untrained}


def shared_inputs(services: Services) -> dict[str, Any]:
    """What all cells have in common, unless an axis varies it. The numbers have no bounds of their own: the plan says which
    one cannot be drawn and what is allowed, and Gradio would refuse it without a word."""
    tuned = services.tuned
    prompt = gr.Textbox(
        EXAMPLE_PROMPTS[0],
        label="Prompt",
        placeholder="What should the pictures show?",
        max_length=services.settings.max_prompt_chars,
        elem_id="grid-prompt",
    )
    with gr.Row():
        return {
            "prompt": prompt,
            "resolution": gr.Number(tuned.width, label="Resolution (px)", precision=0, min_width=100),
            "window": gr.Dropdown(windows_of(services), value=tuned.shuffle_window, label="Window", min_width=90),
            "schedule": gr.Dropdown(
                [s for s in SCHEDULES if s != "custom"], value=tuned.guidance_schedule, label="Schedule", min_width=160
            ),
            "scale": gr.Number(tuned.guidance_scale, label="Scale", min_width=90),
            "temperature": gr.Number(tuned.temperature, label="Temperature", min_width=90),
            "seed": gr.Number(0, label="Seed", precision=0, min_width=90),
        }


def axis_inputs(services: Services, title: str, name: str) -> dict[str, Any]:
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
    return {title.lower(): axis, f"{title.lower()[:-1]}_levels": levels}


def windows_of(services: Services) -> list[int]:
    return sorted(services.pipeline.config.shuffle_windows) if services.pipeline is not None else [1, 2, 4]


def start_levels(services: Services, name: str) -> str:
    """Around what the checkpoint was trained and tuned for."""
    if name == "scale":
        tuned = services.tuned.guidance_scale
        return f"1, {tuned:g}, {2 * tuned:g}"
    return "" if name == NO_AXIS else example(services, name)


def hint(services: Services, name: str) -> str:
    if name == "checkpoint":
        return f"any of {', '.join(services.checkpoints.names)}"
    return "no third axis" if name == NO_AXIS else f"such as {example(services, name)}"
