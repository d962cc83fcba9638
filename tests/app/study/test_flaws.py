"""Marks become rates by place, height and weight; uniform marking is flat, planted places stand out."""

import numpy as np
import pytest

from app.study import votes
from app.study.flaws import CODE_PX, Marked, code_mask, flaw_rates
from model.prompt import DOWNSAMPLE
from storage import preferences, schema

SETTINGS = {"window": 2, "width": 64, "height": 64}


def test_a_box_marks_the_codes_whose_centres_it_holds():
    mask = code_mask(4, 4, [(0.0, 0.0, 0.5, 0.25)])
    assert mask.tolist()[0] == [True, True, False, False] and mask.sum() == 2
    assert code_mask(4, 4, [(0.99, 0.99, 0.995, 0.995)])[3, 3]  # smaller than a code


def test_marks_on_one_place_of_the_window_stand_out_there_only():
    boxes = [((2 * c) / 4, (2 * r) / 4, (2 * c + 1) / 4, (2 * r + 1) / 4) for r in range(2) for c in range(2)]
    table = flaw_rates([Marked(SETTINGS, [1, 2, 3, 4], boxes)]).set_index(["kind", "bin"])
    assert table.loc[("place", "0,0"), "rate"] == 1 and table.loc[("place", "1,1"), "rate"] == 0
    assert table.loc["weight", "rate"].to_dict() == {"1": 0.25, "1.75": 0.25, "2.875": 0.25, "3.625": 0.25}


def test_weights_of_a_small_scale_fall_into_equal_bands():
    ramp = flaw_rates([Marked({**SETTINGS, "window": 1}, list(np.linspace(1, 1.5, 16)), [])])
    assert ramp[ramp["kind"] == "weight"]["bin"].tolist() == [f"{1 + i / 16:.4g}" for i in range(8)]
    assert ramp[ramp["kind"] == "weight"]["shown"].tolist() == [2] * 8
    level = flaw_rates([Marked(SETTINGS, [1.5], [])])
    assert level[level["kind"] == "weight"]["bin"].tolist() == ["1.5"]


def test_pictures_without_marks_count_as_shown():
    table = flaw_rates([Marked(SETTINGS, [1.0], []), Marked(SETTINGS, [1.0], [(0, 0, 1, 1)])])
    assert table["rate"].to_numpy() == pytest.approx(np.full(len(table), 0.5))
    assert table["marks"].max() == 1 and flaw_rates([]).empty


def test_the_interval_counts_pictures_and_covers_the_rate():
    random = np.random.default_rng(0)
    hits = []
    for _ in range(120):
        marked = random.random(30) < 0.4  # a mark covers the whole upper half, or nothing
        table = flaw_rates([Marked(SETTINGS, [1.0], [(0, 0, 1, 0.5)] if hit else []) for hit in marked])
        row = table[(table["kind"] == "place") & (table["bin"] == "0,0")].iloc[0]
        assert row["pictures"] == 30 and row["low"] <= row["rate"] <= row["high"]
        hits.append(row["low"] <= 0.2 <= row["high"])
    assert 0.90 <= np.mean(hits) <= 0.99


def test_one_picture_has_no_interval():
    table = flaw_rates([Marked(SETTINGS, [1.0], [(0, 0, 1, 1)])])
    assert table["low"].isna().all() and table["high"].isna().all()


def test_what_this_folder_repeats_so_that_it_loads_alone_is_the_same():
    assert (votes.ANSWERS, votes.TIES, CODE_PX) == (schema.ANSWERS, preferences.TIES, DOWNSAMPLE)
