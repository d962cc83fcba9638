"""Two pictures on top of each other with a movable cut and one zoom for both."""

from dataclasses import dataclass
from html import escape

KEYS = (
    "Pictures A and B at one zoom. Plus and minus zoom, 0 shows all of them, arrows move them, or the cut at full size."
)
JS_ON_LOAD = """
let scale = 1, x = 0, y = 0;
const fingers = new Map();   /* pointer -> where it is down on the box, px */
const box = () => element.querySelector('.compare');
const place = () => {
  const {width, height} = box().getBoundingClientRect();
  x = Math.min(Math.max(x, width * (1 - scale)), 0); y = Math.min(Math.max(y, height * (1 - scale)), 0);
  box().querySelectorAll('img').forEach(i => { i.style.transform = `translate(${x}px, ${y}px) scale(${scale})`; });
};
const cut = percent => {
  const kept = Math.min(Math.max(percent, 0), 100);
  box().style.setProperty('--cut', kept + '%'); element.querySelector('.compare-range').value = kept;
};
const zoom = (factor, cx, cy) => {
  const next = Math.min(Math.max(scale * factor, 1), 24);
  x = cx - (cx - x) * next / scale; y = cy - (cy - y) * next / scale; scale = next;
  place();
};
const at = e => { const r = box().getBoundingClientRect(); return [e.clientX - r.left, e.clientY - r.top]; };
const middle = spots => [0, 1].map(i => spots.reduce((sum, spot) => sum + spot[i], 0) / spots.length);
const gap = ([one, two]) => Math.hypot(one[0] - two[0], one[1] - two[1]);
element.addEventListener('input', e => { if (e.target.matches('.compare-range')) cut(Number(e.target.value)); });
element.addEventListener('wheel', e => {
  if (!e.target.closest('.compare')) return;
  e.preventDefault();
  zoom(Math.exp(-e.deltaY / 400), ...at(e));
}, {passive: false});
element.addEventListener('dblclick', e => { if (e.target.closest('.compare')) zoom(scale > 1 ? 1 / scale : 3, ...at(e)); });
element.addEventListener('pointerdown', e => {
  const target = e.target.closest('.compare');
  if (!target) return;
  e.preventDefault(); target.focus({preventScroll: true}); target.setPointerCapture(e.pointerId);
  fingers.set(e.pointerId, at(e));
  if (scale === 1 && fingers.size === 1) cut(at(e)[0] / target.clientWidth * 100);
});
element.addEventListener('pointermove', e => {
  if (!fingers.has(e.pointerId)) return;
  const before = [...fingers.values()];
  fingers.set(e.pointerId, at(e));
  const after = [...fingers.values()], from = middle(before), to = middle(after);
  if (scale === 1 && after.length === 1) return cut(to[0] / box().clientWidth * 100);
  x += to[0] - from[0]; y += to[1] - from[1];
  zoom(after.length === 2 ? gap(after) / Math.max(gap(before), 1) : 1, ...to);
});
for (const end of ['pointerup', 'pointercancel']) element.addEventListener(end, e => fingers.delete(e.pointerId));
element.addEventListener('keydown', e => {
  if (!e.target.matches('.compare') || e.ctrlKey || e.metaKey || e.altKey) return;
  const {width, height} = box().getBoundingClientRect();
  const factor = {'+': 1.25, '=': 1.25, '-': .8, '0': 1 / scale}[e.key];
  const step = {ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]}[e.key];
  if (!factor && !step) return;
  e.preventDefault();
  if (factor) return zoom(factor, width / 2, height / 2);
  if (scale === 1) return cut(Number(element.querySelector('.compare-range').value) - 2 * step[0]);
  x += step[0] * width / 10; y += step[1] * height / 10; place();
});
watch('value', () => { scale = 1; x = y = 0; fingers.clear(); });
"""


@dataclass(frozen=True)
class Side:
    """source: a signed link; label: what stands in the corner (plain text)."""

    source: str
    label: str


def compare_html(a: Side, b: Side, aspect: float) -> str:
    """Use as the value of `gr.HTML(js_on_load=JS_ON_LOAD)`."""
    return (
        f'<div class="comparing" style="--aspect:{aspect:.4f}"><div class="compare" tabindex="0" role="group" aria-label="{KEYS}">'
        f'<div class="under"><img src="{escape(a.source)}" alt="A: {escape(a.label)}"></div>'
        f'<div class="over"><img src="{escape(b.source)}" alt="B: {escape(b.label)}"></div><div class="bar"></div>'
        f'<span class="tag tag-a">A · {escape(a.label)}</span><span class="tag tag-b">B · {escape(b.label)}</span></div>'
        '<input class="compare-range" type="range" min="0" max="100" value="50" step="0.5" '
        'aria-label="Where picture A ends and picture B begins"></div>'
    )
