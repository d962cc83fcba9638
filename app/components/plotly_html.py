"""A plotly figure on a page, drawn by plotly.py's own packaged script, following dark mode, with a click event.

Gradio's Plot component brings an older plotly.js, ignores dark mode and has no click event. Use:

    plot = PlotlyFigure(figure, elem_id="effects", description="Effect of each window on preference, with intervals")
    plot.plot_click(show_pictures, None, gallery)   # def show_pictures(event: gr.EventData): event.customdata
    handler -> figure                               # a handler may return a new figure (or None: an empty plot)

The payload of `plot_click`: curve (trace index), point (index in the trace), x, y, customdata. It comes from the
browser, so check it. Give the figure a height; width, colours of text, grid and annotations' backgrounds follow the page.
"""

from importlib.resources import files
from pathlib import Path
from typing import Any

import gradio as gr
import plotly
import plotly.graph_objects as go
import plotly.io as pio

PLOTLY_SCRIPT: Path = Path(str(files("plotly") / "package_data" / "plotly.min.js"))
PLOTLY_SCRIPT_URL = f"studio/plotly-{plotly.__version__}.min.js"

JS_ON_LOAD = (
    """
const root = (window.gradio_config?.root || '').replace(/\\/$/, '');
const loadPlotly = () => window.studioPlotly ??= new Promise((resolve, reject) => {
  const script = document.createElement('script');
  script.src = root + '/"""
    + PLOTLY_SCRIPT_URL
    + """';
  script.onload = () => resolve(window.Plotly);
  script.onerror = () => reject(new Error('the plot script could not be loaded'));
  document.head.appendChild(script);
});
const css = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();
const themed = (layout) => {
  const text = css('--body-text-color'), grid = css('--border-color-primary'), block = css('--block-background-fill');
  const result = {margin: {t: layout.title ? 48 : 16, r: 16, b: 40, l: 48}, ...layout, autosize: true, paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)',
    font: {family: css('--font'), size: 13, ...layout.font, color: text},
    hoverlabel: {bgcolor: block, bordercolor: grid, font: {color: text}, ...layout.hoverlabel},
    legend: {bgcolor: 'rgba(0,0,0,0)', ...layout.legend},
    modebar: {bgcolor: block, color: css('--body-text-color-subdued'), activecolor: text, ...layout.modebar}};
  delete result.width;
  result.annotations = layout.annotations?.map(a => a.bgcolor ? {...a, bgcolor: css('--body-background-fill')} : a);
  for (const name of new Set(['xaxis', 'yaxis', ...Object.keys(layout).filter(k => /^[xy]axis/.test(k))]))
    result[name] = {gridcolor: grid, zerolinecolor: grid, linecolor: grid, automargin: true, ...layout[name]};
  return result;
};
let drawn = 0;
const draw = async () => {
  const mine = ++drawn, target = element.querySelector('.plotly-target');
  if (!target) return;
  if (!props.value) { window.Plotly?.purge(target); target.replaceChildren(); return; }
  const Plotly = await loadPlotly(), figure = JSON.parse(props.value);
  if (mine !== drawn || !target.isConnected) return;
  await Plotly.react(target, figure.data, themed(figure.layout || {}),
    {displaylogo: false, responsive: true, displayModeBar: matchMedia('(hover: none)').matches ? false : 'hover',   /* it would cover labels for ever */
      modeBarButtonsToRemove: ['lasso2d', 'select2d']});
  target.removeAllListeners?.('plotly_click');
  target.on('plotly_click', (event) => {
    const p = event.points[0];
    trigger('plot_click', {curve: p.curveNumber, point: p.pointIndex ?? p.pointNumber ?? null,
      x: p.x ?? null, y: p.y ?? null, customdata: p.customdata ?? null});
  });
};
watch('value', draw);
new MutationObserver(draw).observe(document.body, {attributes: true, attributeFilter: ['class']});
draw();
"""
)


class PlotlyFigure(gr.HTML):
    """One plotly figure; values are `plotly.graph_objects.Figure` or None."""

    def __init__(self, value: go.Figure | None = None, *, description: str = "Plot", **kwargs: Any) -> None:
        """description: what the plot shows, for screen readers (plain text, escaped by the template's author)."""
        super().__init__(
            value,
            html_template='<div class="plotly-target" role="figure" aria-label="${description}"></div>',
            css_template=".plotly-target { width: 100%; } .plotly-target:not(:empty) { min-height: 60px; }",
            js_on_load=JS_ON_LOAD,
            description=description.replace('"', "'").replace("<", "‹"),
            **kwargs,
        )

    def postprocess(self, value: go.Figure | str | None) -> str | None:
        """Figure -> JSON without `</` and `<!`, so that it can stand inside a page's own script."""
        if value is None or isinstance(value, str):
            return value
        return pio.to_json(value, validate=False).replace("<", "\\u003c")

    def api_info(self) -> dict[str, Any]:
        return {"type": "string", "description": "plotly figure as JSON"}
