"""The judge's lessons: labels follow what happens to the picture, and the loss is least where it should be."""

import json
import random

import numpy as np
import pytest
import torch

from model.evaluation.judge import BOX_UNIT, Judge, JudgeNetwork, overlap, peaks
from model.evaluation.train_judge import bend, clip_labels, detection_loss, scramble, targets, train
from model.training.vocabulary import CONCEPTS
from tests.model.training.conftest import painted_art  # noqa: F401


def test_boxes_follow_a_bent_picture():
    pixels = torch.full((6, 3, 256, 256), -1.0)
    pixels[:, :, 96:160, 80:176] = 1.0
    bent, labels = bend(random.Random(0), pixels, [[(7, (80, 96, 176, 160))]] * 6)
    for picture, [(number, box)] in zip(bent, labels):
        rows, columns = (picture[0] > 0).nonzero(as_tuple=True)
        seen = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert number == 7
        assert np.allclose(box, [float(v) for v in seen], atol=6)  # the wobble moves edges a little


def test_objects_that_left_the_picture_lose_their_label():
    labels = [(0, (-20.0, 10.0, 80.0, 60.0)), (1, (-60.0, 10.0, 40.0, 60.0))]
    assert clip_labels(labels, 256, 256) == [(0, (0, 10.0, 80.0, 60.0))]


def test_scrambled_objects_lose_their_label(monkeypatch):
    monkeypatch.setattr("model.evaluation.train_judge.SCRAMBLED", 1.0)
    pixels = np.arange(64 * 64 * 3, dtype=np.uint8).reshape(64, 64, 3)
    before = pixels.copy()
    assert scramble(random.Random(0), pixels, [(3, (8, 8, 56, 56))]) == []
    assert (pixels[8:56, 8:56] != before[8:56, 8:56]).any()
    assert (pixels[:8] == before[:8]).all()


def test_targets_are_found_again_as_peaks():
    labels = [(2, (20.0, 30.0, 90.0, 110.0)), (5, (130.0, 60.0, 250.0, 200.0))]
    heat, sides, cells = targets([labels], 8, 16, 16)
    dense = torch.zeros(4, 16, 16)
    dense[:, cells[:, 1], cells[:, 2]] = sides.T
    found = peaks(heat[0], dense, 0.99)
    assert sorted((c, *map(round, box)) for c, _, box in found) == [(c, *map(round, box)) for c, box in labels]


def test_loss_falls_when_the_right_cell_lights_up():
    labels = [[(2, (20.0, 30.0, 90.0, 110.0))]]
    heat, wanted, cells = targets(labels, 4, 16, 16)
    quiet, sides = torch.full((1, 4, 16, 16), -6.0), torch.ones(1, 4, 16, 16)
    right, wrong = quiet.clone(), quiet.clone()
    right[heat == 1] = 6.0
    wrong[0, 3] = right[0, 2]
    losses = [detection_loss(logits, sides, labels)[0].item() for logits in (right, quiet, wrong)]
    assert losses[0] < losses[1] < losses[2]
    sides[0, :, cells[0, 1], cells[0, 2]] = wanted[0]
    assert detection_loss(quiet, sides, labels)[1] == pytest.approx(0, abs=1e-6)
    assert wanted.sum() * BOX_UNIT == pytest.approx(70 + 80)


def test_one_place_holds_one_object():
    heat, sides = torch.zeros(2, 16, 16), torch.ones(4, 16, 16)
    heat[0, 5, 5], heat[1, 5, 7] = 0.9, 0.6  # 32 px apart, boxes of 128 px
    assert [c for c, *_ in peaks(heat, sides, 0.3)] == [0]
    assert overlap((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1 / 3)


def test_a_saved_judge_sees_the_same(tmp_path):
    from PIL import Image

    torch.manual_seed(0)
    judge = Judge(JudgeNetwork(3), ["a", "b", "c"], 0.0)
    judge.save(tmp_path)
    picture = Image.effect_noise((300, 200), 60).convert("RGB")
    assert Judge.load(tmp_path).detect([picture]) == judge.detect([picture]) != [[]]


def test_a_short_leg_saves_a_judge_that_another_goes_on_from(painted_art, tmp_path):  # noqa: F811
    train(0.001, 2, 1e-3, seed=0, out=tmp_path / "one", start=None)
    train(0.001, 2, 0.0, seed=1, out=tmp_path / "two", start=tmp_path / "one")
    first, second = Judge.load(tmp_path / "one"), Judge.load(tmp_path / "two")
    assert first.names == list(CONCEPTS) and (first.threshold, second.threshold) == (0.3, 0.3)
    for name, parameter in second.network.named_parameters():
        assert torch.equal(parameter, first.network.get_parameter(name)), name  # a rate of 0 changes nothing
    config = json.loads((tmp_path / "two" / "config.json").read_text())
    assert (config["seed"], config["lr"], config["minutes"]) == (1, 0.0, 0.001) and config["pictures"] % 2 == 0
