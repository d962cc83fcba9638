"""The Playground: a prompt, three sliders, a picture that grows, and everything needed to repeat it."""

from typing import Any

import gradio as gr

from app.components.heading import heading
from app.components.sign_in import sign_in
from app.components.stage import Stage, stage_html
from app.components.visitor import visitor_token
from app.pages.playground import describing, running
from app.pages.playground.inputs import input_panels
from app.pages.playground.parts import Parts
from app.playground.controls import CONTROL_NAMES, Controls
from app.playground.example_cards import JS_ON_LOAD as EXAMPLES_JS
from app.playground.example_cards import examples_html
from app.playground.handlers import Handlers
from app.playground.views import example_stage
from app.playground.words import EXAMPLE_PROMPTS
from app.services import Services
from app.web.api import add_api


def build(services: Services) -> gr.Blocks:
    handlers = Handlers(services)
    start = handlers.default_controls()
    with gr.Blocks(title="Token-Shuffle Studio", fill_width=True, analytics_enabled=False) as page:
        made: dict[str, Any] = {
            "token": visitor_token(services),
            **{name: gr.State(None) for name in ("owner", "job", "generation")},
        }
        if services.problem:
            gr.HTML(
                '<p class="banner">Nothing can be drawn: the weights could not be loaded. The log has the reason.</p>'
            )
        heading("Token-Shuffle Studio")
        sign_in(services)
        made |= prompt_row(services)
        made |= idea_row(handlers)
        with gr.Row(elem_id="studio", equal_height=False):
            # first for keys and phones; the style puts it at the right of wide screens
            with gr.Column(scale=4, min_width=320, elem_id="controls"):
                made |= input_panels(handlers, start)
            with gr.Column(scale=7, min_width=320, elem_id="canvas"):
                made |= canvas(first_stage(handlers, start))
        parts = Parts({name: made.pop(name) for name in CONTROL_NAMES}, **made)
        describe = describing.wire(handlers, page, parts)
        running.wire(handlers, page, parts, describe)
        add_api(services)
    return page


def prompt_row(services: Services) -> dict[str, Any]:
    with gr.Row(elem_id="prompt-row"):
        return {
            "prompt": gr.Textbox(
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
            ),
            "go": gr.Button(
                "Generate",
                variant="primary",
                scale=1,
                min_width=130,
                elem_id="go",
                interactive=services.problem is None,
            ),
            "stop": gr.Button("Stop", variant="stop", scale=1, min_width=130, elem_id="stop", visible=False),
            "resume": gr.Button("Go on", scale=1, min_width=130, elem_id="resume", visible=False),
        }


def idea_row(handlers: Handlers) -> dict[str, Any]:
    """What one could ask for, and what is known of the words in the prompt."""
    knows_words = bool(handlers.services.vocabulary)
    with gr.Row(elem_id="ideas"):
        made = {
            "examples": gr.HTML(
                examples_html(handlers.examples),
                elem_id="examples",
                js_on_load=EXAMPLES_JS,
                visible=bool(handlers.examples),
            ),
            "ideas": [
                gr.Button(text, size="sm", min_width=60, elem_classes="idea", visible=not handlers.examples)
                for text in EXAMPLE_PROMPTS
            ],
            "surprise": gr.Button("Surprise me", size="sm", min_width=60, elem_id="surprise"),
            "rewrite": gr.Checkbox(
                knows_words,
                label="Rewrite loose prompts",
                elem_id="rewrite",
                interactive=True,
                container=False,
                min_width=150,
                visible=knows_words,
            ),
        }
    return made | {"words": gr.HTML(elem_id="words")}


def canvas(first: str) -> dict[str, Any]:
    stage = gr.HTML(first, elem_id="stage")
    with gr.Row(visible=False, elem_id="actions") as actions:
        replay = gr.Button("Replay", size="sm", elem_id="replay")
        reuse = gr.Button("Use these settings", size="sm", elem_id="reuse")
    details = gr.HTML(elem_id="details")
    return {"stage": stage, "actions": actions, "replay": replay, "reuse": reuse, "details": details}


def first_stage(handlers: Handlers, start: Controls) -> str:
    """What a first visitor sees: an example that appears as it was drawn, else an empty grid of windows."""
    if handlers.examples:
        return example_stage(handlers.examples[0], "type a prompt to draw your own")
    width, height = start.size()
    hint = "Each cell is one fused window: s × s image tokens that are drawn in one step."
    return stage_html(Stage(width, height, start.window, headline="Nothing drawn yet", detail=hint))
