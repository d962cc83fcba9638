"""Pairs differ in exactly one factor; controls are what they claim."""

import numpy as np
import pytest

from app.study.design import (
    generation_frame,
    identical_pairs,
    matched_pairs,
    setting_levels,
    wrong_prompt_pairs,
)
from app.study.simulate import Plan
from app.study.votes import FACTORS


@pytest.fixture
def pictures():
    return Plan(prompts=3).generations()


def test_matched_pairs_share_prompt_and_seed_and_differ_in_one_factor(pictures):
    by_id = pictures.set_index("generation")
    pairs = matched_pairs(pictures)
    assert len(pairs) == 3 * 24  # 12 windows + 6 schedules + 6 resolutions a prompt
    for row in pairs.itertuples():
        a, b = by_id.loc[row.a], by_id.loc[row.b]
        assert [f for f in FACTORS if a[f] != b[f]] == [row.factor]
        assert a["prompt"] == b["prompt"] == row.prompt


def test_other_seed_or_other_rest_never_match(pictures):
    pictures["seed"] = range(len(pictures))
    assert matched_pairs(pictures).empty
    pictures["seed"], pictures["rest"] = 0, [str(i) for i in range(len(pictures))]
    assert matched_pairs(pictures).empty


def test_picture_a_has_the_earlier_level(pictures):
    pairs = matched_pairs(pictures.iloc[::-1])
    assert set(pairs["block"]) >= {"window 1 | 4", "resolution 64×64 | 128×128"}


def test_settings_become_levels_and_the_rest():
    base = {
        "window": 2,
        "schedule": {"kind": "linear", "end": 0.5},
        "scale": 4.0,
        "width": 64,
        "height": 32,
        "top_k": 0,
    }
    levels = setting_levels(base)
    assert levels["window"] == 2 and levels["schedule"] == "linear 4" and levels["resolution"] == "64×32"
    assert setting_levels(base | {"top_k": 50})["rest"] != levels["rest"]
    assert setting_levels(base | {"window": 4, "scale": 7.5})["rest"] == levels["rest"]


def test_the_shape_of_a_schedule_is_its_level_and_being_trained_is_none():
    base = {"window": 2, "width": 64, "height": 64, "scale": 7.5, "trained": True}
    half = base | {"schedule": {"kind": "half-linear", "ramp_end": 0.5}}
    steep = base | {"schedule": {"kind": "half-linear", "ramp_end": 0.3}, "trained": False}
    custom = base | {"schedule": {"kind": "custom", "points": [[0, 1], [1, 7]]}}
    levels = [setting_levels(settings) for settings in (half, steep, custom)]
    assert [level["schedule"] for level in levels] == ["half-linear 7.5", "half-linear 7.5 ramp 0.3", "custom 0:1 1:7"]
    assert len({level["rest"] for level in levels}) == 1


def test_wrong_prompt_pairs_change_the_prompt_only(pictures):
    by_id = pictures.set_index("generation")
    pairs = wrong_prompt_pairs(pictures, 10, np.random.default_rng(0))
    assert len(pairs) == 10
    for row in pairs.itertuples():
        a, b = by_id.loc[row.a], by_id.loc[row.b]
        assert a["prompt"] != b["prompt"] and (a[list(FACTORS)] == b[list(FACTORS)]).all()


def test_identical_pairs_show_one_picture_twice(pictures):
    pairs = identical_pairs(pictures, 4, np.random.default_rng(0))
    assert len(pairs) == 4 and (pairs["a"] == pairs["b"]).all()


def test_no_pictures_no_pairs():
    assert matched_pairs(generation_frame([])).empty
