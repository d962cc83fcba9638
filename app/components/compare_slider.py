"""Two pictures on top of each other with a movable cut and one zoom for both."""

from dataclasses import dataclass
from html import escape

JS_ON_LOAD = """
let scale = 1, x = 0, y = 0;
const box = () => element.querySelector('.compare');
const place = () => box().querySelectorAll('img').forEach(i => { i.style.transform = `translate(${x}px, ${y}px) scale(${scale})`; });
const cut = percent => { box().style.setProperty('--cut', percent + '%'); };
const zoom = (factor, cx, cy) => {
  const next = Math.min(Math.max(scale * factor, 1), 24);
  x = cx - (cx - x) * next / scale; y = cy - (cy - y) * next / scale; scale = next;
  if (scale === 1) x = y = 0;
  place();
};
element.addEventListener('input', e => { if (e.target.matches('.compare-range')) cut(e.target.value); });
element.addEventListener('wheel', e => {
  if (!e.target.closest('.compare')) return;
  e.preventDefault();
  const r = box().getBoundingClientRect();
  zoom(Math.exp(-e.deltaY / 400), e.clientX - r.left, e.clientY - r.top);
}, {passive: false});
element.addEventListener('dblclick', e => {
  if (!e.target.closest('.compare')) return;
  const r = box().getBoundingClientRect();
  zoom(scale > 1 ? 1 / scale : 3, e.clientX - r.left, e.clientY - r.top);
});
element.addEventListener('pointerdown', e => {
  const target = e.target.closest('.compare');
  if (!target) return;
  e.preventDefault();
  target.setPointerCapture(e.pointerId);
  const r = target.getBoundingClientRect(), from = [e.clientX - x, e.clientY - y];
  const move = m => {
    if (scale > 1) { x = m.clientX - from[0]; y = m.clientY - from[1]; place(); return; }
    const percent = Math.min(Math.max((m.clientX - r.left) / r.width * 100, 0), 100);
    cut(percent);
    element.querySelector('.compare-range').value = percent;
  };
  target.onpointermove = move;
  if (scale === 1) move(e);
  target.onpointerup = target.onpointercancel = () => { target.onpointermove = null; };
});
watch('value', () => { scale = 1; x = y = 0; });
"""


@dataclass(frozen=True)
class Side:
    """source: a signed link; label: what stands in the corner (plain text)."""

    source: str
    label: str


def compare_html(a: Side, b: Side, aspect: float) -> str:
    """Use as the value of `gr.HTML(js_on_load=JS_ON_LOAD)`."""
    return (
        f'<div class="compare" style="--aspect:{aspect:.4f}">'
        f'<div class="under"><img src="{escape(a.source)}" alt="A: {escape(a.label)}"></div>'
        f'<div class="over"><img src="{escape(b.source)}" alt="B: {escape(b.label)}"></div><div class="bar"></div>'
        f'<span class="tag tag-a">A · {escape(a.label)}</span><span class="tag tag-b">B · {escape(b.label)}</span></div>'
        '<input class="compare-range" type="range" min="0" max="100" value="50" step="0.5" '
        'aria-label="Where picture A ends and picture B begins">'
    )
