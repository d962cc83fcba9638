"""What the results page shows of one study, from the store to figures and safe HTML. No page code here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from urllib.parse import urlencode

import pandas as pd
import plotly.graph_objects as go

from app.arena import arena
from app.compare.plan import is_grid
from app.results import plots, preference_plot, votes_plot
from app.results.flaw_plot import flaws
from app.results.parallel_plot import parallel
from app.results.pictures import marked_pictures
from app.results.schedule_plot import schedule_curves
from app.results.text import (
    audit_html,
    missing_html,
    noise_text,
    note,
    power_text,
    quality,
    summarise,
    trained_text,
    verdict_table,
)
from app.services import Services
from app.studies import cache
from app.study import reliability as agree
from app.study import tables
from app.study.design import setting_levels
from app.study.flaws import flaw_rates
from app.study.ratings import Rating
from app.study.votes import CRITERIA, FACTORS, level_order
from storage.errors import WrongState
from storage.records import Study

COSTS = {  # name -> unit, where it comes from
    "seconds": ("s", "measured"),
    "steps": ("fused tokens", "counted"),
    "flops": ("TFLOP", "computed"),
    "memory": ("GiB", "measured"),
}
ALL_CRITERIA = [(plots.NAMES[name], name) for name in CRITERIA]


@dataclass(frozen=True)
class Wish:
    """The filter bar's values, in the order of the page's inputs. lifted, dropped: the supposition."""

    study: str | None
    criteria: Sequence[str] = tuple(CRITERIA)
    factor: str = "window"
    cost: str = "seconds"
    lifted: Sequence[str] = ()
    dropped: Sequence[str] = ()

    def link(self) -> str:
        """The address that restores this view."""
        values = {"study": self.study, "factor": self.factor, "cost": self.cost, "criteria": ",".join(self.criteria)}
        values |= {"lifted": ",".join(self.lifted), "dropped": ",".join(self.dropped)}
        return "/results?" + urlencode({key: value for key, value in values.items() if value})


@dataclass(frozen=True)
class View:
    """Everything on the page; None stands for a figure that there is nothing for, `missing` says why."""

    summary: str = ""
    power: str = ""
    floor: str = ""
    verdicts: str = ""
    quality: str = ""
    audit: str = ""
    missing: str = ""
    figures: Mapping[str, go.Figure | None] = field(default_factory=dict)


def studies(services: Services, linked: str | None = None) -> list[tuple[str, str]]:
    """(name, id) of the human studies that were opened, newest first: a draft has no pairs yet. A visitor's grid that is
    rated is shown to those who have its link."""
    opened = [study for study in services.store.list_studies() if study.opened_at]
    shown = [study for study in opened if not is_grid(study) or study.id == linked]
    return [(f"{study.name} ({study.state})", study.id) for study in shown]


def factors_of(found: cache.Material | None) -> list[str]:
    """What wins are shown by; the checkpoint only where the study varies it."""
    levels = found.coding.levels if found else {}
    return [factor for factor in FACTORS if factor != "checkpoint" or len(levels.get(factor, ())) > 1]


def held_back(services: Services, study: Study, owner: str | None) -> bool:
    """Whether this visitor is in the middle of rating: win shares would lead their answers."""
    return owner is not None and arena.in_sitting(services, study, owner)


def view(services: Services, wish: Wish, found: cache.Material, owner: str | None) -> View:
    """Read the votes once (`found`), filter them once, fit once a criterion, draw."""
    study = services.store.get_study(wish.study)
    if held_back(services, study, owner):
        return View(summary=note("You are rating this study. Its results open when your sitting is done."))
    votes = votes_of(found, study, wish)
    figures = {"coverage": votes_plot.coverage(tables.coverage_table(found.pairs, votes)) if len(found.pairs) else None}
    if votes.empty:
        return View(note("No votes yet. The design below shows what will be compared."), figures=figures)
    words = led(services, study, owner)
    supposition = (tuple(wish.lifted), tuple(wish.dropped))
    ratings = {name: cache.fitted(found, name, *supposition) for name in criteria_of(study, wish)}
    judged = pd.concat([judge(services, study, rating, real=not any(supposition)) for rating in ratings.values()])
    judged["capacity"] = judged["term"].map(tables.capacity(found.coding, found.pairs, study.raters_per_pair))
    judged["trained"] = trained_column(study, found, judged)
    flops = cache.flops_of(services, found) if wish.cost == "flops" else None
    figures |= draw(found, votes, next(iter(ratings.values())), wish, flops)
    agreement = pd.concat([cache.agreement(found, name, *supposition) for name in ratings])
    marked = marked_pictures(services, study.id, votes)
    figures |= {
        "forest": preference_plot.effect_forest(judged) if len(judged) else None,
        "reliability": votes_plot.reliability(agreement) if len(agreement) else None,
        "flaws": flaws(flaw_rates(marked)) if marked else None,
    }
    supposed = note("This is a supposition: some exclusions are switched.") if any(supposition) else ""
    return View(
        words + supposed + summarise(study, votes),
        power_html(votes, judged),
        f'<p class="fine">{escape(noise_text(votes))}</p>',
        verdict_table(judged),
        quality(votes, ratings),
        audit_html(services.store.exclusions(study.id), services.store.flaws(study.id)),
        missing_html(reason for name, reason in reasons(wish).items() if figures.get(name) is None),
        figures,
    )


def criteria_of(study: Study, wish: Wish) -> list[str]:
    """The chosen criteria of the study; all of them where none is chosen."""
    return [name for name in study.criteria if name in wish.criteria] or list(study.criteria)


def votes_of(found: cache.Material, study: Study, wish: Wish) -> pd.DataFrame:
    """The votes that the filter bar lets through: everything on the page is derived from them."""
    votes = cache.supposed(found, tuple(wish.lifted), tuple(wish.dropped))
    return cache.of_criteria(votes, criteria_of(study, wish))


def led(services: Services, study: Study, owner: str | None) -> str:
    """Write down that this visitor sees the results, which would lead later answers; the sentence that says so."""
    if owner is None or study.state == "closed":
        return ""
    services.store.note_reading(study.id, arena.rater_of(services, owner).id)
    said = "You have seen results of this study now. Answers that you give to it from here on are kept, but set aside."
    return f'<p class="fine">{said}</p>'


def draw(
    found: cache.Material, votes: pd.DataFrame, rating: Rating, wish: Wish, flops: Mapping[tuple, float] | None
) -> dict[str, go.Figure | None]:
    """Figures of the first chosen criterion, and those of all that need no fit."""
    wins = tables.win_table(votes, rating.criterion, wish.factor)
    levels = level_order([*wins["row"], *wins["column"]])
    costs = tables.rated_costs(rating, found.pairs, votes, wish.cost, flops)
    unit, source = COSTS[wish.cost]
    shapes = {setting_levels(values)["schedule"]: values for values in found.settings}
    by_schedule = tables.schedule_ratings(costs, votes, rating.criterion) if costs["schedule"].nunique() > 1 else None
    accepted, disagreement = agree.acceptability(votes, wish.factor), tables.conflicts(votes)
    days = tables.timeline(votes)
    return {
        "wins": preference_plot.win_matrix(wins, levels, wish.factor) if len(wins) else None,
        "pareto": preference_plot.pareto(costs, wish.cost, unit, source, rating.criterion) if len(costs) else None,
        "acceptability": preference_plot.acceptability(accepted, wish.factor) if len(accepted) else None,
        "schedules": schedule_curves(by_schedule, shapes) if by_schedule is not None else None,
        "parallel": parallel(costs, wish.cost, unit) if len(costs) > 1 else None,
        "conflicts": votes_plot.conflicts(disagreement) if len(disagreement) else None,
        "timeline": votes_plot.timeline(days) if len(days) else None,
    }


def reasons(wish: Wish) -> dict[str, str]:
    """Why there is no such figure."""
    return {
        "forest": "Nothing varies between the rated pictures, so there is no effect to show.",
        "wins": f"No votes on pairs that differ in {wish.factor}.",
        "pareto": f"The {wish.cost} of these settings are not known here.",
        "acceptability": "No ties yet: nobody said both good or both bad.",
        "flaws": "No flaw was marked yet; raters mark them with the brush of the arena.",
        "conflicts": "No look chose a picture under two criteria.",
        "schedules": "Only one schedule was rated.",
        "parallel": "One rated setting has nothing to stand beside.",
        "reliability": "Agreement needs two pairs with two raters, and a fifth of all assignments on pairs of others.",
        "timeline": "Every vote was set aside.",
    }


def power_html(votes: pd.DataFrame, judged: pd.DataFrame) -> str:
    """What the forest plot has the power for, and how much each window was trained."""
    trained = dict.fromkeys(f"Training of {r.term}: {r.trained}." for r in judged.itertuples() if r.trained)
    few = "No clustered interval yet: it needs two raters and two prompts. " if judged["low"].isna().any() else ""
    return f'<p class="fine">{escape(" ".join([few + power_text(votes), *trained]))}</p>'


def trained_column(study: Study, found: cache.Material, judged: pd.DataFrame) -> list[str]:
    """Beside every window effect: how much each of its windows was trained, at the sizes of the study."""
    cells, sizes = study.plan.get("trained_cells"), found.coding.levels["resolution"]
    return [trained_text(cells, sizes, row.term, row.reference) for row in judged.itertuples()]


def judge(services: Services, study: Study, rating: Rating, real: bool = True) -> pd.DataFrame:
    """Verdicts of a rating; a look that is due at a primary contrast is taken now and written down, unless the votes
    are those of a supposition."""
    primary = [str(name) for name in study.contrasts]
    table = tables.verdicts(rating, primary, services.store.looks(study.id))
    for row in table[(table["claim"] == "primary") & table["boundary"].notna()].itertuples() if real else ():
        result = {
            "fraction": row.fraction,
            "estimate": row.estimate,
            "se": row.se,
            "boundary": row.boundary,
            "decided": row.decided,
        }
        try:
            services.store.record_look(study.id, row.term, rating.criterion, row.look, int(row.n), result)
        except WrongState:  # another reader took the same look a moment ago
            continue
    return table


def suppositions(found: cache.Material | None) -> tuple[list[str], list[tuple[str, str]]]:
    """What may be switched: the rules in force, and the raters as (name with n, id), most votes first."""
    if found is None:
        return [], []
    counts = found.votes.groupby("rater").size().sort_values(ascending=False, kind="stable")
    rules = sorted({rule for names in found.rules.values() for rule in names})
    return rules, [(f"rater {i + 1} (n = {n})", rater) for i, (rater, n) in enumerate(counts.head(200).items())]


def study_from(services: Services, query: Mapping[str, str]) -> str | None:
    """The study of the address, else the newest one with votes, else the newest."""
    known = [study_id for _, study_id in studies(services, query.get("study"))]
    if query.get("study") in known:
        return query["study"]
    return next((each for each in known if services.store.raters_of_pairs(each)), next(iter(known), None))


def wish_from(study: str | None, found: cache.Material | None, query: Mapping[str, str]) -> Wish:
    """The address of a view of this study, as far as it makes sense."""
    criteria = [name for name in query.get("criteria", "").split(",") if name in CRITERIA] or list(CRITERIA)
    factor = query.get("factor") if query.get("factor") in factors_of(found) else "window"
    cost = query.get("cost") if query.get("cost") in COSTS else "seconds"
    rules, raters = suppositions(found)
    lifted = [rule for rule in query.get("lifted", "").split(",") if rule in rules]
    ids = {rater for _, rater in raters}
    return Wish(
        study, criteria, factor, cost, lifted, [each for each in query.get("dropped", "").split(",") if each in ids]
    )
