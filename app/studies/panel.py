"""The administrator's part of the Results page: make studies, follow their pictures, open, pause and close them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from app.compare.plan import hold, is_grid, queue
from app.services import Services
from app.studies import admin as study_admin
from app.studies import download, reported
from app.studies import rivals as study_rivals
from app.studies.new_study import creating_part, form_from, preview_html
from app.studies.sweep import sweep
from app.visit import PRIVATE, refuse, server_url
from storage.records import Study

RIVALS_TEXT = f"""<p class="fine">They are shown blind against the pictures of the study picked above, and counted apart. The zip holds
the pictures and {study_rivals.LIST} with the columns file and prompt; every prompt is one of the study's. At most 5 MB at a time: what
is brought in later is added.</p>"""
ACTIONS = {
    "open": "Open",
    "pause": "Pause",
    "go-on": "Go on drawing",
    "hold": "Hold drawing",
    "sweep": "Set careless votes aside",
    "restore": "Offer reported pairs again",
    "close": "Yes, close it for ever",
}


@dataclass(frozen=True)
class Parts:
    """The panel's components by name. changed: counts the changes of studies. actions, create: buttons by name. reports:
    the reported pairs to choose from, reported: their pictures. inputs: those of a new study, for `form_from`."""

    key: gr.Textbox
    changed: gr.State
    listing: gr.HTML
    actions: dict[str, gr.Button]
    pick: gr.Dropdown
    reports: gr.Dropdown
    reported: gr.HTML
    system: gr.Textbox
    packed: gr.File
    bring_in: gr.Button
    inputs: dict[str, Any]
    preview: gr.HTML
    create: dict[str, gr.Button]


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
                kept = {**keeping_part(), **rivals_part()}
            with gr.Tab("New study"):
                inputs, preview, create = creating_part(services.tuned.guidance_scale, services.checkpoints.names)
        parts = Parts(key, gr.State(0), **kept, inputs=inputs, preview=preview, create=create)
    wire(Keeping(services), parts)
    return parts.changed


class Keeping:
    """What the panel's events do. Each asks for the key first."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def allowed(self, request: gr.Request, key: str) -> str:
        """Who this administrator is as a visitor."""
        if not self.services.identity.is_admin(request, key):
            raise gr.Error("only the administrator of this studio can do this; give the key", print_exception=False)
        return self.services.identity.owner(request) or study_admin.KEEPER

    def show(self, request: gr.Request, key: str) -> list[Any]:
        self.allowed(request, key)
        studies = kept_studies(self.services)
        choices = [(study.name, study.id) for study in studies]
        return [listing_html(self.services, studies, server_url(request)), gr.update(choices=choices)]

    def act(self, name: str) -> Any:
        def do(request: gr.Request, key: str, study_id: str | None, pairs: list[str]) -> None:
            self.allowed(request, key)
            gr.Success(escape(acted(self.services, name, study_id, pairs)))

        return do

    def show_reports(self, request: gr.Request, key: str, study_id: str | None) -> list[Any]:
        viewer = self.allowed(request, key)
        pairs = self.services.store.reported_pairs(study_id) if study_id else []
        choice = gr.update(choices=reported.choices(pairs), value=[], visible=bool(pairs))
        return [choice, reported.reported_html(self.services, pairs, viewer)]

    def bring(self, request: gr.Request, key: str, study_id: str | None, system: str, packed: bytes | None) -> None:
        self.allowed(request, key)
        gr.Success(escape(brought(self.services, study_id, system, packed)))

    def plan(self, request: gr.Request, key: str, values: Mapping[str, Any]) -> str:
        self.allowed(request, key)
        try:
            return preview_html(self.services, form_from(values))
        except ValueError as error:
            raise refuse(error) from error

    def make(self, request: gr.Request, key: str, values: Mapping[str, Any]) -> None:
        owner = self.allowed(request, key)
        try:
            study = study_admin.create(self.services, form_from(values), owner)
        except (ValueError, TypeError) as error:
            raise refuse(error) from error
        gr.Success(f"{escape(study.name)}: its pictures are queued. Open it under Keep when they are drawn.")


def wire(keeping: Keeping, parts: Parts) -> None:
    key, pick, actions, changed = parts.key, parts.pick, parts.actions, parts.changed

    def plan(request: gr.Request, key: str, *values: Any) -> str:
        return keeping.plan(request, key, dict(zip(parts.inputs, values, strict=True)))

    def make(request: gr.Request, key: str, count: int, *values: Any) -> int:
        keeping.make(request, key, dict(zip(parts.inputs, values, strict=True)))
        return count + 1

    reporting = {
        "fn": keeping.show_reports,
        "inputs": [key, pick],
        "outputs": [parts.reports, parts.reported],
        **PRIVATE,
    }
    pick.change(**reporting).then(lambda: gr.update(visible=False), None, actions["close"], **PRIVATE)
    actions["ask-close"].click(lambda: gr.update(visible=True), None, actions["close"], **PRIVATE, queue=False)
    listed = {"fn": keeping.show, "inputs": [key], "outputs": [parts.listing, pick], **PRIVATE}
    actions["refresh"].click(**listed)
    key.submit(**listed)
    for name in ACTIONS:
        done = actions[name].click(keeping.act(name), [key, pick, parts.reports], None, **PRIVATE).success(**listed)
        done.success(**reporting).then(
            lambda n: (n + 1, gr.update(visible=False)), changed, [changed, actions["close"]], **PRIVATE
        )
    parts.bring_in.click(keeping.bring, [key, pick, parts.system, parts.packed], None, **PRIVATE).success(**listed)
    inputs = list(parts.inputs.values())
    parts.create["plan"].click(plan, [key, *inputs], parts.preview, **PRIVATE)
    parts.create["make"].click(make, [key, changed, *inputs], changed, **PRIVATE).success(**listed)


def keeping_part() -> dict[str, Any]:
    """The list, the buttons, the chosen study, and its reported pairs with their pictures."""
    listing = gr.HTML('<p class="fine">Give the key and press Refresh.</p>', elem_id="study-list")
    pick = gr.Dropdown([], label="Study", elem_id="study-pick")
    with gr.Row():
        actions = {"refresh": gr.Button("Refresh", size="sm", elem_id="study-refresh")}
        for name, title in ACTIONS.items():
            if name == "close":  # nothing undoes it
                actions["ask-close"] = gr.Button("Close for ever …", size="sm", elem_id="study-ask-close")
            actions[name] = gr.Button(
                title,
                size="sm",
                elem_id=f"study-{name}",
                variant="stop" if name == "close" else "secondary",
                visible=name != "close",
            )
    reports = gr.Dropdown(
        [], multiselect=True, visible=False, label="Reported pairs to offer again (none: all)", elem_id="study-reports"
    )
    shown = gr.HTML(elem_id="study-reported")
    return {"listing": listing, "actions": actions, "pick": pick, "reports": reports, "reported": shown}


def rivals_part() -> dict[str, Any]:
    """Name and pictures of another system, and the button."""
    with gr.Accordion("Bring in another system's pictures", open=False, elem_id="study-rivals"):
        gr.HTML(RIVALS_TEXT)
        with gr.Row():
            system = gr.Textbox(label="What the other system is called", max_length=60, elem_id="rival-system")
            packed = gr.File(label="Zip", file_types=[".zip"], type="binary", height=150, elem_id="rival-zip")
        button = gr.Button("Bring in", size="sm", elem_id="rival-bring")
    return {"system": system, "packed": packed, "bring_in": button}


def brought(services: Services, study_id: str | None, system: str, packed: bytes | None) -> str:
    """Bring in what was uploaded; the sentence to show."""
    try:
        if not study_id or not packed:
            raise ValueError("pick a study and give a zip first")
        study = services.store.get_study(study_id)
        pairs = study_rivals.bring_in_zip(services, study, system or "", packed)
    except ValueError as error:
        raise refuse(error) from error
    return f"{study.name}: {pairs} pairs against {system.strip()}"


def acted(services: Services, name: str, study_id: str | None, pairs: Sequence[str] = ()) -> str:
    """Do one of ACTIONS; the sentence to show. pairs: which of those reported are offered again; all where none is named."""
    try:
        if not study_id:
            raise ValueError("pick a study first")
        study = services.store.get_study(study_id)
        if name == "hold":
            hold(services, study, study.owner or "")
        elif name == "go-on":
            queue(services, study, study.owner or "")
        elif name == "sweep":
            done = sweep(services, study)
            return f"{done.risky} of {done.raters} raters are risky: {done.excluded} votes set aside, {done.lifted} counted again."
        elif name == "restore":
            return restored_text(services.store.restore_broken(study.id, pairs))
        else:
            study = study_admin.moved(services, study, name)
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
        chips = f'<a class="chip" data-copy href="{escape(link)}">Copy invite link</a>'
        for kind in (download.VOTES, download.REPORT):
            chips += f' <a class="chip" download href="{escape(download.link(services, study.id, kind))}">Download {kind}</a>'
        cells = [study_admin.crossing_text(study), study_admin.status_text(services, study), frozen]
        rows.append(f"<tr><td>{escape(study.name)}<td>{chips}{''.join(f'<td>{escape(cell)}' for cell in cells)}</tr>")
    head = "<tr><th>Study<th>Links<th>Compared<th>State<th>Contrasts frozen</tr>"
    return f'<div class="scroll"><table class="numbers">{head}{"".join(rows)}</table></div>'
