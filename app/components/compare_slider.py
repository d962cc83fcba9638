"""Two pictures on top of each other with a movable cut and one zoom for both."""

from dataclasses import dataclass
from html import escape

KEYS = (
    "Pictures A and B at one zoom. Plus and minus zoom, 0 shows all of them, arrows move them, or the cut at full size."
)
JS_ON_LOAD = """
const range = () => element.querySelector('.compare-range');
const cut = percent => {
  const kept = Math.min(Math.max(percent, 0), 100);
  element.querySelector('.compare').style.setProperty('--cut', kept + '%'); range().value = kept;
};
const view = zoomable(element, {frames: '.compare', atRest: {
  drag: x => cut(100 * x),
  step: x => cut(Number(range().value) + 2 * x),
}});
element.addEventListener('input', e => { if (e.target === range()) cut(Number(range().value)); });
watch('value', () => view.reset());
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
