"""The form of a new study, in the administrator's part of the Results page: its inputs, and what it will cost and decide."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import gradio as gr
import pandas as pd

from app.components.amounts import cost_html, cost_text
from app.services import Services
from app.studies import admin as study_admin
from app.studies.admin import StudyForm
from app.studies.prompt_sets import BUILT_IN, built_in_prompts, prompts_from
from app.study.power import Power
from app.study.votes import CRITERIA
from app.visit import PRIVATE

OWN_PROMPTS = "my own, below"


def creating_part(scale: float, checkpoints: Sequence[str]) -> tuple[dict[str, Any], Any, dict[str, Any]]:
    """The inputs by name, for `form_from`; the preview; the buttons."""
    with gr.Row():
        texts = {
            "name": gr.Textbox(label="Name", max_length=200, elem_id="new-study-name"),
            "description": gr.Textbox(label="What raters read before they start", max_length=1000, scale=2),
        }
    inputs = {**texts, **prompt_inputs(), **compared_inputs(scale, checkpoints), **rating_inputs()}
    preview = gr.HTML(elem_id="new-study-preview")
    with gr.Row():
        buttons = {
            "plan": gr.Button("Show cost and power", elem_id="new-study-plan"),
            "make": gr.Button("Create and draw", variant="primary", elem_id="new-study-make"),
        }
    return inputs, preview, buttons


def prompt_inputs() -> dict[str, Any]:
    with gr.Row():
        prompt_set = gr.Dropdown(
            [*BUILT_IN, OWN_PROMPTS], value=BUILT_IN[0], label="Prompts", elem_id="new-study-prompts"
        )
        upload = gr.File(label="Own prompts, one a line", file_types=[".txt"], type="binary", height=150)
        own = gr.Textbox(label="… or typed here, one a line", lines=3, max_lines=8, elem_id="new-study-own")
    given = [upload.upload, own.change]  # whoever gives prompts means them
    gr.on(given, lambda: OWN_PROMPTS, None, prompt_set, queue=False, **PRIVATE)
    return {"prompt_set": prompt_set, "upload": upload, "own": own}


def compared_inputs(scale: float, checkpoints: Sequence[str]) -> dict[str, Any]:
    """Named as the fields of StudyForm."""
    with gr.Row():
        return {
            "windows": gr.Textbox("2, 4", label="Windows", elem_id="new-study-windows"),
            "schedules": gr.Textbox(
                f"half-linear {scale:g}", label="Schedules with their scale", elem_id="new-study-schedules"
            ),
            "resolutions": gr.Textbox("512", label="Resolutions (px)", elem_id="new-study-resolutions"),
            "checkpoints": gr.Textbox(
                "",
                label=f"Checkpoints (any of {', '.join(checkpoints)})",
                placeholder="the default one",
                elem_id="new-study-checkpoints",
                visible=len(checkpoints) > 1,
            ),
        }


def rating_inputs() -> dict[str, Any]:
    """Named as the fields of StudyForm."""
    criteria = gr.CheckboxGroup(list(CRITERIA), value=list(CRITERIA), label="Criteria", elem_id="new-study-criteria")
    with gr.Row():
        return {
            "criteria": criteria,
            "seeds": gr.Number(2, label="Seeds per prompt", precision=0, minimum=1, maximum=study_admin.MAX_SEEDS),
            "raters_per_pair": gr.Number(3, label="Raters per pair", precision=0, minimum=1, maximum=100),
            "session_pairs": gr.Number(20, label="Pairs in a sitting", precision=0, minimum=2, maximum=200),
            "primary": gr.Textbox(
                label="Primary contrasts (empty: every window)", placeholder="window=4", elem_id="new-study-primary"
            ),
        }


def form_from(values: Mapping[str, Any]) -> StudyForm:
    """The values of the inputs by name. ValueError for an empty number."""
    fields = dict(values)
    prompt_set, upload, own = (fields.pop(name) for name in ("prompt_set", "upload", "own"))
    if prompt_set == OWN_PROMPTS:
        prompts = prompts_from((upload or b"").decode("utf-8", "replace") + "\n" + (own or ""))
    else:
        prompts = built_in_prompts(prompt_set)
    texts = {name: (fields[name] or "").strip() for name in ("name", "description", "checkpoints", "primary")}
    whole = {name: whole_number(name, fields[name]) for name in ("seeds", "raters_per_pair", "session_pairs")}
    primary = tuple(part.strip() for part in texts["primary"].split(";") if part.strip())
    return StudyForm(**{**fields, **texts, **whole, "prompts": prompts, "primary": primary})


def whole_number(name: str, value: float | None) -> int:
    if value is None:
        raise ValueError(f"{name.replace('_', ' ')} is empty; give a whole number")
    return int(value)


def preview_html(services: Services, form: StudyForm) -> str:
    """Cost and power in words and a table; a form that cannot work says why."""
    try:
        cost, power, terms = study_admin.preview(services, form)
    except (ValueError, TypeError) as error:
        return f'<p class="cost cost-bad">{escape(str(error))}</p>'
    line = f"{cost.pictures} pictures · {cost_text(cost.seconds, cost.memory_bytes, cost.memory_measured)}"
    return (
        cost_html(line, cost.untrained)
        + power_html(power, Power())
        + f'<p class="fine">Contrasts of this design: {escape("; ".join(terms))}.</p>'
    )


def power_html(power: pd.DataFrame, assumed: Power) -> str:
    rows = "".join(
        f"<tr><td>{escape(row.contrast)}<td>{row.pairs}<td>{row.votes}<td>{row.needed}<td>{row.smallest:.2f}</tr>"
        for row in power.itertuples()
    )
    head = "<tr><th>Contrast<th>Pairs<th>Votes a criterion<th>Votes needed<th>Smallest effect decided (log-odds)</tr>"
    words = (
        f"Needed for an effect of {assumed.effect:g} log-odds (62 % wins) with power 80 % at 5 %, five looks; assumes "
        f"{assumed.tie_share:.0%} ties and clustering that doubles the variance. Both are guesses until there are votes."
    )
    return f'<div class="scroll"><table class="numbers">{head}{rows}</table></div><p class="fine">{words}</p>'
