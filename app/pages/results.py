"""Results: what people prefer, at what cost, and how sure we are."""

from typing import Any

import gradio as gr

from app.components.heading import heading
from app.components.plotly_html import PlotlyFigure
from app.results import pictures as behind
from app.results import view as results_view
from app.results.text import note
from app.results.view import ALL_CRITERIA, COSTS, Wish
from app.services import Services
from app.studies import cache as study_cache
from app.studies import panel as study_panel
from app.study.votes import FACTORS

PRIVATE = {"show_progress": "hidden", "api_visibility": "private"}
FIGURES = {  # name -> heading, description for screen readers
    "forest": (
        "Effect of each setting\nThin lines: 95 % intervals clustered by prompt and rater. Pale bars: what votes treated as independent would claim.",
        "Effect of each setting on preference, with intervals",
    ),
    "wins": (
        "Who wins against whom\nFirst chosen criterion; ties count half; intervals treat votes as independent.",
        "Share of votes won, level against level",
    ),
    "pareto": (
        "Preference and cost\nFirst chosen criterion; hollow: a combination that nobody rated, predicted, hence wide.",
        "Rating against measured cost, with the Pareto front",
    ),
    "acceptability": (
        "Good enough?\nAmong the ties: how often both were called good.",
        "Share of both good among ties",
    ),
    "schedules": (
        "Shapes of guidance\nEach schedule's weights, coloured by its rating.",
        "Guidance schedules coloured by rating",
    ),
    "parallel": ("All settings at once", "Settings, cost and rating as parallel coordinates"),
    "coverage": ("Coverage of the design", "Ratings of every contrast"),
    "reliability": ("Agreement of raters\nPairs with at least two raters.", "Agreement measures with intervals"),
    "flaws": (
        "Where flaws were marked\nShare of codes inside a mark, interval clustered by picture; flat means anywhere.",
        "Flaw rate by place in the window, height and guidance",
    ),
    "conflicts": (
        "Where criteria disagree\nLooks that chose one picture under one criterion and the other under another.",
        "Share of looks in which two criteria chose different pictures, by contrast",
    ),
    "timeline": ("Votes over time", "Votes a day"),
}
ROWS = (
    ("forest",),
    ("wins", "pareto"),
    ("acceptability", "schedules"),
    ("parallel",),
    ("flaws",),
    ("coverage", "reliability"),
    ("conflicts", "timeline"),
)


def build(services: Services) -> gr.Blocks:
    """One filter bar drives everything below it; the link that it shows restores the view."""
    with gr.Blocks(title="Results · Token-Shuffle Studio", fill_width=True, analytics_enabled=False) as page:
        token = gr.BrowserState("", storage_key="studio-visitor", secret=services.identity.browser_key)
        heading("Results")
        filters = filter_bar()
        link = gr.HTML(elem_id="results-link")
        summary = gr.HTML(elem_id="results-summary")
        figures, notes, texts = panels()
        changed = study_panel.build(services)
        outputs = [link, summary, *texts[:3], *figures.values(), *notes.values()]
        wire(services, page, token, filters, outputs, figures, texts[3])
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
            ["window"], value="window", label="Wins by", elem_id="results-factor", scale=2, min_width=130
        )
        cost = gr.Dropdown(list(COSTS), value="seconds", label="Cost", elem_id="results-cost", scale=2, min_width=130)
    with gr.Accordion("What if: switch exclusions", open=False, elem_id="results-what-if"), gr.Row():
        lifted = gr.Dropdown(
            [], multiselect=True, label="Count again what these rules set aside", elem_id="results-lifted"
        )
        dropped = gr.Dropdown([], multiselect=True, label="Leave these raters out", elem_id="results-dropped")
    return [study, criteria, factor, cost, lifted, dropped]


def panels() -> tuple[dict[str, Any], dict[str, Any], list[Any]]:
    """Figures, the notes under them, and texts: verdicts, quality, audit, pictures."""
    figures, notes, pictures = {}, {}, None
    texts: list[Any] = []
    for row in ROWS:
        with gr.Row():
            for name in row:
                with gr.Column(min_width=320):
                    title, description = FIGURES[name]
                    gr.Markdown(f"## {title}", elem_classes="plot-heading")
                    figures[name] = PlotlyFigure(elem_id=f"plot-{name}", description=description)
                    notes[name] = gr.HTML(elem_id=f"note-{name}")
                    if name == "reliability":
                        texts.append(gr.HTML(elem_id="results-quality"))
        if row == ("forest",):
            pictures = gr.HTML(
                '<p class="fine">Click a mark to see the pictures behind it.</p>', elem_id="results-pictures"
            )
            with gr.Accordion("The same in numbers", open=False, elem_id="results-numbers"):
                texts.append(gr.HTML(elem_id="results-verdicts"))
    with gr.Accordion("Votes that were set aside", open=False):
        texts.append(gr.HTML(elem_id="results-audit"))
    return figures, notes, [*texts, pictures]


def wire(
    services: Services,
    page: gr.Blocks,
    token: Any,
    filters: list[Any],
    outputs: list[Any],
    figures: dict[str, Any],
    pictures: Any,
) -> None:
    def arrive(request: gr.Request, visitor: str) -> list[Any]:
        wish = results_view.wish_from(services, dict(request.query_params))
        return [*filter_updates(services, wish), *shown(services, request, visitor, wish)]

    def other_study(
        request: gr.Request, visitor: str, study: str, criteria: list[str], factor: str, cost: str, *_: Any
    ) -> list[Any]:
        wish = Wish(study, criteria, factor if factor in results_view.factors_of(services, study) else "window", cost)
        return [*filter_updates(services, wish)[2:], *shown(services, request, visitor, wish)]

    def refresh(request: gr.Request, visitor: str, *values: Any) -> list[Any]:
        return shown(services, request, visitor, Wish(*values))

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
    for name in ("forest", "wins", "pareto"):
        figures[name].plot_click(show_pictures(name), [token, *filters], pictures, **PRIVATE)


def filter_updates(services: Services, wish: Wish) -> list[Any]:
    rules, raters = results_view.suppositions(services, wish.study) if wish.study else ([], [])
    return [
        gr.update(choices=results_view.studies(services, wish.study), value=wish.study),
        wish.criteria,
        gr.update(choices=results_view.factors_of(services, wish.study), value=wish.factor),
        wish.cost,
        gr.update(choices=rules, value=list(wish.lifted)),
        gr.update(choices=raters, value=list(wish.dropped)),
    ]


def shown(services: Services, request: gr.Request, visitor: str, wish: Wish) -> list[Any]:
    """Values of all outputs; without a study an empty state."""
    if not wish.study:
        empty = note("No study yet. Its results will be drawn here, with their intervals.")
        return ["", empty, "", "", "", *[None] * len(FIGURES), *[""] * len(FIGURES)]
    found = results_view.view(services, wish, services.identity.owner(request, visitor))
    link = f'<p class="links"><a class="chip" data-copy href="{wish.link()}">Copy link to this view</a></p>'
    return [
        link,
        found.summary,
        found.verdicts,
        found.quality,
        found.audit,
        *[found.figures.get(name) for row in ROWS for name in row],
        *[found.notes.get(name, "") for row in ROWS for name in row],
    ]


def pictures_behind(services: Services, wish: Wish, name: str, event: Any, owner: str | None) -> str:
    """The pairs of a clicked mark. What the browser sends names a mark; anything else names nothing."""
    study = services.store.get_study(wish.study)
    if results_view.held_back(services, study, owner):
        return note("You are rating this study. Its pictures open when your sitting is done.")
    found = study_cache.material(services, study.id)
    votes = study_cache.supposed(found, tuple(wish.lifted), tuple(wish.dropped))
    mark = str(getattr(event, "customdata", "") or "")[:200]
    if name == "forest":
        return behind.pairs_html(services, mark, behind.pairs_of_term(found.pairs, mark), votes, owner)
    if name == "pareto":
        return behind.pairs_html(services, mark, behind.pairs_of_setting(found.pairs, mark), votes, owner)
    x, y = (str(getattr(event, axis, ""))[:100] for axis in ("x", "y"))
    factor = wish.factor if wish.factor in FACTORS else "window"
    return behind.pairs_html(
        services, f"{factor} {y} against {x}", behind.pairs_of_levels(found.pairs, factor, y, x), votes, owner
    )
