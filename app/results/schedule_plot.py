"""Guidance schedules as curves, coloured by what people think of the pictures."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from app.compare.axes import parse_levels
from app.results.plots import WORSE_TO_BETTER
from model import guidance_weights

STEPS = 100


def schedule_curves(costs: pd.DataFrame) -> go.Figure:
    """costs: rated settings with their `schedule` (a level such as "half-linear 7.5"); one curve a schedule.

    Its rating is the mean over its settings, and so are its bounds: the interval of a mean is no wider than that.
    """
    mean = costs.groupby("schedule", sort=False).agg(
        rating=("rating", "mean"),
        low=("low", "mean"),
        high=("high", "mean"),
        settings=("rating", "size"),
        pictures=("pictures", "sum"),
    )
    low, high = float(mean["rating"].min()), float(mean["rating"].max())
    figure = go.Figure()
    for row in mean.itertuples():
        share = (row.rating - low) / (high - low) if high > low else 0.5
        said = f"{row.rating:+.2f} [{row.low:+.2f}, {row.high:+.2f}]"
        text = f"{row.Index}<br>{said}<br>mean over {row.settings} settings, n = {row.pictures} pictures"
        figure.add_trace(
            go.Scatter(
                x=np.linspace(0, 1, STEPS),
                y=weights_of(str(row.Index)),
                mode="lines",
                name=f"{row.Index}: {said}, n = {row.pictures}",
                line={"width": 3, "color": sample_colorscale(WORSE_TO_BETTER, [share])[0]},
                text=[text] * STEPS,
                hoverinfo="text",
            )
        )
    figure.update_layout(
        height=330 + 20 * len(mean),
        margin={"l": 56, "r": 16, "t": 16, "b": 50},
        xaxis={"title": {"text": "share of the steps"}},
        yaxis={"title": {"text": "guidance weight"}, "rangemode": "tozero"},
        legend={
            "title": {"text": "rating (indigo: best, brown: worst), n pictures"},
            "orientation": "v",
            "x": 0,
            "xanchor": "left",
            "y": -0.25,
            "yanchor": "top",
        },
    )
    return figure


def weights_of(level: str) -> list[float]:
    """Weights of a schedule level; nan for a name that this version does not draw."""
    plain, _, ramp = level.partition(" ramp ")
    try:
        changes = parse_levels("schedule", plain.partition(" in ")[0])[0].changes
        weights = guidance_weights(
            changes["guidance_schedule"],
            changes.get("guidance_scale", 1.0),
            STEPS,
            points=changes["guidance_points"],
            ramp_end=float(ramp or 0.5),
        )
    except ValueError:
        return [float("nan")] * STEPS
    return weights.tolist()
