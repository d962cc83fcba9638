"""Data frame -> plotly figure, nothing else. Colours of text and grid come from the page (app/components/plotly_html.py)."""

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.study.design import setting_label
from app.study.votes import FACTORS

COLOURS = {"alignment": "#6366f1", "appearance": "#0d9488", "flaws": "#d97706"}
NAMES = {"alignment": "Text alignment", "appearance": "Visual appearance", "flaws": "Fewer flaws"}
# White text can be read on all of it, and all of it on dark.
WORSE_TO_BETTER = [[0, "#b45309"], [0.5, "#64748b"], [1, "#4f46e5"]]
MUTED = "rgba(128, 138, 158, .55)"


def effect_forest(effects: pd.DataFrame) -> go.Figure:
    """One row a term, one colour a criterion: estimate, clustered 95 % interval, and the naive one as a thick pale bar."""
    terms = list(dict.fromkeys(effects["term"]))
    criteria = list(dict.fromkeys(effects["criterion"]))
    figure = go.Figure()
    for number, criterion in enumerate(criteria):
        rows = effects[effects["criterion"] == criterion]
        offset = 0.1 + (number - (len(criteria) - 1) / 2) * 0.2
        y = [len(terms) - 1 - terms.index(term) - offset for term in rows["term"]]
        figure.add_trace(_bars(rows, y, "naive_low", "naive_high", COLOURS[criterion], 9, 0.22, f"naive {criterion}"))
        figure.add_trace(_bars(rows, y, "low", "high", COLOURS[criterion], 1.8, 1.0, criterion))
        figure.add_trace(_points(rows, y, criterion))
    figure.add_vline(x=0, line={"color": MUTED, "width": 1, "dash": "dot"})
    labels = [
        term if " × " in term else f"{term} against {ref.partition('=')[2]}" for term, ref in _references(effects)
    ]
    _label_rows(figure, labels, [len(terms) - 1 - i for i in range(len(terms))])
    figure.update_layout(
        height=90 + 84 * max(len(terms), 1),
        margin={"l": 16, "r": 16, "t": 40, "b": 50},
        xaxis={"title": {"text": "log-odds of being preferred"}, "zeroline": False},
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0},
    )
    return figure


def _label_rows(figure: go.Figure, labels, positions) -> None:
    """Names above their rows instead of beside them, so that phones keep the width for the data."""
    shared = {
        "xref": "paper",
        "x": 0,
        "yref": "y",
        "xanchor": "left",
        "yanchor": "middle",
        "showarrow": False,
        "font": {"size": 12},
    }
    figure.update_layout(annotations=[{"text": label, "y": y + 0.42, **shared} for label, y in zip(labels, positions)])
    low, high = min(positions, default=0), max(positions, default=0)
    figure.update_yaxes(
        range=[low - 0.5, high + 0.65], showticklabels=False, showgrid=False, zeroline=False, type="linear"
    )


def _references(effects: pd.DataFrame) -> list[tuple[str, str]]:
    return list(dict.fromkeys(zip(effects["term"], effects["reference"])))


def _bars(rows, y, low: str, high: str, colour: str, width: float, opacity: float, name: str) -> go.Scatter:
    """Horizontal segments; a missing bound draws nothing."""
    x, at = [], []
    for position, a, b in zip(y, rows[low], rows[high]):
        x += [a, b, None]
        at += [position, position, None]
    line = {"color": colour, "width": width}
    return go.Scatter(
        x=x, y=at, mode="lines", line=line, opacity=opacity, showlegend=False, hoverinfo="skip", name=name
    )


def _points(rows: pd.DataFrame, y, criterion: str) -> go.Scatter:
    text = [
        f"{r.term}<br>{r.estimate:+.2f} [{r.low:+.2f}, {r.high:+.2f}]<br>n = {r.n} votes" for r in rows.itertuples()
    ]
    return go.Scatter(
        x=rows["estimate"],
        y=y,
        mode="markers",
        name=NAMES[criterion],
        text=text,
        hoverinfo="text",
        customdata=rows["term"],
        marker={"color": COLOURS[criterion], "size": 9},
    )


def win_matrix(wins: pd.DataFrame, levels: list, factor: str) -> go.Figure:
    """Row against column: share of votes won, with interval and n in every cell; the diagonal is empty."""
    wins = wins.assign(text=[f"{r.share:.0%}<br>[{r.low:.0%}, {r.high:.0%}]<br>n = {r.n}" for r in wins.itertuples()])
    share, text = (
        wins.pivot(index="row", columns="column", values=name).reindex(index=levels, columns=levels)
        for name in ("share", "text")
    )
    text = text.fillna("").values
    names = [str(level) for level in levels]
    figure = go.Figure(
        go.Heatmap(
            z=share.values,
            x=names,
            y=names,
            text=text,
            texttemplate="%{text}",
            zmin=0,
            zmax=1,
            xgap=3,
            ygap=3,
            colorscale=WORSE_TO_BETTER,
            showscale=False,
            textfont={"color": "white"},
            hovertemplate="%{y} against %{x}: %{text}<extra></extra>",
        )
    )
    figure.update_layout(
        height=110 + 78 * max(len(levels), 2),
        margin={"l": 90, "r": 16, "t": 16, "b": 50},
        xaxis={"title": {"text": f"against {factor}"}, "type": "category", "showgrid": False},
        yaxis={"title": {"text": factor}, "type": "category", "autorange": "reversed", "showgrid": False},
    )
    return figure


def pareto(costs: pd.DataFrame, cost: str, unit: str, criterion: str) -> go.Figure:
    """Rating with interval against a measured cost; the front is coloured and joined, predictions are hollow."""
    figure = go.Figure()
    front = costs[costs["front"]]
    figure.add_trace(
        go.Scatter(
            x=front[cost],
            y=front["rating"],
            mode="lines",
            line={"color": MUTED, "dash": "dot", "shape": "hv"},
            hoverinfo="skip",
            showlegend=False,
        )
    )
    for on_front, rows in costs.groupby("front"):
        label = [setting_label(*levels) for levels in zip(*(rows[factor] for factor in FACTORS))]
        hover = [
            f"{name}<br>{r.rating:+.2f} [{r.low:+.2f}, {r.high:+.2f}]<br>{getattr(r, cost):.3g} {unit} (median of {r.pictures})"
            f"<br>{f'n = {r.n} votes' if r.n else 'predicted: n = 0 votes'}"
            for name, r in zip(label, rows.itertuples())
        ]
        figure.add_trace(
            go.Scatter(
                x=rows[cost],
                y=rows["rating"],
                mode="markers",
                text=hover,
                hoverinfo="text",
                customdata=label,
                name="on the front" if on_front else "beaten in both",
                error_y={
                    "type": "data",
                    "array": rows["high"] - rows["rating"],
                    "arrayminus": rows["rating"] - rows["low"],
                    "thickness": 1.2,
                    "width": 3,
                    "color": COLOURS[criterion] if on_front else MUTED,
                },
                marker={
                    "size": 10,
                    "color": COLOURS[criterion] if on_front else MUTED,
                    "symbol": ["circle" if n else "circle-open" for n in rows["n"]],
                },
            )
        )
    figure.update_layout(
        height=360,
        margin={"l": 64, "r": 16, "t": 40, "b": 50},
        xaxis={"title": {"text": f"{cost} ({unit}, measured)"}, "rangemode": "tozero"},
        yaxis={"title": {"text": "rating against the reference"}},
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0},
    )
    return figure


def coverage(table: pd.DataFrame) -> go.Figure:
    """Ratings of every contrast and control, with rated and all pairs."""
    rows = list(range(len(table)))[::-1]
    labels = [f"{r.block}: {r.ratings} ratings, {r.rated} of {r.pairs} pairs" for r in table.itertuples()]
    colour = ["#6366f1" if matched else MUTED for matched in table["matched"]]
    figure = go.Figure(
        go.Bar(
            x=table["ratings"],
            y=rows,
            orientation="h",
            text=labels,
            textposition="none",
            hoverinfo="text",
            width=0.34,
            marker={"color": colour, "line": {"width": 0}},
        )
    )
    _label_rows(figure, labels, rows)
    figure.update_layout(
        height=70 + 44 * len(table),
        margin={"l": 16, "r": 16, "t": 8, "b": 44},
        xaxis={"title": {"text": "ratings"}},
    )
    return figure


def reliability(table: pd.DataFrame) -> go.Figure:
    """Agreement measures with bootstrap intervals; alpha and AC1 are 0 at chance, all are 1 at best."""
    rows = list(range(len(table)))[::-1]
    labels = [f"{r.measure}: {r.value:.2f} [{r.low:.2f}, {r.high:.2f}]" for r in table.itertuples()]
    figure = go.Figure(
        go.Scatter(
            x=table["value"],
            y=rows,
            mode="markers",
            marker={"size": 10, "color": "#6366f1"},
            error_x={
                "type": "data",
                "array": table["high"] - table["value"],
                "arrayminus": table["value"] - table["low"],
                "thickness": 1.6,
                "color": "#6366f1",
            },
            text=[f"{label}<br>{r.units} units, {r.ratings} ratings" for label, r in zip(labels, table.itertuples())],
            hoverinfo="text",
        )
    )
    _label_rows(figure, labels, rows)
    figure.add_vline(x=0, line={"color": MUTED, "width": 1, "dash": "dot"})
    figure.update_layout(
        height=70 + 50 * len(table),
        margin={"l": 16, "r": 16, "t": 8, "b": 44},
        xaxis={
            "range": [min(-0.1, float(table["low"].min()) - 0.05), 1.02],
            "title": {"text": "agreement (alpha and AC1: 0 is chance)"},
        },
    )
    return figure


def timeline(table: pd.DataFrame) -> go.Figure:
    """Votes a day, stacked by criterion."""
    figure = go.Figure()
    for criterion, rows in table.groupby("criterion"):
        marker = {"color": COLOURS[criterion], "line": {"width": 0}}
        figure.add_trace(
            go.Bar(x=rows["day"].dt.strftime("%Y-%m-%d"), y=rows["votes"], name=NAMES[criterion], marker=marker)
        )
    figure.update_layout(
        height=240,
        barmode="stack",
        margin={"l": 56, "r": 16, "t": 40, "b": 40},
        xaxis={"type": "category"},
        yaxis={"title": {"text": "votes a day"}},
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0},
    )
    return figure


def acceptability(table: pd.DataFrame, factor: str) -> go.Figure:
    """Share of "both good" among the ties of each level, with Wilson interval and n: absolute, where wins are relative."""
    figure = go.Figure()
    for criterion, rows in table.groupby("criterion", sort=False):
        text = [
            f"{factor} {r.level}: {r.share:.0%} [{r.low:.0%}, {r.high:.0%}]<br>n = {r.n} ties"
            for r in rows.itertuples()
        ]
        figure.add_trace(
            go.Scatter(
                x=[
                    f"{level}<br>n = {n}" if table["criterion"].nunique() == 1 else str(level)
                    for level, n in zip(rows["level"], rows["n"])
                ],
                y=rows["share"],
                mode="markers",
                name=NAMES[criterion],
                text=text,
                hoverinfo="text",
                marker={"size": 10, "color": COLOURS[criterion]},
                error_y={
                    "type": "data",
                    "array": rows["high"] - rows["share"],
                    "arrayminus": rows["share"] - rows["low"],
                    "thickness": 1.4,
                    "width": 4,
                    "color": COLOURS[criterion],
                },
            )
        )
    figure.update_layout(
        height=320,
        scattermode="group",
        margin={"l": 56, "r": 16, "t": 40, "b": 50},
        xaxis={"type": "category", "title": {"text": factor}},
        yaxis={"range": [-0.03, 1.03], "tickformat": ".0%", "title": {"text": "both good among ties"}},
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0},
    )
    return figure


def conflicts(table: pd.DataFrame) -> go.Figure:
    """One row a contrast, one mark a pair of criteria: share of looks that disagree, with Wilson interval and n."""
    blocks = list(dict.fromkeys(table["block"]))
    pairs = list(dict.fromkeys(zip(table["first"], table["second"])))
    figure = go.Figure()
    for number, (first, second) in enumerate(pairs):
        rows = table[(table["first"] == first) & (table["second"] == second)]
        name, colour = f"{NAMES[first]} / {NAMES[second].lower()}", list(COLOURS.values())[number % 3]
        figure.add_trace(
            go.Scatter(
                x=rows["share"],
                y=[
                    len(blocks) - 1 - blocks.index(b) - 0.05 - (number - (len(pairs) - 1) / 2) * 0.18
                    for b in rows["block"]
                ],
                mode="markers",
                name=name,
                marker={"size": 8, "color": colour},
                hoverinfo="text",
                text=[
                    f"{r.block}<br>{name}: {r.share:.0%} [{r.low:.0%}, {r.high:.0%}]<br>n = {r.n} looks"
                    for r in rows.itertuples()
                ],
                error_x={
                    "type": "data",
                    "array": rows["high"] - rows["share"],
                    "arrayminus": rows["share"] - rows["low"],
                    "thickness": 1.4,
                    "color": colour,
                },
            )
        )
    most = table.groupby("block")["n"].max()
    _label_rows(
        figure,
        [f"{block} (n up to {most[block]:,})" for block in blocks],
        [len(blocks) - 1 - i for i in range(len(blocks))],
    )
    figure.update_layout(
        height=110 + 66 * len(blocks),
        margin={"l": 16, "r": 16, "t": 60, "b": 44},
        xaxis={"range": [-0.02, 1.02], "tickformat": ".0%", "title": {"text": "looks that disagree"}},
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0},
    )
    return figure


def parallel(costs: pd.DataFrame, cost: str, unit: str) -> go.Figure:
    """Every rated setting as a line through its factors, its cost and its rating; drag along an axis to filter."""
    dimensions = []
    for factor in [name for name in FACTORS if name != "checkpoint" or costs[name].nunique() > 1]:
        names = list(dict.fromkeys(costs[factor].astype(str)))
        at = [names.index(str(level)) for level in costs[factor]]
        dimensions.append({"label": factor, "values": at, "tickvals": list(range(len(names))), "ticktext": names})
    dimensions.append({"label": f"{cost} ({unit})", "values": costs[cost].astype(float), "tickformat": ".3~g"})
    for label, values in (("rating", costs["rating"]), ("± (half interval)", (costs["high"] - costs["low"]) / 2)):
        dimensions.append({"label": label, "values": values, "tickformat": ".2~f"})
    most = int(costs["pictures"].max())
    dimensions.append(
        {
            "label": "pictures (n)",
            "values": costs["pictures"],
            "range": [0, most],
            "tickvals": sorted({int(costs["pictures"].min()), most}),
        }
    )
    figure = go.Figure(
        go.Parcoords(dimensions=dimensions, line={"color": costs["rating"], "colorscale": WORSE_TO_BETTER})
    )
    figure.update_layout(height=340, margin={"l": 70, "r": 50, "t": 50, "b": 20})
    return figure


def flaws(table: pd.DataFrame) -> go.Figure:
    """Share of codes that raters marked, by place inside the window, height in the picture, guidance weight."""
    titles = {
        "place": "place in the window (row,column)",
        "height": "height (from the top)",
        "weight": "guidance weight from",
    }
    figure = make_subplots(rows=3, cols=1, subplot_titles=list(titles.values()), vertical_spacing=0.16)
    for place, kind in enumerate(titles, 1):
        for number, (window, rows) in enumerate(table[table["kind"] == kind].groupby("window")):
            text = [
                f"s = {window}, {r.bin}: {r.rate:.2%} [{r.low:.2%}, {r.high:.2%}]<br>{r.marked:,} of {r.shown:,} codes, "
                f"{r.marks} marks, n = {r.pictures} pictures"
                for r in rows.itertuples()
            ]
            figure.add_trace(
                go.Bar(
                    x=rows["bin"],
                    y=rows["rate"],
                    text=text,
                    textposition="none",
                    hoverinfo="text",
                    name=f"s = {window}",
                    legendgroup=str(window),
                    showlegend=place == 1,
                    error_y={
                        "type": "data",
                        "array": rows["high"] - rows["rate"],
                        "arrayminus": rows["rate"] - rows["low"],
                        "thickness": 1.2,
                        "width": 3,
                    },
                    marker={"color": list(COLOURS.values())[number % 3], "line": {"width": 0}},
                ),
                row=place,
                col=1,
            )
    figure.update_xaxes(type="category")
    figure.update_yaxes(tickformat=".1%", rangemode="tozero")
    figure.update_layout(
        height=620,
        margin={"l": 56, "r": 16, "t": 60, "b": 40},
        legend={"orientation": "h", "y": 1.06, "yanchor": "bottom", "x": 0},
    )
    return figure
