"""A slider over a few named stops (shuffle windows 1, 2, 4): what a plain slider cannot say about unequal steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

JS_ON_LOAD = """
const input = () => element.querySelector('input');
const stops = () => JSON.parse(element.querySelector('.stops').dataset.values);
const locked = index => (props.locked || []).includes(stops()[index]);
const mark = index => {
  element.querySelectorAll('.ticks span').forEach((tick, i) => { tick.classList.toggle('on', i === index); tick.classList.toggle('locked', locked(i)); });
  element.querySelector('.now').textContent = stops()[index];
  input()?.style.setProperty('--at', index / Math.max(stops().length - 1, 1));
};
const show = () => {
  const values = stops(), index = Math.max(values.indexOf(Number(props.value)), 0);
  if (input()) {
    input().value = index; input().setAttribute('aria-valuetext', 'window ' + values[index]);
    input().disabled = values.every((_, i) => i === index || locked(i));
  }
  mark(index);
};
const choose = index => {
  if (locked(index)) return show();
  props.value = stops()[index]; show(); trigger('change');
};
element.addEventListener('input', () => mark(Number(input().value)));
element.addEventListener('change', e => { e.stopPropagation(); choose(Number(input().value)); });
element.addEventListener('click', e => { const tick = e.target.closest('.ticks span'); if (tick) choose(Number(tick.dataset.index)); });
watch(['value', 'locked'], show);
show();
"""

CSS = """
.stops { padding: 2px 0; }
.head { display: flex; justify-content: space-between; align-items: baseline; }
.head b { font-weight: 600; font-size: var(--text-sm, 13px); color: var(--block-label-text-color, inherit); }
.now { font-family: var(--font-mono); font-size: 13px; padding: 1px 8px; border: 1px solid var(--border-color-primary); border-radius: 6px; }
input { width: 100%; height: 8px; margin: 10px 0 4px; border-radius: 4px; appearance: none; cursor: pointer;
  background: linear-gradient(to right, var(--color-accent) calc(100% * var(--at, 0)), var(--neutral-200) 0); }
input::-webkit-slider-thumb { appearance: none; width: 16px; height: 16px; border-radius: 50%; background: white; border: 1px solid var(--neutral-400); }
input::-moz-range-thumb { width: 16px; height: 16px; border-radius: 50%; background: white; border: 1px solid var(--neutral-400); }
input:focus-visible { outline: 2px solid var(--color-accent); outline-offset: 4px; }
.ticks { display: flex; justify-content: space-between; font-size: 12px; color: var(--body-text-color-subdued); }
.ticks span { cursor: pointer; width: 2px; display: flex; justify-content: center; white-space: nowrap; }
.ticks span:first-child { justify-content: flex-start; } .ticks span:last-child { justify-content: flex-end; }
.ticks .on { color: var(--body-text-color); font-weight: 600; }
.ticks .locked { opacity: .55; cursor: not-allowed; }
"""


@dataclass(frozen=True)
class Stop:
    value: int
    label: str
    title: str = ""


class StopSlider(gr.HTML):
    """Value: one of the stops' numbers. Event `change`. The value comes from the browser: check it.

    locked: stops that cannot be chosen now; an update may change them.
    """

    def __init__(
        self,
        stops: Sequence[Stop] = (),
        value: int | None = None,
        *,
        label: str = "",
        locked: Sequence[int] = (),
        **kwargs: Any,
    ) -> None:
        self.stops = {stop.value for stop in stops}
        super().__init__(
            value,
            html_template=template(stops, label),
            css_template=CSS,
            js_on_load=JS_ON_LOAD,
            locked=list(locked),
            **kwargs,
        )

    def preprocess(self, payload: Any) -> int:
        try:
            value = int(payload)
        except (TypeError, ValueError):
            value = None
        if value not in self.stops:
            raise gr.Error(
                f"{str(payload)[:40]!r} is not offered; allowed are {sorted(self.stops)}", print_exception=False
            )
        return value

    def postprocess(self, value: int) -> int:
        return value

    def api_info(self) -> dict[str, Any]:
        return {"type": "integer", "enum": sorted(self.stops)}


def template(stops: Sequence[Stop], label: str) -> str:
    values = ",".join(str(stop.value) for stop in stops)
    ticks = "".join(
        f'<span data-index="{i}" title="{escape(stop.title)}">{escape(stop.label)}</span>'
        for i, stop in enumerate(stops)
    )
    return (
        f'<div class="stops" data-values="[{values}]"><div class="head"><b>{escape(label)}</b><span class="now"></span></div>'
        f'<input type="range" min="0" max="{len(stops) - 1}" step="1" aria-label="{escape(label)}">'
        f'<div class="ticks">{ticks}</div></div>'
    )
