"""What is typed beside a slider is never refused by Gradio."""

import pytest

from app.components.typed_slider import BoundedSlider, TypedSlider


@pytest.mark.parametrize(
    ("typed", "given", "bounded"), [(0.7, 0.7, 0.7), (99999, 99999, 2), (-5, -5, 0.05), (0, 0, 0.05), (None, 1, 1)]
)
def test_what_is_typed_is_left_to_the_servers_checks_or_brought_into_range(typed, given, bounded):
    assert TypedSlider(0.05, 2, 1, step=0.05).preprocess(typed) == given
    assert BoundedSlider(0.05, 2, 1, step=0.05).preprocess(typed) == bounded
