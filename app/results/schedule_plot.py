"""Guidance schedules as curves, coloured by what people think of the pictures."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from app.compare.axes import parse_levels
from app.results.plots import ROW_CHARACTERS, WORSE_TO_BETTER, broken, interval_text
from model import guidance_weights

STEPS = 100


def schedule_curves(table: pd.DataFrame) -> go.Figure:
    """The table of `tables.schedule_ratings` -> one curve a schedule, dashed where nobody rated it."""
    low, high = float(table["rating"].min()), float(table["rating"].max())
    figure = go.Figure()
    for row in table.itertuples():
        share = (row.rating - low) / (high - low) if high > low else 0.5
        said = f"{row.schedule}: {row.rating:+.2f} {interval_text(row.low, row.high)}, n = {row.n}"
        text = f"{said} votes<br>mean over {row.settings} settings{'' if row.n else ', predicted'}"
        figure.add_trace(
            go.Scatter(
                x=np.linspace(0, 1, STEPS),
                y=weights_of(row.schedule),
                mode="lines",
                name=broken(said, ROW_CHARACTERS),
                line={
                    "width": 3,
                    "dash": "solid" if row.n else "dash",
                    "color": sample_colorscale(WORSE_TO_BETTER, [share])[0],
                },
                text=[text] * STEPS,
                hoverinfo="text",
                customdata=[f"schedule={row.schedule}"] * STEPS,
            )
        )
    figure.update_layout(
        height=330 + 20 * len(table),
        margin={"l": 56, "r": 16, "t": 16, "b": 50},
        xaxis={"title": {"text": "share of the steps"}},
        yaxis={"title": {"text": "guidance weight"}, "rangemode": "tozero"},
        legend={
            "title": {"text": "rating (indigo best, brown worst), n votes"},
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
