"""What the figures share: colours, names, labels above rows, marks with intervals.

Every figure (`*_plot.py` beside this file) is data frame -> plotly figure, nothing else. Colours of text and grid come
from the page (app/components/plotly_html.py). The custom data of a mark names the pictures behind it
(app/results/pictures.py).
"""

import textwrap
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from app.study.design import setting_label
from app.study.votes import FACTORS

COLOURS = {"alignment": "#6366f1", "appearance": "#0d9488", "flaws": "#d97706"}
NAMES = {"alignment": "Text alignment", "appearance": "Visual appearance", "flaws": "Fewer flaws"}
# White text can be read on all of it, and all of it on dark.
WORSE_TO_BETTER = [[0, "#b45309"], [0.5, "#64748b"], [1, "#4f46e5"]]
MUTED = "rgba(128, 138, 158, .55)"
ROW_CHARACTERS, TICK_CHARACTERS = 46, 15  # of a line of a name on a phone, in the width of a plot and beside an axis
LEGEND_ABOVE = {"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0}


def broken(name: object, characters: int) -> str:
    """A long name, such as that of a schedule of five points, in lines that fit."""
    return "<br>".join(textwrap.wrap(str(name), characters, break_on_hyphens=False))


def row_px(labels, least: int) -> int:
    """Height of a row whose label may take more than a line."""
    lines = max((broken(label, ROW_CHARACTERS).count("<br>") for label in labels), default=0)
    return least + 20 * lines


def label_rows(figure: go.Figure, labels, positions, words=()) -> None:
    """Names above their rows instead of beside them, so that phones keep the width for the data. words: other annotations."""
    shared = {
        "xref": "paper",
        "x": 0,
        "yref": "y",
        "xanchor": "left",
        "yanchor": "middle",
        "showarrow": False,
        "font": {"size": 12},
        "align": "left",
        "bgcolor": "white",  # lines run behind the words; a page puts its own colour
    }
    names = [{"text": broken(each, ROW_CHARACTERS), "y": y + 0.46, **shared} for each, y in zip(labels, positions)]
    figure.update_layout(annotations=[*names, *words])
    low, high = min(positions, default=0), max(positions, default=0)
    figure.update_yaxes(
        range=[low - 0.5, high + 0.65], showticklabels=False, showgrid=False, zeroline=False, type="linear"
    )


def intervals(
    rows: pd.DataFrame,
    value: str,
    x: Sequence,
    y: Sequence,
    *,
    along: str,
    name: str,
    colour: str,
    text: Sequence[str],
    marks: Sequence[str] | None = None,
    symbol: Sequence[str] | str = "circle",
) -> go.Scatter:
    """Marks at x, y with bars from `low` to `high` around `value`, along "x" or "y"."""
    bar = {
        "type": "data",
        "array": rows["high"] - rows[value],
        "arrayminus": rows[value] - rows["low"],
        "thickness": 1.4,
        "width": 3,
        "color": colour,
    }
    return go.Scatter(
        x=x,
        y=y,
        mode="markers",
        name=name,
        text=text,
        hoverinfo="text",
        customdata=marks,
        marker={"size": 9, "color": colour, "symbol": symbol},
        **{f"error_{along}": bar},
    )


def labels_of(costs: pd.DataFrame) -> list[str]:
    return [setting_label(*levels) for levels in zip(*(costs[factor] for factor in FACTORS))]


def short_names(costs: pd.DataFrame) -> list[str]:
    """Such as "s=2, half-linear 3": what differs between these settings, for a legend."""
    varied = [factor for factor in FACTORS if costs[factor].nunique() > 1]
    named = ([f"s={level}" if factor == "window" else str(level) for level in costs[factor]] for factor in varied)
    return [", ".join(levels) for levels in zip(*named)] or labels_of(costs)  # a single one


def setting_text(label: str, row, cost: str, unit: str) -> str:
    """What a mark of a setting says: its rating with interval, its cost, its n."""
    votes = f"n = {row.n} votes" if row.n else "predicted: n = 0 votes"
    return (
        f"{label}<br>{row.rating:+.2f} {interval_text(row.low, row.high)}<br>"
        f"{getattr(row, cost):.3g} {unit} (median of {row.pictures} pictures)<br>{votes}"
    )


def interval_text(low: float, high: float) -> str:
    """Bounds in log-odds; too few raters or prompts leave none."""
    return "no interval yet" if pd.isna(low) else f"[{low:+.2f}, {high:+.2f}]"


def beside(names: Sequence[str], rows: Sequence[str], number: int, count: int) -> list[float]:
    """Heights of the marks of series `number` of `count` in their rows, the first row on top, under its label."""
    return [len(rows) - 1 - rows.index(name) - 0.05 - (number - (count - 1) / 2) * 0.18 for name in names]
