"""All settings at once: parallel coordinates, one row a factor, a cost and the rating, so that phones keep the width."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from app.results.plots import MUTED, TICK_CHARACTERS, WORSE_TO_BETTER, label_rows, labels_of, setting_text
from app.study.votes import FACTORS, level_order


def parallel(costs: pd.DataFrame, cost: str, unit: str) -> go.Figure:
    """Every setting as a line from its factors over its cost to its rating; dashed where nobody rated it."""
    axes = {factor: costs[factor].astype(str) for factor in FACTORS if costs[factor].nunique() > 1}
    axes |= {f"{cost} ({unit})": costs[cost], "votes (n)": costs["n"]}
    if costs["low"].notna().all():
        axes["half the interval (±)"] = (costs["high"] - costs["low"]) / 2
    axes["rating against the reference"] = costs["rating"]
    rows = list(range(len(axes)))[::-1]
    scaled, ticks = zip(*(placed(values) for values in axes.values()))
    share = placed(costs["rating"])[0]
    lines = [
        go.Scatter(
            x=[each[number] for each in scaled],
            y=rows,
            mode="lines+markers",
            line={
                "width": 2,
                "dash": "solid" if setting.n else "dash",
                "color": sample_colorscale(WORSE_TO_BETTER, [float(share[number])])[0],
            },
            marker={"size": 7},
            text=[setting_text(label, setting, cost, unit)] * len(rows),
            hoverinfo="text",
            customdata=[label] * len(rows),
            name=label,
            showlegend=False,
        )
        for number, (label, setting) in enumerate(zip(labels_of(costs), costs.itertuples()))
    ]
    figure = go.Figure(lines)
    words = [tick(at, row, text) for row, marks in zip(rows, ticks) for at, text in marks.items()]
    label_rows(figure, list(axes), rows, words)
    rule = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "line": {"color": MUTED, "width": 1}, "layer": "below"}
    figure.update_layout(
        shapes=[{**rule, "y0": row, "y1": row} for row in rows],
        height=40 + 66 * len(axes),
        margin={"l": 16, "r": 16, "t": 8, "b": 20},
        xaxis={"range": [-0.03, 1.03], "showgrid": False, "zeroline": False, "showticklabels": False},
    )
    return figure


def tick(at: float, row: int, text: str) -> dict[str, object]:
    """A word under its place on an axis, inside the plot at both ends, whatever its width."""
    anchor = {0.0: "left", 1.0: "right"}.get(at, "center")
    look = {"showarrow": False, "font": {"size": 11}, "bgcolor": "white"}
    return {"x": at, "y": row, "yshift": -12, "text": shortened(text), "xanchor": anchor, **look}


def shortened(text: str) -> str:
    """Levels stand side by side; whoever points at a line reads the whole name."""
    return text if len(text) <= TICK_CHARACTERS else f"{text[: TICK_CHARACTERS - 1].rstrip()}…"


def placed(values: pd.Series) -> tuple[np.ndarray, dict[float, str]]:
    """(n,) positions from 0 to 1, and the texts of the axis at theirs: every level, or both ends of a range of numbers."""
    if not pd.api.types.is_numeric_dtype(values):
        levels = level_order(values)
        at = np.linspace(0, 1, len(levels))
        return at[[levels.index(value) for value in values]], dict(zip(at, levels))
    low, high = float(values.min()), float(values.max())
    if low == high:
        return np.full(len(values), 0.5), {0.5: f"{low:.3g}"}
    return ((values - low) / (high - low)).to_numpy(), {0.0: f"{low:.3g}", 1.0: f"{high:.3g}"}
