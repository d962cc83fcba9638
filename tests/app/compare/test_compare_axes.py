"""The range syntax and the crossing of axes."""

import pytest

from app.compare.axes import Axis, Crossing, crossing_from, parse_levels
from app.request import GenerationRequest

BASE = GenerationRequest("a cat", "a cat", seed=1)


def labels(name, text):
    return [level.label for level in parse_levels(name, text)]


def test_ranges_lists_and_both():
    assert labels("scale", "3..9 step 1.5") == ["scale 3", "scale 4.5", "scale 6", "scale 7.5", "scale 9"]
    assert labels("seed", "1..3, 7") == ["seed 1", "seed 2", "seed 3", "seed 7"]
    assert labels("window", "4, 2, 4") == ["s = 4", "s = 2"]
    assert labels("resolution", "512, 512x768") == ["512×512", "512×768"]
    assert labels("prompt", "a cat, sitting\na dog | a cup") == ["a cat, sitting", "a dog", "a cup"]


def test_schedules_carry_scale_or_points():
    scaled, custom = parse_levels("schedule", "constant 3, custom 0:1 0.5:7.5")
    assert scaled.changes["guidance_scale"] == 3
    assert custom.changes["guidance_points"] == ((0, 1), (0.5, 7.5))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("window", ""),
        ("window", "two"),
        ("window", "1.5"),
        ("scale", "9..3"),
        ("scale", "1..2 step 0"),
        ("seed", "0..100000"),
        ("schedule", "wave"),
        ("schedule", "custom"),
        ("resolution", "big"),
        ("colour", "1"),
        ("seed", "-1"),
        ("scale", "nan"),
    ],
)
def test_what_is_not_understood_is_refused(name, text):
    with pytest.raises(ValueError, match=r"\w"):
        parse_levels(name, text)


def test_a_crossing_is_every_combination_and_survives_storage():
    crossing = Crossing(BASE, (Axis("window", "2, 4"), Axis("schedule", "constant 2, linear 3"), Axis("scale", "5")))
    cells = crossing.cells()
    assert len(cells) == crossing.count() == 4
    assert cells[1].labels == ("s = 2", "linear 3", "scale 5")
    assert {cell.request.guidance_scale for cell in cells} == {5.0}  # the scale axis wins
    assert crossing_from(crossing.as_dict()) == crossing


def test_an_axis_stands_once():
    with pytest.raises(ValueError, match="two axes vary the window"):
        Crossing(BASE, (Axis("window", "1"), Axis("window", "2")))
