"""Expected seconds from what was measured: as many pictures at once, the same size and window, else in proportion."""

from types import SimpleNamespace

import pytest

from app.drawing.estimate import expected_seconds
from app.drawing.zerogpu import drawing_seconds


def row(seconds, num_images, steps=100):
    return SimpleNamespace(seconds=seconds, num_images=num_images, steps=steps, timings={"total": seconds})


@pytest.mark.parametrize(
    ("num_images", "same_cell", "others", "expected"),
    [
        (1, [row(2, 1), row(6, 4), row(6, 4), row(6, 4)], [], (2, 1)),
        (4, [row(2, 1), row(6, 4), row(6, 4)], [], (6, 2)),
        (2, [row(2, 1)], [], (4, 1)),
        (1, [], [row(8, 4, steps=200)], (0.5, 1)),
        (1, [], [], (None, 0)),
    ],
)
def test_seconds_are_those_of_as_many_pictures(num_images, same_cell, others, expected):
    assert expected_seconds(50, num_images, same_cell, others) == expected


def test_a_lent_gpu_is_asked_for_as_many_pictures():
    pipeline = SimpleNamespace(
        validate=lambda **settings: SimpleNamespace(width=1, height=1, shuffle_window=1, **settings), checkpoint="x"
    )
    store = SimpleNamespace(measured_seconds=lambda *_, **__: [row(2, 1), row(3, 1), row(20, 4)])
    assert [drawing_seconds(pipeline, store, {"num_images": count}) for count in (1, 4)] == [3, 20]
