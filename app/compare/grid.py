"""The sheet of a grid: frozen labelled axes, one zoom for all cells, cost and win share in every cell. Data -> HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from app.compare.axes import Axis
from app.components.amounts import seconds_text

JS_ON_LOAD = """
let scrolled = [];   /* [left, top] of each sheet, px */
const sheets = () => [...element.querySelectorAll('.sheet-scroll')];
const tell = scale => {
  const range = element.querySelector('.sheet-zoom'); if (range) range.value = scale;
  element.querySelectorAll('img[data-full]').forEach(i => {   /* a thumbnail has 256 px */
    if (scale * i.clientWidth > 340) { i.src = i.dataset.full; i.removeAttribute('data-full'); }
  });
};
const view = zoomable(element, {frames: '.cell-view', most: 12, inPage: true, changed: tell});
element.addEventListener('input', e => { if (e.target.matches('.sheet-zoom')) view.to(Number(e.target.value)); });
element.addEventListener('click', e => {
  const cell = e.target.closest('.cell[data-id]');
  if (cell && e.detail < 2) trigger('pick', {id: cell.dataset.id});   /* the second of a double click zooms */
});
element.addEventListener('scroll', e => { if (e.target.matches?.('.sheet-scroll')) scrolled = sheets().map(s => [s.scrollLeft, s.scrollTop]); }, true);
watch('value', () => { tell(view.scale); sheets().forEach((s, i) => { if (scrolled[i]) s.scrollTo(...scrolled[i]); }); });
"""

CSS = """
.sheet-tools { display: flex; flex-wrap: wrap; gap: 8px 16px; align-items: center; margin-bottom: 8px; font-size: 13px; color: var(--body-text-color-subdued); }
.sheet-tools input { width: 130px; margin: 0 0 0 8px; vertical-align: middle; }
.sheet-title { margin: 14px 0 6px; font-size: 14px; font-weight: 600; }
.sheet-scroll { overflow: auto; max-height: 82vh; border: 1px solid var(--border-color-primary); border-radius: 14px; background: var(--block-background-fill); }
.sheet { border-collapse: separate; border-spacing: 0; border: 0 !important; width: auto; } .sheet th, .sheet td, .sheet tr { border: 0 !important; }
.sheet th { position: sticky; z-index: 2; background: var(--block-background-fill); font-size: 12.5px; font-weight: 600; padding: 7px 10px; text-align: left; color: var(--body-text-color); overflow-wrap: anywhere; }
.sheet thead th { top: 0; box-shadow: inset 0 -1px var(--border-color-primary); min-width: 132px; }
.sheet tbody th { left: 0; box-shadow: inset -1px 0 var(--border-color-primary); min-width: 84px; max-width: 150px; vertical-align: top; }
.sheet thead th:first-child { left: 0; z-index: 3; min-width: 84px; font-weight: 400; color: var(--body-text-color-subdued); }
.sheet td { padding: 5px; vertical-align: top; }
.cell { display: block; width: max(clamp(118px, 15vw, 230px), min((100vw - 240px) / var(--columns), 420px, 52vh)); padding: 0; border: 1px solid var(--border-color-primary); border-radius: 10px; overflow: hidden; text-align: left; background: var(--background-fill-secondary); color: var(--body-text-color); font-weight: 400; position: relative; cursor: pointer; }
.cell:focus-visible { outline: 3px solid var(--color-accent); } .cell.picked { outline: 3px solid var(--color-accent); }
.cell-view { display: block; aspect-ratio: var(--aspect, 1); overflow: hidden; }
.cell-view img { width: 100%; height: 100%; margin: 0; display: block; }
.cell small { display: block; padding: 3px 8px; font-size: 11.5px; color: var(--body-text-color-subdued); font-variant-numeric: tabular-nums; }
.cell .won { color: var(--body-text-color); } .cell .won i { display: block; height: 4px; margin-top: 2px; border-radius: 3px; background: var(--border-color-primary); position: relative; }
.cell .won i b { position: absolute; top: 0; bottom: 0; border-radius: 3px; background: var(--color-accent); opacity: .55; }
.cell-empty { cursor: default; } .cell-empty .cell-view { display: grid; place-items: center; font-size: 12.5px; color: var(--body-text-color-subdued); padding: 8px; text-align: center; }
.cell .side { position: absolute; z-index: 1; top: 6px; left: 6px; padding: 0 8px; border-radius: 999px; background: var(--color-accent); color: white; font-size: 12px; font-weight: 600; }
@media (max-width: 640px) { .sheet tbody th, .sheet thead th:first-child { min-width: 62px; max-width: 78px; padding: 6px; font-size: 11.5px; } }
"""


@dataclass(frozen=True)
class Shown:
    """One cell. source and full: signed links, None while there is no picture; state: why there is none."""

    labels: tuple[str, ...]
    generation: str | None = None
    source: str | None = None
    full: str | None = None
    aspect: float = 1.0
    steps: int = 0
    seconds: float = 0.0
    state: str = "waits"


@dataclass(frozen=True)
class Won:
    """Share of votes that a cell won, with interval and n."""

    share: float
    low: float
    high: float
    n: int


def sheets_html(axes: Sequence[Axis], cells: Sequence[Shown], won: Mapping[str, Won], picked: Sequence[str]) -> str:
    """First axis: rows, second: columns, third: one sheet a level."""
    naive = " Win shares count ties half; their intervals treat votes as independent." if won else ""
    tools = (
        '<div class="sheet-tools"><label>Zoom all cells <input class="sheet-zoom" type="range" min="1" max="12" step="0.1" '
        'value="1"></label><span>Ctrl + wheel or + and − zoom, 0 shows all, dragging or arrows move all cells; click two cells to '
        f"compare them.{naive}</span></div>"
    )
    titles = list(dict.fromkeys(cell.labels[2:] for cell in cells))
    parts = []
    for title in titles:
        name = f'<p class="sheet-title">{escape(title[0])}</p>' if title else ""
        parts.append(name + sheet_html(axes, [cell for cell in cells if cell.labels[2:] == title], won, picked))
    return f'{tools}<div class="sheet-area">{"".join(parts)}</div>'


def sheet_html(axes: Sequence[Axis], cells: Sequence[Shown], won: Mapping[str, Won], picked: Sequence[str]) -> str:
    rows = list(dict.fromkeys(cell.labels[0] for cell in cells))
    columns = list(dict.fromkeys(cell.labels[1] for cell in cells))
    at = {cell.labels[:2]: cell for cell in cells}
    corner = f"{axes[0].name} ↓ {axes[1].name} →"
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "".join(
        f'<tr><th scope="row">{escape(row)}</th>'
        + "".join(f"<td>{cell_html(at[row, column], won, picked)}</td>" for column in columns)
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="sheet-scroll" tabindex="0"><table class="sheet" style="--columns:{len(columns)}"><thead><tr><th>{escape(corner)}</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def cell_html(cell: Shown, won: Mapping[str, Won], picked: Sequence[str]) -> str:
    style = f'style="--aspect:{cell.aspect:.4f}"'
    if cell.source is None or cell.generation is None:
        return f'<div class="cell cell-empty"><span class="cell-view" {style}>{escape(cell.state)}</span></div>'
    name = ", ".join(cell.labels)
    chosen = cell.generation in picked
    side = f'<span class="side">{"AB"[picked.index(cell.generation)]}</span>' if chosen else ""
    cost = f"{seconds_text(cell.seconds)} · {cell.steps:,} steps"
    return (
        f'<button type="button" class="cell card{" picked" if chosen else ""}" data-id="{escape(cell.generation)}" '
        f'aria-pressed="{str(chosen).lower()}">{side}<span class="cell-view" {style}><img loading="lazy" draggable="false" '
        f'src="{escape(cell.source)}" data-full="{escape(cell.full or cell.source)}" alt="{escape(name)}"></span>'
        f"<small>{escape(cost)}</small>{won_html(won.get(cell.generation))}</button>"
    )


def won_html(won: Won | None) -> str:
    if won is None:
        return ""
    bar = f'<i><b style="left:{won.low:.0%};right:{1 - won.high:.0%}"></b></i>'
    return f'<small class="won">won {won.share:.0%} [{won.low:.0%}, {won.high:.0%}] n = {won.n}{bar}</small>'
