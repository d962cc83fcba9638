"""Where flaws were marked, as bars: by place inside the window, by height, by guidance weight."""

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.results.plots import COLOURS
from app.study.votes import level_order

TITLES = {
    "place": "place in the window (row,column)",
    "height": "height (from the top)",
    "weight": "guidance weight from",
}


def flaws(table: pd.DataFrame) -> go.Figure:
    """Share of codes that raters marked, a window a colour, with interval and n."""
    figure = make_subplots(rows=3, cols=1, subplot_titles=list(TITLES.values()), vertical_spacing=0.16)
    windows = level_order(table["window"])
    for place, kind in enumerate(TITLES, 1):
        rows = table[table["kind"] == kind]
        for number, window in enumerate(windows):
            bars = rate_bars(rows[rows["window"] == window], window, list(COLOURS.values())[number % 3])
            figure.add_trace(bars.update(showlegend=place == 1), row=place, col=1)
        figure.update_xaxes(type="category", categoryarray=level_order(rows["bin"]), row=place, col=1)
    figure.update_yaxes(tickformat=".1%", rangemode="tozero")
    figure.update_layout(
        height=620,
        margin={"l": 56, "r": 16, "t": 60, "b": 40},
        legend={"orientation": "h", "y": 1.06, "yanchor": "bottom", "x": 0},
    )
    return figure


def rate_bars(rows: pd.DataFrame, window: int, colour: str) -> go.Bar:
    """The bars of one window in one of the three."""
    text = [
        f"s = {window}, {r.bin}: {r.rate:.2%} [{r.low:.2%}, {r.high:.2%}]<br>{r.marked:,} of {r.shown:,} codes, "
        f"{r.marks} marks, n = {r.pictures} pictures"
        for r in rows.itertuples()
    ]
    interval = {
        "type": "data",
        "array": rows["high"] - rows["rate"],
        "arrayminus": rows["rate"] - rows["low"],
        "thickness": 1.2,
        "width": 3,
        "color": "#94a3b8",
    }
    return go.Bar(
        x=rows["bin"],
        y=rows["rate"],
        text=text,
        textposition="none",
        hoverinfo="text",
        customdata=[f"window={r.window} {r.kind} {r.bin}" for r in rows.itertuples()],
        name=f"s = {window}",
        legendgroup=str(window),
        error_y=interval,
        marker={"color": colour, "line": {"width": 0}},
    )
