"""A slider whose field may hold anything while somebody types in it."""

import gradio as gr


class BoundedSlider(gr.Slider):
    """What is out of range counts as the nearest bound, which the browser puts into the field once it is left; Gradio
    itself would refuse it. An emptied field counts as what the slider began with, and is filled with that."""

    is_template = True  # drawn as Gradio's own

    def preprocess(self, payload: float | None) -> float:
        given = self.value if payload is None else payload
        return super().preprocess(min(max(given, self.minimum), self.maximum))
