"""What is typed beside a slider is what counts, or the nearest that does."""

import pytest

from app.components.bounded_slider import BoundedSlider


@pytest.mark.parametrize(("typed", "counts"), [(0.7, 0.7), (99999, 2), (-5, 0.05), (0, 0.05), (None, 1)])
def test_nothing_typed_is_refused(typed, counts):
    assert BoundedSlider(0.05, 2, 1, step=0.05).preprocess(typed) == counts
