"""The form of a new study, in the administrator's part of the Results page: its inputs, and what it will cost and decide."""

from collections.abc import Sequence
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


def creating_part(scale: float, checkpoints: Sequence[str]) -> tuple[list[Any], Any, dict[str, Any]]:
    """Inputs in the order of `form_from`."""
    with gr.Row():
        name = gr.Textbox(label="Name", max_length=200, elem_id="new-study-name")
        description = gr.Textbox(label="What raters read before they start", max_length=1000, scale=2)
    with gr.Row():
        prompt_set = gr.Dropdown(
            [*BUILT_IN, OWN_PROMPTS], value=BUILT_IN[0], label="Prompts", elem_id="new-study-prompts"
        )
        upload = gr.File(label="Own prompts, one a line", file_types=[".txt"], type="binary", height=150)
        own = gr.Textbox(label="… or typed here, one a line", lines=3, max_lines=8, elem_id="new-study-own")
        gr.on(  # whoever gives prompts means them
            [upload.upload, own.change],
            lambda: OWN_PROMPTS,
            None,
            prompt_set,
            queue=False,
            **PRIVATE,
        )
    with gr.Row():
        windows = gr.Textbox("2, 4", label="Windows", elem_id="new-study-windows")
        schedules = gr.Textbox(
            f"half-linear {scale:g}", label="Schedules with their scale", elem_id="new-study-schedules"
        )
        resolutions = gr.Textbox("512", label="Resolutions (px)", elem_id="new-study-resolutions")
        compared = gr.Textbox(
            "",
            label=f"Checkpoints (any of {', '.join(checkpoints)})",
            placeholder="the default one",
            elem_id="new-study-checkpoints",
            visible=len(checkpoints) > 1,
        )
    criteria = gr.CheckboxGroup(list(CRITERIA), value=list(CRITERIA), label="Criteria", elem_id="new-study-criteria")
    with gr.Row():
        seeds = gr.Number(2, label="Seeds per prompt", precision=0, minimum=1, maximum=study_admin.MAX_SEEDS)
        raters = gr.Number(3, label="Raters per pair", precision=0, minimum=1, maximum=100)
        session = gr.Number(20, label="Pairs in a sitting", precision=0, minimum=2, maximum=200)
        primary = gr.Textbox(
            label="Primary contrasts (empty: every window)", placeholder="window=4", elem_id="new-study-primary"
        )
    preview = gr.HTML(elem_id="new-study-preview")
    with gr.Row():
        buttons = {
            "plan": gr.Button("Show cost and power", elem_id="new-study-plan"),
            "make": gr.Button("Create and draw", variant="primary", elem_id="new-study-make"),
        }
    inputs = [
        name,
        description,
        prompt_set,
        upload,
        own,
        windows,
        schedules,
        resolutions,
        compared,
        criteria,
        seeds,
        raters,
        session,
        primary,
    ]
    return inputs, preview, buttons


def form_from(values: Any) -> StudyForm:
    (
        name,
        description,
        prompt_set,
        upload,
        own,
        windows,
        schedules,
        resolutions,
        compared,
        criteria,
        seeds,
        raters,
        session,
        primary,
    ) = values
    if prompt_set == OWN_PROMPTS:
        prompts = prompts_from((upload or b"").decode("utf-8", "replace") + "\n" + (own or ""))
    else:
        prompts = built_in_prompts(prompt_set)
    contrasts = tuple(part.strip() for part in (primary or "").split(";") if part.strip())
    return StudyForm(
        name or "",
        prompts,
        windows,
        schedules,
        resolutions,
        compared or "",
        int(seeds),
        list(criteria),
        int(raters),
        int(session),
        contrasts,
        (description or "").strip(),
    )


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
