"""Data frame -> plotly figure, nothing else. Colours of text and grid come from the page (app/components/plotly_html.py).

The custom data of a mark names the pictures behind it (app/results/pictures.py)."""

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
    label_rows(figure, labels, [len(terms) - 1 - i for i in range(len(terms))])
    figure.update_layout(
        height=90 + row_px(labels, 84) * max(len(terms), 1),
        margin={"l": 16, "r": 16, "t": 40, "b": 50},
        xaxis={"title": {"text": "log-odds of being preferred"}, "zeroline": False},
        legend=LEGEND_ABOVE,
    )
    return figure


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
        f"{r.term}<br>{r.estimate:+.2f} {interval_text(r.low, r.high)}<br>n = {r.n} votes" for r in rows.itertuples()
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
    """Row against column: share of votes won, with interval and n in every cell; the diagonal is empty. levels: in order."""
    wins = wins.assign(text=[f"{r.share:.0%}<br>[{r.low:.0%}, {r.high:.0%}]<br>n = {r.n}" for r in wins.itertuples()])
    share, text = (
        wins.pivot(index="row", columns="column", values=name).reindex(index=levels, columns=levels)
        for name in ("share", "text")
    )
    text = text.fillna("").values
    names = [broken(level, TICK_CHARACTERS) for level in levels]
    figure = go.Figure(
        go.Heatmap(
            z=share.values,
            x=names,
            y=names,
            text=text,
            customdata=[[block_name(factor, levels, row, column) for column in levels] for row in levels],
            texttemplate="%{text}",
            zmin=0,
            zmax=1,
            xgap=3,
            ygap=3,
            colorscale=WORSE_TO_BETTER,
            showscale=False,
            textfont={"color": "white"},
            hovertemplate="%{y} against %{x}: %{text}<extra></extra>",
            hoverongaps=False,
        )
    )
    figure.update_layout(
        height=110 + 78 * max(len(levels), 2),
        margin={"l": 110, "r": 16, "t": 16, "b": 50},
        xaxis={"title": {"text": f"against {factor}"}, "type": "category", "showgrid": False},
        yaxis={"title": {"text": factor}, "type": "category", "autorange": "reversed", "showgrid": False},
    )
    return figure


def block_name(factor: str, levels: list, one, other) -> str:
    """The contrast of two levels as studies name it: "window 1 | 4"."""
    first, second = sorted((one, other), key=levels.index)
    return f"{factor} {first} | {second}"


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


def pareto(costs: pd.DataFrame, cost: str, unit: str, source: str, criterion: str) -> go.Figure:
    """Rating with interval against a cost; the front is coloured and joined, predictions are hollow. source: whether the
    cost is measured."""
    front = costs[costs["front"]]
    line = {"color": MUTED, "dash": "dot", "shape": "hv"}
    figure = go.Figure(
        go.Scatter(x=front[cost], y=front["rating"], mode="lines", line=line, hoverinfo="skip", showlegend=False)
    )
    for on_front, rows in costs.groupby("front"):
        labels = labels_of(rows)
        figure.add_trace(
            intervals(
                rows,
                "rating",
                rows[cost],
                rows["rating"],
                along="y",
                name="on the front" if on_front else "beaten in both",
                colour=COLOURS[criterion] if on_front else MUTED,
                text=[setting_text(label, r, cost, unit) for label, r in zip(labels, rows.itertuples())],
                marks=labels,
                symbol=["circle" if n else "circle-open" for n in rows["n"]],
            )
        )
    figure.update_layout(
        height=360,
        margin={"l": 64, "r": 16, "t": 40, "b": 50},
        xaxis={"title": {"text": f"{cost} ({unit}, {source})"}, "rangemode": "tozero"},
        yaxis={"title": {"text": "rating against the reference"}},
        legend=LEGEND_ABOVE,
    )
    return figure


def labels_of(costs: pd.DataFrame) -> list[str]:
    return [setting_label(*levels) for levels in zip(*(costs[factor] for factor in FACTORS))]


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


def coverage(table: pd.DataFrame) -> go.Figure:
    """Ratings of every contrast and control, with rated and all pairs."""
    rows = list(range(len(table)))[::-1]
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
        xaxis={"title": {"text": "ratings"}, "range": [0, max(int(table["ratings"].max()), 1) * 1.02]},
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


def beside(names: Sequence[str], rows: Sequence[str], number: int, count: int) -> list[float]:
    """Heights of the marks of series `number` of `count` in their rows, the first row on top, under its label."""
    return [len(rows) - 1 - rows.index(name) - 0.05 - (number - (count - 1) / 2) * 0.18 for name in names]


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


def acceptability(table: pd.DataFrame, factor: str) -> go.Figure:
    """Share of "both good" among the ties of each level, with Wilson interval and n: absolute, where wins are relative."""
    figure = go.Figure()
    alone = table["criterion"].nunique() == 1
    for criterion, rows in table.groupby("criterion", sort=False):
        figure.add_trace(
            intervals(
                rows,
                "share",
                [broken(r.level, TICK_CHARACTERS) + (f"<br>n = {r.n}" if alone else "") for r in rows.itertuples()],
                rows["share"],
                along="y",
                name=NAMES[criterion],
                colour=COLOURS[criterion],
                text=[
                    f"{factor} {r.level}: {r.share:.0%} [{r.low:.0%}, {r.high:.0%}]<br>n = {r.n} ties"
                    for r in rows.itertuples()
                ],
                marks=[f"{factor}={level}" for level in rows["level"]],
            )
        )
    figure.update_layout(
        height=360,
        scattermode="group",
        margin={"l": 56, "r": 16, "t": 40, "b": 50},
        xaxis={"type": "category", "title": {"text": factor}},
        yaxis={"range": [-0.03, 1.03], "tickformat": ".0%", "title": {"text": "both good among ties"}},
        legend=LEGEND_ABOVE,
    )
    return figure


def conflicts(table: pd.DataFrame) -> go.Figure:
    """One row a contrast, one mark a pair of criteria: share of looks that disagree, with Wilson interval and n."""
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
                    f"{r.block}<br>{name}: {r.share:.0%} [{r.low:.0%}, {r.high:.0%}]<br>n = {r.n} looks"
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
        xaxis={"range": [-0.02, 1.02], "tickformat": ".0%", "title": {"text": "looks that disagree"}},
        legend=LEGEND_ABOVE,
    )
    return figure
