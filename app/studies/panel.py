"""The administrator's part of the Results page: make studies, follow their pictures, open, pause and close them."""

from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr
import pandas as pd

from app.compare.plan import Plan, hold, is_grid, queue
from app.components.amounts import cost_text
from app.services import Services
from app.studies import admin as study_admin
from app.studies.admin import BUILT_IN, StudyForm
from app.studies.download import votes_link
from app.studies.sweep import sweep
from app.study.power import Power
from app.study.votes import CRITERIA
from app.visit import refuse
from storage.records import Study

PRIVATE = {"show_progress": "hidden", "api_visibility": "private"}
KEEPER = "keeper"  # an administrator without a visitor mark
OWN_PROMPTS = "my own, below"
ACTIONS = {
    "open": "Open",
    "pause": "Pause",
    "go-on": "Go on drawing",
    "hold": "Hold drawing",
    "sweep": "Set careless votes aside",
    "restore": "Offer reported pairs again",
    "close": "Close for ever",
}


def build(services: Services) -> Any | None:
    """The accordion, where an administrator can exist; returns the component that changes when studies change."""
    if not services.identity.has_admin_key and not services.settings.on_space:
        return None
    with gr.Accordion("Studies (administration)", open=False, elem_id="study-admin"):
        key = gr.Textbox(
            label="Key (not needed for the signed-in owner of the Space)", type="password", elem_id="study-key"
        )
        with gr.Tabs():
            with gr.Tab("Keep"):
                listing, actions, pick = keeping_part()
            with gr.Tab("New study"):
                inputs, preview, create = creating_part(services.tuned.guidance_scale, services.checkpoints.names)
        changed = gr.State(0)

    def allowed(request: gr.Request, given: str) -> str:
        if not services.identity.is_admin(request, given):
            raise gr.Error("only the administrator of this studio can do this; give the key", print_exception=False)
        return services.identity.owner(request) or KEEPER

    def show(request: gr.Request, given: str) -> list[Any]:
        allowed(request, given)
        studies = kept_studies(services)
        choices = [(study.name, study.id) for study in studies]
        return [listing_html(services, studies, str(request.request.base_url).rstrip("/")), gr.update(choices=choices)]

    def act(name: str) -> Any:
        def do(request: gr.Request, given: str, study_id: str | None) -> None:
            allowed(request, given)
            gr.Success(acted(services, name, study_id))

        return do

    def plan(request: gr.Request, given: str, *values: Any) -> str:
        allowed(request, given)
        return preview_html(services, form_from(values))

    def make(request: gr.Request, given: str, count: int, *values: Any) -> int:
        owner = allowed(request, given)
        try:
            study = study_admin.create(services, form_from(values), owner)
        except (ValueError, TypeError) as error:
            raise refuse(error) from error
        gr.Success(f"{escape(study.name)}: its pictures are queued. Open it under Keep when they are drawn.")
        return count + 1

    listed = {"fn": show, "inputs": [key], "outputs": [listing, pick], **PRIVATE}
    actions["refresh"].click(**listed)
    key.submit(**listed)
    for name in ACTIONS:
        actions[name].click(act(name), [key, pick], None, **PRIVATE).success(**listed).then(
            lambda n: n + 1, changed, changed, **PRIVATE
        )
    create["plan"].click(plan, [key, *inputs], preview, **PRIVATE)
    create["make"].click(make, [key, changed, *inputs], changed, **PRIVATE).success(**listed)
    return changed


def keeping_part() -> tuple[Any, dict[str, Any], Any]:
    listing = gr.HTML('<p class="fine">Give the key and press Refresh.</p>', elem_id="study-list")
    pick = gr.Dropdown([], label="Study", elem_id="study-pick")
    with gr.Row():
        actions = {"refresh": gr.Button("Refresh", size="sm", elem_id="study-refresh")}
        for name, title in ACTIONS.items():
            actions[name] = gr.Button(
                title, size="sm", elem_id=f"study-{name}", variant="stop" if name == "close" else "secondary"
            )
    return listing, actions, pick


def creating_part(scale: float, checkpoints: Sequence[str]) -> tuple[list[Any], Any, dict[str, Any]]:
    """Inputs in the order of `form_from`."""
    with gr.Row():
        name = gr.Textbox(label="Name", max_length=200, elem_id="new-study-name")
        description = gr.Textbox(label="What raters read before they start", max_length=1000, scale=2)
    with gr.Row():
        prompt_set = gr.Dropdown(
            [*BUILT_IN, OWN_PROMPTS], value=BUILT_IN[0], label="Prompts", elem_id="new-study-prompts"
        )
        upload = gr.File(label="Own prompts: a text file, one a line", file_types=[".txt"], type="binary", height=110)
        own = gr.Textbox(label="… or typed here, one a line", lines=3, max_lines=8, elem_id="new-study-own")
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
        prompts = study_admin.prompts_from((upload or b"").decode("utf-8", "replace") + "\n" + (own or ""))
    else:
        prompts = study_admin.built_in_prompts(prompt_set)
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


def acted(services: Services, name: str, study_id: str | None) -> str:
    """Do one of ACTIONS; the sentence to show."""
    try:
        if not study_id:
            raise ValueError("pick a study first")
        study = services.store.get_study(study_id)
        if name == "open":
            study = study_admin.open_study(services, study)
        elif name == "hold":
            hold(services, study, study.owner or "")
        elif name == "go-on":
            queue(services, study, study.owner or "")
        elif name == "sweep":
            done = sweep(services, study)
            return f"{done.risky} of {done.raters} raters are risky: {done.excluded} votes set aside, {done.lifted} counted again."
        elif name == "restore":
            return restored_text(services.store.restore_broken(study.id))
        else:
            study = services.store.set_study_state(study.id, {"pause": "paused", "close": "closed"}[name])
    except ValueError as error:
        raise refuse(error) from error
    return f"{study.name}: {study_admin.status_text(services, study)}"


def restored_text(pairs: int) -> str:
    return f"{pairs} {'pair' if pairs == 1 else 'pairs'} reported as broken: offered again, and the votes count."


def kept_studies(services: Services) -> list[Study]:
    return [study for study in services.store.list_studies() if not is_grid(study)]


def listing_html(services: Services, studies: list[Study], root: str) -> str:
    if not studies:
        return '<p class="empty">No study yet.</p>'
    rows = []
    for study in studies:
        frozen = f"{study.frozen_at:%Y-%m-%d %H:%M} UTC" if study.frozen_at else "not yet"
        link = study_admin.invite_link(study, root)
        chips = (
            f'<a class="chip" data-copy href="{escape(link)}">Copy invite link</a> '
            f'<a class="chip" download href="{escape(votes_link(services, study.id))}">Download votes</a>'
        )
        cells = [study_admin.crossing_text(study), study_admin.status_text(services, study), frozen]
        rows.append(f"<tr><td>{escape(study.name)}<td>{chips}{''.join(f'<td>{escape(cell)}' for cell in cells)}</tr>")
    head = "<tr><th>Study<th>Links<th>Compared<th>State<th>Contrasts frozen</tr>"
    return f'<div class="scroll"><table class="numbers">{head}{"".join(rows)}</table></div>'


def preview_html(services: Services, form: StudyForm) -> str:
    """Cost and power in words and a table; a form that cannot work says why."""
    try:
        cost, power, terms = study_admin.preview(services, form)
    except (ValueError, TypeError) as error:
        return f'<p class="cost cost-bad">{escape(str(error))}</p>'
    return (
        cost_html(cost)
        + power_html(power, Power())
        + f'<p class="fine">Contrasts of this design: {escape("; ".join(terms))}.</p>'
    )


def cost_html(cost: Plan) -> str:
    line = f"{cost.pictures} pictures · {cost_text(cost.seconds, cost.memory_bytes, cost.memory_measured)}"
    notes = "".join(
        f'<p class="cost-note"><span class="badge">untrained</span>{escape(reason)}</p>' for reason in cost.untrained
    )
    return f'<p class="cost">{escape(line)}</p>{notes}'


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
