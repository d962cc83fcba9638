"""Results: what people prefer, at what cost, and how sure we are."""

from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from app.components.heading import heading
from app.components.plotly_html import PlotlyFigure
from app.components.visitor import visitor_token
from app.results import pictures as behind
from app.results import view as results_view
from app.results.figures import FIGURES, SECTION_OF, SECTIONS
from app.results.text import note
from app.results.view import ALL_CRITERIA, COSTS, View, Wish
from app.services import Services
from app.studies import cache as study_cache
from app.studies import panel as study_panel
from app.studies.cache import Material
from app.visit import PRIVATE

HINT = '<p class="fine">Click a mark to see the pictures behind it.</p>'


@dataclass(frozen=True)
class Panels:
    """What the filter bar drives: texts and figures by name, the columns around figures, and by section its container, the
    noise floor under its results and the pictures behind the mark that was clicked last."""

    texts: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, Any] = field(default_factory=dict)
    sections: dict[str, Any] = field(default_factory=dict)
    floors: dict[str, Any] = field(default_factory=dict)
    pictures: dict[str, Any] = field(default_factory=dict)

    def components(self) -> list[Any]:
        return [part for parts in vars(self).values() for part in parts.values()]

    def values(self, view: View, link: str = "") -> dict[Any, Any]:
        """Component -> what it shows; whatever has nothing to show is hidden, and pictures of an earlier view go."""
        drawn = {name for name in FIGURES if view.figures.get(name) is not None}
        texts = {name: link if name == "link" else getattr(view, name) for name in self.texts}
        return {
            **{self.texts[name]: text for name, text in texts.items()},
            **{part: view.figures.get(name) for name, part in self.figures.items()},
            **{part: gr.update(visible=name in drawn) for name, part in self.columns.items()},
            **{part: gr.update(visible=title in map(SECTION_OF.get, drawn)) for title, part in self.sections.items()},
            **dict.fromkeys(self.floors.values(), view.floor),
            **{part: HINT if title == SECTION_OF["forest"] else "" for title, part in self.pictures.items()},
        }


def build(services: Services) -> gr.Blocks:
    """One filter bar drives everything below it; the link that it shows restores the view."""
    with gr.Blocks(title="Results · Token-Shuffle Studio", fill_width=True, analytics_enabled=False) as page:
        token = visitor_token(services)
        heading("Results")
        filters = filter_bar()
        panels = build_panels()
        changed = study_panel.build(services)
        wire(services, page, token, filters, panels)
        if changed is not None:
            changed.change(
                lambda chosen: gr.update(choices=results_view.studies(services, chosen)),
                filters[0],
                filters[0],
                **PRIVATE,
            )
    return page


def filter_bar() -> list[Any]:
    """In the order of `Wish`."""
    with gr.Row(elem_id="results-filters"):
        study = gr.Dropdown([], label="Study", elem_id="results-study", scale=3, min_width=200)
        criteria = gr.CheckboxGroup(
            ALL_CRITERIA,
            value=[v for _, v in ALL_CRITERIA],
            label="Criteria",
            elem_id="results-criteria",
            scale=4,
            min_width=260,
        )
        factor = gr.Dropdown(
            ["window"], value="window", label="Setting compared", elem_id="results-factor", scale=2, min_width=130
        )
        cost = gr.Dropdown(list(COSTS), value="seconds", label="Cost", elem_id="results-cost", scale=2, min_width=130)
    with gr.Accordion("What if: switch exclusions", open=False, elem_id="results-what-if"), gr.Row():
        lifted = gr.Dropdown(
            [], multiselect=True, label="Count again what these rules set aside", elem_id="results-lifted"
        )
        dropped = gr.Dropdown([], multiselect=True, label="Leave these raters out", elem_id="results-dropped")
    return [study, criteria, factor, cost, lifted, dropped]


def build_panels() -> Panels:
    panels = Panels()
    for name in ("link", "summary"):
        panels.texts[name] = gr.HTML(elem_id=f"results-{name}")
    for title, rows in SECTIONS.items():
        with gr.Column(visible=False) as panels.sections[title]:
            gr.Markdown(f"## {title}")
            for row in rows:
                with gr.Row():
                    for name in row:
                        build_figure(panels, name)
            section_end(panels, title)
    panels.texts["missing"] = gr.HTML(elem_id="results-missing")
    with gr.Accordion("Votes that were set aside", open=False):
        panels.texts["audit"] = gr.HTML(elem_id="results-audit")
    return panels


def build_figure(panels: Panels, name: str) -> None:
    title, description = FIGURES[name]
    with gr.Column(min_width=320, visible=False) as panels.columns[name]:
        gr.Markdown(f"### {title}", elem_classes="plot-heading")
        panels.figures[name] = PlotlyFigure(elem_id=f"plot-{name}", description=description)
        if name == "forest":
            panels.texts["power"] = gr.HTML(elem_id="results-power")
            with gr.Accordion("The same in numbers", open=False, elem_id="results-numbers"):
                panels.texts["verdicts"] = gr.HTML(elem_id="results-verdicts")


def section_end(panels: Panels, title: str) -> None:
    """What stands once under the figures of a section."""
    last = title == list(SECTIONS)[-1]
    if last:
        panels.texts["quality"] = gr.HTML(elem_id="results-quality")
    else:
        panels.floors[title] = gr.HTML(elem_classes="noise-floor")
    panels.pictures[title] = gr.HTML(elem_id=f"pictures-{list(SECTIONS).index(title)}")


def wire(services: Services, page: gr.Blocks, token: Any, filters: list[Any], panels: Panels) -> None:
    outputs = panels.components()

    def arrive(request: gr.Request, visitor: str) -> dict[Any, Any]:
        query = dict(request.query_params)
        study = results_view.study_from(services, query)
        found = material(services, study)
        wish = results_view.wish_from(study, found, query)
        updates = dict(zip(filters, filter_updates(services, wish, found)))
        return {**updates, **shown(services, request, visitor, wish, found, panels)}

    def other_study(
        request: gr.Request, visitor: str, study: str, criteria: list[str], factor: str, cost: str, *_: Any
    ) -> dict[Any, Any]:
        found = material(services, study)
        wish = Wish(study, criteria, factor if factor in results_view.factors_of(found) else "window", cost)
        updates = dict(list(zip(filters, filter_updates(services, wish, found)))[2:])
        return {**updates, **shown(services, request, visitor, wish, found, panels)}

    def refresh(request: gr.Request, visitor: str, *values: Any) -> dict[Any, Any]:
        wish = Wish(*values)
        return shown(services, request, visitor, wish, material(services, wish.study), panels)

    def show_pictures(name: str) -> Any:
        def show(event: gr.EventData, request: gr.Request, visitor: str, *values: Any) -> str:
            owner = services.identity.owner(request, visitor)
            return pictures_behind(services, Wish(*values), name, event, owner)

        return show

    page.load(arrive, token, [*filters, *outputs], **PRIVATE)
    filters[0].input(other_study, [token, *filters], [*filters[2:], *outputs], **PRIVATE)
    gr.on(
        [part.input for part in filters[1:]], refresh, [token, *filters], outputs, trigger_mode="always_last", **PRIVATE
    )
    for name in (*behind.PAIRS_OF_MARK, *behind.PAIRS_OF_VOTES, "flaws"):
        pictures = panels.pictures[SECTION_OF[name]]
        clicked = panels.figures[name].plot_click(show_pictures(name), [token, *filters], pictures, **PRIVATE)
        clicked.success(None, None, None, js=scroll_to(pictures.elem_id))


def scroll_to(element: str) -> str:
    """Script that brings an element into view once its new content is there."""
    look = f"document.getElementById('{element}').scrollIntoView({{behavior: 'smooth', block: 'nearest'}})"
    return f"() => {{ setTimeout(() => {look}, 100); }}"


def material(services: Services, study_id: str | None) -> Material | None:
    return study_cache.material(services, study_id) if study_id else None


def filter_updates(services: Services, wish: Wish, found: Material | None) -> list[Any]:
    rules, raters = results_view.suppositions(found)
    return [
        gr.update(choices=results_view.studies(services, wish.study), value=wish.study),
        wish.criteria,
        gr.update(choices=results_view.factors_of(found), value=wish.factor),
        wish.cost,
        gr.update(choices=rules, value=list(wish.lifted)),
        gr.update(choices=raters, value=list(wish.dropped)),
    ]


def shown(
    services: Services, request: gr.Request, visitor: str, wish: Wish, found: Material | None, panels: Panels
) -> dict[Any, Any]:
    """Values of all outputs; without a study an empty state."""
    if found is None:
        return panels.values(View(note("No study yet. Its results will be drawn here, with their intervals.")))
    view = results_view.view(services, wish, found, services.identity.owner(request, visitor))
    link = f'<p class="links"><a class="chip" data-copy href="{wish.link()}">Copy link to this view</a></p>'
    return panels.values(view, link)


def pictures_behind(services: Services, wish: Wish, name: str, event: Any, owner: str | None) -> str:
    """The pictures of a clicked mark. What the browser sends names a mark; anything else names nothing."""
    study = services.store.get_study(wish.study)
    if results_view.held_back(services, study, owner):
        return note("You are rating this study. Its pictures open when your sitting is done.")
    found = study_cache.material(services, study.id)
    votes = results_view.votes_of(found, study, wish)
    mark = str(getattr(event, "customdata", "") or "")[:200]
    if name == "flaws":
        return behind.marked_html(services, mark, study.id, votes, owner)
    return behind.pairs_html(services, mark, behind.pairs_of(name, found.pairs, votes, mark), votes, owner)
