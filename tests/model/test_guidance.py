"""Guidance schedules against the formulas, and what is refused."""

import pytest
import torch

from model import SCHEDULES, guidance_weights

NAMED = [name for name in SCHEDULES if name != "custom"]


def test_half_linear_rises_to_the_scale_at_mid_sequence():
    weights = guidance_weights("half-linear", 7.5, 101)
    assert weights[0] == 1 and weights[25] == 1 + 6.5 / 2
    assert torch.all(weights[50:] == 7.5)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [5, 5, 5]),
        ("linear", [1, 3, 5]),
        ("drop-first", [1, 5, 5]),
        ("sin", [1, 1 + 4 * 2**-0.5, 5]),
        ("sigmoid", [1, 3, 5]),
    ],
)
def test_formulas(schedule, expected):
    torch.testing.assert_close(guidance_weights(schedule, 5.0, 3), torch.tensor(expected, dtype=torch.float32))


@pytest.mark.parametrize("schedule", NAMED)
@pytest.mark.parametrize("steps", [1, 2, 64])
def test_every_schedule_is_monotone_and_within_the_scale(schedule, steps):
    weights = guidance_weights(schedule, 7.5, steps)
    assert weights.shape == (steps,) and weights.dtype == torch.float32
    assert torch.all(weights.diff() >= 0) and weights.min() >= 1 and weights.max() <= 7.5


def test_scale_one_is_unguided():
    for schedule in NAMED:
        assert torch.all(guidance_weights(schedule, 1.0, 9) == 1)


def test_interval_switches_guidance_off_outside():
    weights = guidance_weights("constant", 4.0, 11, interval=(0.2, 0.5))
    assert weights.tolist() == [1, 1, 4, 4, 4, 4, 1, 1, 1, 1, 1]


def test_ramp_end_moves_the_knee():
    assert guidance_weights("half-linear", 3.0, 5, ramp_end=0.25).tolist() == [1, 3, 3, 3, 3]


def test_custom_points_are_met_without_overshoot():
    weights = guidance_weights("custom", 1.0, 101, points=[(0.1, 1.0), (0.5, 8.0), (0.6, 2.0)])
    assert weights[10] == 1 and weights[50] == 8 and torch.all(weights[60:] == 2)
    assert weights.max() == 8 and weights.min() == 1
    assert torch.all(weights[10:51].diff() >= 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"schedule": "quadratic"}, "guidance_schedule is 'quadratic'; it must be one of half-linear"),
        ({"scale": 0.5}, "guidance_scale is 0.5; it must be between 1 and 30"),
        ({"scale": float("nan")}, "guidance_scale is nan"),
        ({"ramp_end": 0.0}, "ramp_end is 0.0"),
        ({"interval": (0.7, 0.2)}, r"guidance_range is \(0.7, 0.2\)"),
        ({"schedule": "custom"}, "guidance_points is None"),
        ({"schedule": "custom", "points": [(0.5, 2.0), (0.5, 3.0)]}, "they must increase"),
        ({"schedule": "custom", "points": [(1.5, 2.0)]}, "fraction of a guidance point is 1.5"),
        ({"schedule": "custom", "points": [(0.5, 99.0)]}, "weight of a guidance point is 99.0"),
        ({"schedule": "custom", "points": [(i / 12, 2.0) for i in range(13)]}, "13 points; at most 12"),
        ({"points": [(0.5, 2.0)]}, "guidance_points need guidance_schedule='custom'"),
        ({"steps": 0}, "steps is 0"),
        ({"scale": "7"}, "guidance_scale is '7'"),
        ({"scale": True}, "guidance_scale is True"),
        ({"ramp_end": None}, "ramp_end is None"),
        ({"interval": (0.1, 0.5, 0.9)}, "guidance_range is"),
        ({"interval": ("a", "b")}, "guidance_range is"),
        ({"schedule": "custom", "points": [0.5, 2.0]}, "guidance_points is"),
        ({"schedule": "custom", "points": 5}, "guidance_points is 5"),
    ],
)
def test_bad_values_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        guidance_weights(**{"schedule": "half-linear", "scale": 2.0, "steps": 4, **arguments})
