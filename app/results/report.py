"""A study as one folder: report.html with its figures, methods.md, and the votes as Parquet. One command makes it again."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from app.assets import text_of
from app.components.plotly_html import PLOTLY_SCRIPT
from app.results import plots
from app.results import view as results_view
from app.results.figures import FIGURES, SECTIONS
from app.results.view import Wish
from app.services import Services
from app.studies import admin as study_admin
from app.studies import cache as study_cache
from app.study.design import CONTROL_KINDS
from app.study.power import Power
from app.study.risk import EXCLUDE_AT
from app.study.stopping import ALPHA, LOOKS, TARGET_EFFECT
from storage import exports
from storage.records import Study

STYLE = """
:root { color-scheme: light dark; --body-text-color-subdued: #64748b; --border-color-primary: #cbd5e1; --block-background-fill: transparent; }
body { max-width: 1080px; margin: 24px auto; padding: 0 16px; font: 15px/1.5 system-ui, sans-serif; } pre { white-space: pre-wrap; }
"""


def write_report(services: Services, study: Study, folder: Path) -> Path:
    """Write the report into a folder; returns the page. The page needs nothing from anywhere else."""
    folder.mkdir(parents=True, exist_ok=True)
    view = results_view.view(services, Wish(study.id), study_cache.material(services, study.id), None)
    methods = methods_card(services, study)
    (folder / "methods.md").write_text(methods, encoding="utf-8")
    tables = [table for table in exports.study_tables(services.store, study.id) if table.name in ("long", "arena")]
    exports.write(tables, folder, "parquet")
    parts = []
    for title, rows in SECTIONS.items():
        drawn = "".join(figure_html(name, view) for row in rows for name in row)
        floor = view.floor if drawn and title != list(SECTIONS)[-1] else ""
        parts += [f"<h2>{escape(title)}</h2>{drawn}{floor}"] if drawn else []
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(study.name)}</title>'
        f"<style>{STYLE}{text_of('results.css')}</style><script>{PLOTLY_SCRIPT.read_text(encoding='utf-8')}</script><h1>{escape(study.name)}</h1>"
        f"{view.summary}{''.join(parts)}{view.missing}<h2>In numbers</h2>{view.verdicts}{view.quality}<h2>Votes that were set aside</h2>{view.audit}"
        f"<h2>Methods</h2><pre>{escape(methods)}</pre></html>"
    )
    target = folder / "report.html"
    target.write_text(page, encoding="utf-8")
    return target


def figure_html(name: str, view: results_view.View) -> str:
    """A figure with its heading; "" where there is nothing to draw."""
    figure = view.figures.get(name)
    if figure is None:
        return ""
    title, _, words = FIGURES[name][0].partition("\n")
    drawn = figure.update_layout(template="plotly_white").to_html(full_html=False, include_plotlyjs=False)
    return f"<h3>{escape(title)}</h3><p>{escape(words)}</p>{drawn}{view.power if name == 'forest' else ''}"


def methods_card(services: Services, study: Study) -> str:
    """What one must know to judge the numbers, in words."""
    found, power = study_cache.material(services, study.id), Power()
    votes = found.votes
    kept = votes[votes["excluded"].isna()]
    numerics = sorted({g.numerics_id for g in services.store.study_generations(study.id) if g.source == "model"})
    lines = [
        f"# {study.name}: methods",
        f"- Written {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC from a database with {len(votes)} votes, the last {votes['vote'].max() if len(votes) else 'none'}.",
        f"- Compared: {study_admin.crossing_text(study)}. Prompts: {len(study.prompts)}. Pairs: {pairs_text(found.pairs)}.",
        f"- Pictures drawn with: {', '.join(numerics) or 'none'}.",
        f"- Criteria: {', '.join(plots.NAMES[name] for name in study.criteria)}. Raters per pair: up to {study.raters_per_pair}.",
        f"- Votes kept: {len(kept)} of {kept['rater'].nunique()} raters; set aside: {len(votes) - len(kept)} (risk score from {EXCLUDE_AT:g}; see the audit).",
        f"- Primary contrasts, frozen {study.frozen_at or 'not yet'}: {', '.join(map(str, study.contrasts)) or 'none'}; {LOOKS} looks share {ALPHA:.0%}. All else is exploratory, under false-discovery control within each criterion (Benjamini–Hochberg), not across the criteria.",
        f"- Planned effect {TARGET_EFFECT:g} log-odds, about {power.votes_needed()} votes a contrast and criterion ({power.tie_share:.0%} ties, design effect {power.design_effect:g} assumed).",
        f"- {practice_text(services, study)}",
        "- Rating model: Davidson ties, factors and pairwise interactions, weak prior; intervals clustered by prompt and rater, t quantiles.",
        f"- Training of the windows: {training_text(study.plan.get('trained_cells') or [])}.",
        "- Raters are volunteers without screening beyond the controls; results speak for prompts like these.",
    ]
    return "\n".join(lines) + "\n"


def pairs_text(pairs: pd.DataFrame) -> str:
    kinds = pairs["kind"].value_counts()
    controls, free = int(kinds.reindex(CONTROL_KINDS, fill_value=0).sum()), int(kinds.get("free", 0))
    others = f", pairs that differ in more than one setting or in the system {free}" if free else ""
    return f"{len(pairs)}, of which controls {controls}{others}"


def training_text(cells: Sequence[Mapping[str, Any]]) -> str:
    """ "512 px, s=2: 377,912 samples, held-out loss 0.157; …" """
    parts = []
    for cell in cells:
        whose = f"{cell['checkpoint']}, " if "checkpoint" in cell else ""
        size = cell.get("size", round(cell["max_pixels"] ** 0.5))
        known = (
            f"{cell['samples']:,} samples, held-out loss {cell['loss']}"
            if {"samples", "loss"} <= set(cell)
            else "how long is not recorded"
        )
        parts.append(f"{whose}{size} px, s={cell['window']}: {known}")
    return "; ".join(parts) or "not recorded"


def practice_text(services: Services, study: Study) -> str:
    """How the raters of the study did before their first pair."""
    tries = [
        kept["right_at_once"] for rater in services.store.list_raters(study.id) for kept in rater.practice.values()
    ]
    done = f"{sum(tries)} of {len(tries)} were answered right at the first try" if tries else "nobody has practised yet"
    return f"Practice: one plain pair a criterion with an explanation, before the first pair that counts; {done}."
