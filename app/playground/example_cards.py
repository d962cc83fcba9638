"""Examples as a row of pictures that can be chosen. Records -> safe HTML; the choice comes back as an event."""

from collections.abc import Sequence
from html import escape

from app.playground.examples import Example

JS_ON_LOAD = """
element.addEventListener('click', e => {
  const card = e.target.closest('.example');
  if (card) trigger('choose', {index: Number(card.dataset.index)});
});
"""


def examples_html(examples: Sequence[Example]) -> str:
    return f'<div class="examples">{"".join(example_html(i, each) for i, each in enumerate(examples))}</div>'


def example_html(index: int, example: Example) -> str:
    request = example.request
    note = f"{request.width} px · s={request.shuffle_window} · {example.steps} steps"
    return (
        f'<button type="button" class="example" data-index="{index}"><img src="{escape(example.url)}" alt="" loading="lazy">'
        f"<span>{escape(request.typed)}<small>{escape(note)}</small></span></button>"
    )
