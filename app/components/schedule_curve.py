"""The guidance schedule as a live curve over the fused steps, with control points that can be dragged.

The curve is computed by the model's own formula on the server; the browser only draws it and reports moved points.
"""

from typing import Any

import gradio as gr

JS_ON_LOAD = """
const W = 320, H = 96, L = 36, R = 8, T = 10, B = 20, NS = 'http://www.w3.org/2000/svg';
const make = (name, attributes, parent) => {
  const node = document.createElementNS(NS, name);
  for (const key in attributes) node.setAttribute(key, attributes[key]);
  parent?.appendChild(node);
  return node;
};
const draw = () => {
  const svg = element.querySelector('svg'), data = props.value;
  if (!svg || !data) return;
  svg.replaceChildren();
  const top = data.top, points = data.points ? data.points.map(p => [...p]) : null;
  const x = f => L + f * (W - L - R), y = w => H - B - (w - 1) / (top - 1) * (H - T - B);
  for (const w of [1, (1 + top) / 2, top]) {  // labels leave room for a control point at the first step
    make('line', {x1: L, x2: W - R, y1: y(w), y2: y(w), class: 'grid'}, svg);
    make('text', {x: L - 10, y: y(w) + 3, 'text-anchor': 'end'}, svg).textContent = +w.toFixed(2);
  }
  make('text', {x: L, y: H - 5}, svg).textContent = 'step 1';
  make('text', {x: W - R, y: H - 5, 'text-anchor': 'end'}, svg).textContent = 'step ' + data.steps;
  const n = data.weights.length;
  const line = data.weights.map((w, i) => (i ? 'L' : 'M') + x(n > 1 ? i / (n - 1) : 0).toFixed(1) + ' ' + y(w).toFixed(1)).join('');
  make('path', {d: line + `L${x(n > 1 ? 1 : 0)} ${y(1)}L${x(0)} ${y(1)}Z`, class: 'area'}, svg);
  make('path', {d: line, class: 'line'}, svg);
  if (!points) return;
  const send = () => trigger('edit', {points});
  points.forEach((point, i) => {
    const place = () => { handle.setAttribute('cx', x(point[0])); handle.setAttribute('cy', y(point[1])); };
    const move = (f, w) => {
      const low = i ? points[i - 1][0] + .01 : 0, high = i + 1 < points.length ? points[i + 1][0] - .01 : 1;
      point[0] = Math.round(Math.min(Math.max(f, low), high) * 1000) / 1000;
      point[1] = Math.round(Math.min(Math.max(w, 1), top) * 100) / 100;
      const said = `at ${Math.round(point[0] * 100)} % of the steps, weight ${point[1]}`;
      for (const [name, value] of Object.entries({label: `Control point ${i + 1}`, valuemin: 1, valuemax: top, valuenow: point[1], valuetext: said}))
        handle.setAttribute('aria-' + name, value);
      place();
    };
    const handle = make('circle', {r: 6, class: 'handle', tabindex: 0, role: 'slider'}, svg);
    move(point[0], point[1]);
    handle.addEventListener('pointerdown', down => {
      down.preventDefault();
      handle.setPointerCapture(down.pointerId);
      const box = svg.getBoundingClientRect();
      handle.onpointermove = e => move(((e.clientX - box.left) * W / box.width - L) / (W - L - R),
        1 + (H - B - (e.clientY - box.top) * H / box.height) / (H - T - B) * (top - 1));
      handle.onpointerup = handle.onpointercancel = () => { handle.onpointermove = handle.onpointerup = null; send(); };
    });
    handle.addEventListener('keydown', e => {
      const step = {ArrowLeft: [-.02, 0], ArrowRight: [.02, 0], ArrowUp: [0, .25], ArrowDown: [0, -.25]}[e.key];
      if (step) { e.preventDefault(); move(point[0] + step[0], point[1] + step[1]); }
      if ((e.key === 'Delete' || e.key === 'Backspace') && points.length > 2) { e.preventDefault(); points.splice(i, 1); send(); }
    });
    handle.addEventListener('keyup', e => { if (e.key.startsWith('Arrow')) send(); });
  });
  svg.ondblclick = e => {
    const box = svg.getBoundingClientRect();
    const f = ((e.clientX - box.left) * W / box.width - L) / (W - L - R);
    const w = 1 + (H - B - (e.clientY - box.top) * H / box.height) / (H - T - B) * (top - 1);
    if (f < 0 || f > 1 || points.length > 11) return;
    points.push([Math.round(f * 1000) / 1000, Math.round(Math.min(Math.max(w, 1), top) * 100) / 100]);
    points.sort((a, b) => a[0] - b[0]);
    send();
  };
};
watch('value', draw);
draw();
"""

CSS = """
svg { width: 100%; height: auto; display: block; touch-action: none; }
.grid { stroke: var(--border-color-primary); stroke-width: 1; }
.line { fill: none; stroke: var(--color-accent); stroke-width: 2.2; stroke-linejoin: round; }
.area { fill: var(--color-accent); opacity: .13; }
.handle { fill: var(--block-background-fill); stroke: var(--color-accent); stroke-width: 2.5; cursor: grab; }
.handle:focus-visible { outline: none; stroke-width: 4; }
text { font-size: 9.5px; fill: var(--body-text-color-subdued); font-family: var(--font-mono); }
"""


class ScheduleCurve(gr.HTML):
    """Value: {"weights": [float per step], "steps": int, "top": largest weight of the axis, "points": [[x, w]] or None}.

    Event `edit`: `event.points`, which comes from the browser and must be checked.
    """

    def __init__(self, value: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(
            value,
            html_template='<svg viewBox="0 0 320 96" role="group" aria-label="Guidance weight over the fused steps"></svg>',
            css_template=CSS,
            js_on_load=JS_ON_LOAD,
            **kwargs,
        )

    def postprocess(self, value: dict[str, Any] | None) -> dict[str, Any] | None:
        return value

    def api_info(self) -> dict[str, Any]:
        return {"type": "object"}
