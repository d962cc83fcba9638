"""What is stored of a picture says again how it was guided."""

from types import SimpleNamespace

import pytest

from app.drawing.record import guidance_of, setting_of, stored_weights
from app.results.pictures import step_weights
from app.studies.cache import flops_of

USED = {
    "width": 512,
    "height": 512,
    "shuffle_window": 2,
    "guidance_schedule": "half-linear",
    "guidance_scale": 3.0,
    "guidance_points": None,
    "guidance_range": [0.5, 0.8],
    "ramp_end": 0.3,
    "temperature": 1.0,
    "checkpoint": "test",
    "trained": True,
}


def test_stored_guidance_is_what_was_used():
    assert guidance_of(setting_of(USED)) == {
        "guidance_schedule": "half-linear",
        "guidance_scale": 3.0,
        "guidance_points": None,
        "guidance_range": (0.5, 0.8),
        "ramp_end": 0.3,
    }
    custom = {**USED, "guidance_schedule": "custom", "guidance_points": [[0, 1], [1, 2]], "guidance_range": None}
    assert guidance_of(setting_of(custom))["guidance_points"] == ((0, 1), (1, 2))


def test_weights_of_the_flaw_bands_and_flops_heed_the_interval():
    settings = setting_of(USED)
    made = SimpleNamespace(settings=settings, steps=11)
    assert step_weights(made) == stored_weights(settings, 11) == [1] * 5 + [3] * 4 + [1] * 2
    asked = []
    pipeline = SimpleNamespace(plan=lambda **given: asked.append(given) or {"flops": 1e12})
    checkpoints = SimpleNamespace(with_weights=lambda weights: weights, get=lambda _: pipeline)
    flops_of(SimpleNamespace(checkpoints=checkpoints), SimpleNamespace(settings=[settings]))
    assert asked[0]["guidance_range"] == (0.5, 0.8) and asked[0]["ramp_end"] == 0.3


def test_a_schedule_that_is_none_of_ours_has_no_weights():
    with pytest.raises(ValueError, match="guidance_schedule"):
        stored_weights({"schedule": "spiral", "scale": 2}, 4)
    assert step_weights(SimpleNamespace(settings={"width": 64}, steps=4)) == [1.0]
