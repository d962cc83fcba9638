"""What lies behind the numbers: coverage, agreement of raters and of criteria, votes a day."""

import pandas as pd
import plotly.graph_objects as go

from app.results.plots import COLOURS, LEGEND_ABOVE, MUTED, NAMES, beside, intervals, label_rows, row_px

FEW_RATINGS = 10


def coverage(table: pd.DataFrame) -> go.Figure:
    """Ratings of every contrast and control, with rated and all pairs."""
    rows = list(range(len(table)))[::-1]
    most = max(int(table["ratings"].max()), 1)
    text = [f"{r.ratings} ratings, {r.rated}/{r.pairs} pairs" for r in table.itertuples()]
    figure = go.Figure(
        go.Bar(
            x=table["ratings"].clip(lower=0.001),  # a bar of no length would have no text and no click
            y=rows,
            orientation="h",
            text=text,
            textposition="auto",
            textangle=0,
            insidetextanchor="start",
            insidetextfont={"color": "white", "size": 12},
            outsidetextfont={"size": 12},
            cliponaxis=False,
            hoverinfo="text",
            hovertext=[f"{block}: {each}" for block, each in zip(table["block"], text)],
            customdata=table["block"],
            width=0.44,
            marker={"color": ["#6366f1" if each else "#64748b" for each in table["matched"]], "line": {"width": 0}},
        )
    )
    label_rows(figure, table["block"], rows)
    figure.update_layout(
        height=70 + row_px(table["block"], 48) * len(table),
        margin={"l": 16, "r": 16, "t": 8, "b": 44},
        xaxis={
            "title": {"text": "ratings"},
            "range": [0, most * 1.02],
            "dtick": 1 if most <= FEW_RATINGS else None,  # whole numbers, which more ratings have by themselves
        },
    )
    return figure


def reliability(table: pd.DataFrame) -> go.Figure:
    """One row a measure, one colour a criterion, with bootstrap intervals; alpha and AC1 are 0 at chance, all are 1 at best."""
    measures = list(dict.fromkeys(table["measure"]))
    figure = go.Figure()
    for number, (criterion, rows) in enumerate(table.groupby("criterion", sort=False)):
        text = [
            f"{NAMES[criterion]}<br>{r.measure}: {r.value:.2f} [{r.low:.2f}, {r.high:.2f}]<br>"
            f"n = {r.units} pairs, {r.ratings} ratings"
            for r in rows.itertuples()
        ]
        figure.add_trace(
            intervals(
                rows,
                "value",
                rows["value"],
                beside(rows["measure"], measures, number, table["criterion"].nunique()),
                along="x",
                name=NAMES[criterion],
                colour=COLOURS[criterion],
                text=text,
                marks=[criterion] * len(rows),
            )
        )
    label_rows(figure, measures, list(range(len(measures)))[::-1])
    figure.add_vline(x=0, line={"color": MUTED, "width": 1, "dash": "dot"})
    figure.update_layout(
        height=110 + 66 * len(measures),
        margin={"l": 16, "r": 16, "t": 40, "b": 44},
        xaxis={
            "range": [min(-0.1, float(table["low"].min()) - 0.05), 1.02],
            "title": {"text": "agreement (alpha and AC1: 0 is chance)"},
        },
        legend=LEGEND_ABOVE,
    )
    return figure


def conflicts(table: pd.DataFrame) -> go.Figure:
    """One row a contrast, one mark a pair of criteria: share of answered pairs whose winners differ, with Wilson interval and n."""
    blocks = list(dict.fromkeys(table["block"]))
    pairs = list(table.groupby(["first", "second"], sort=False))
    figure = go.Figure()
    for number, ((first, second), rows) in enumerate(pairs):
        name = f"{NAMES[first]} / {NAMES[second].lower()}"
        figure.add_trace(
            intervals(
                rows,
                "share",
                rows["share"],
                beside(rows["block"], blocks, number, len(pairs)),
                along="x",
                name=name,
                colour=list(COLOURS.values())[number % 3],
                text=[
                    f"{r.block}<br>{name}: {r.share:.0%} [{r.low:.0%}, {r.high:.0%}]<br>n = {r.n} answered pairs"
                    for r in rows.itertuples()
                ],
                marks=rows["block"],
            )
        )
    most = table.groupby("block")["n"].max()
    labels = [f"{block} (n up to {most[block]:,})" for block in blocks]
    label_rows(figure, labels, list(range(len(blocks)))[::-1])
    figure.update_layout(
        height=130 + row_px(labels, 66) * len(blocks),
        margin={"l": 16, "r": 16, "t": 80, "b": 44},
        xaxis={"range": [-0.02, 1.02], "tickformat": ".0%", "title": {"text": "how often the winners differ"}},
        legend=LEGEND_ABOVE,
    )
    return figure


def timeline(table: pd.DataFrame) -> go.Figure:
    """Votes a day, stacked by criterion."""
    figure = go.Figure()
    for criterion, rows in table.groupby("criterion", sort=False):
        marker = {"color": COLOURS[criterion], "line": {"width": 0}}
        figure.add_trace(
            go.Bar(x=rows["day"], y=rows["votes"], name=NAMES[criterion], marker=marker, customdata=rows["day"])
        )
    figure.update_layout(
        height=240,
        barmode="stack",
        margin={"l": 56, "r": 16, "t": 40, "b": 40},
        xaxis={"type": "category"},
        yaxis={"title": {"text": "votes a day"}},
        legend=LEGEND_ABOVE,
    )
    return figure
