"""Sliders beside whose field anything can be typed: Gradio's own refusal of what is out of range reaches nobody."""

import gradio as gr
from gradio.components import Number


class TypedSlider(gr.Slider):
    """Its bounds are those of dragging, and the browser's for a field that is left. Whatever else comes, half typed or of a
    picture that the API drew, is for the server's checks, which say what is wrong. An emptied field counts as what the
    slider began with."""

    def get_block_name(self) -> str:
        return "slider"  # drawn as Gradio's own

    def preprocess(self, payload: float | None) -> float:
        return Number.round_to_precision(self.value if payload is None else payload, self.precision)


class BoundedSlider(TypedSlider):
    """What is out of range counts as the nearest bound, which the browser puts into the field once it is left."""

    def preprocess(self, payload: float | None) -> float:
        return min(max(super().preprocess(payload), self.minimum), self.maximum)
