"""Guidance schedules as curves, coloured by what people think of the pictures."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from app.drawing.record import stored_weights
from app.results.plots import ROW_CHARACTERS, WORSE_TO_BETTER, broken, interval_text

STEPS = 100


def schedule_curves(table: pd.DataFrame, settings: Mapping[str, Mapping[str, Any]]) -> go.Figure:
    """The table of `tables.schedule_ratings` -> one curve a schedule, dashed where nobody rated it.

    settings: schedule -> settings that have it.
    """
    low, high = float(table["rating"].min()), float(table["rating"].max())
    figure = go.Figure()
    for row in table.itertuples():
        share = (row.rating - low) / (high - low) if high > low else 0.5
        said = f"{row.schedule}: {row.rating:+.2f} {interval_text(row.low, row.high)}, n = {row.n}"
        text = f"{said} votes<br>mean over {row.settings} settings{'' if row.n else ', predicted'}"
        figure.add_trace(
            go.Scatter(
                x=np.linspace(0, 1, STEPS),
                y=weights_of(settings[row.schedule]),
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


def weights_of(settings: Mapping[str, Any]) -> list[float]:
    """Weights along the steps; nan for a schedule that this version does not draw."""
    try:
        return stored_weights(settings, STEPS)
    except ValueError:
        return [float("nan")] * STEPS
