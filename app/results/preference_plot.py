"""What people prefer and at what cost: effects, wins, what is good enough, rating against cost."""

import pandas as pd
import plotly.graph_objects as go

from app.results.plots import (
    COLOURS,
    LEGEND_ABOVE,
    MUTED,
    NAMES,
    TICK_CHARACTERS,
    WORSE_TO_BETTER,
    broken,
    interval_text,
    intervals,
    label_rows,
    labels_of,
    row_px,
    setting_text,
    short_names,
)

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "star", "hexagon", "pentagon")


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


def pareto(costs: pd.DataFrame, cost: str, unit: str, source: str, criterion: str) -> go.Figure:
    """Rating with interval against a cost; the front is coloured and joined, predictions are hollow, and the legend names
    the settings. source: whether the cost is measured."""
    costs, colours = with_symbols(costs), {True: COLOURS[criterion], False: MUTED}
    front = costs[costs["front"]]
    line = {"color": MUTED, "dash": "dot", "shape": "hv"}
    figure = go.Figure(
        go.Scatter(x=front[cost], y=front["rating"], mode="lines", line=line, hoverinfo="skip", showlegend=False)
    )
    for on_front, rows in costs.groupby("front"):
        labels = labels_of(rows)
        marks = intervals(
            rows,
            "rating",
            rows[cost],
            rows["rating"],
            along="y",
            name="on the front" if on_front else "beaten in both",
            colour=colours[on_front],
            text=[setting_text(label, r, cost, unit) for label, r in zip(labels, rows.itertuples())],
            marks=labels,
            symbol=list(rows["symbol"]),
        )
        figure.add_trace(marks.update(showlegend=False))
    named = costs if len(costs) <= len(SYMBOLS) else front[: len(SYMBOLS)]
    for row in named.itertuples():  # for whoever cannot point at a mark
        key = {"symbol": row.symbol, "color": colours[row.front], "size": 9}
        figure.add_trace(go.Scatter(x=[None], y=[None], mode="markers", name=row.name, marker=key, hoverinfo="skip"))
    figure.update_layout(
        height=400 + 20 * len(named),
        margin={"l": 64, "r": 16, "t": 40, "b": 50},
        showlegend=True,
        xaxis={"title": {"text": f"{cost} ({unit}, {source})"}, "rangemode": "tozero"},
        yaxis={"title": {"text": "rating against the reference"}},
        legend={"orientation": "h", "x": 0, "y": -0.24, "yanchor": "top"},
    )
    return figure


def with_symbols(costs: pd.DataFrame) -> pd.DataFrame:
    """With columns `name` and `symbol` of every setting; of many settings only those of the front have their own."""
    costs = costs.assign(name=short_names(costs))
    own = dict(zip(costs["name"] if len(costs) <= len(SYMBOLS) else costs["name"][costs["front"]], SYMBOLS))
    rated = zip(costs["name"], costs["n"])
    return costs.assign(symbol=[own.get(name, "circle") + ("" if n else "-open") for name, n in rated])
