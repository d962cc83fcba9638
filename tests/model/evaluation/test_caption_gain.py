"""The gain is what the own caption is worth: nothing to a model that ignores text, all to one that reads it."""

import pytest
import torch

from model.evaluation.caption_gain import caption_gain, measure
from tests.model.conftest import tiny_pipeline

SAMPLES = [(f"scene {i}", torch.full((4, 4), i), 64, 64) for i in range(20)]


def test_a_model_that_ignores_captions_gains_nothing():
    assert caption_gain(lambda batch: 2.0, SAMPLES)["gain_nats"] == 0


def test_a_reader_gains_the_nats_of_the_whole_picture():
    def score(batch):
        return sum(0.5 if text == f"scene {codes[0, 0].item()}" else 0.75 for text, codes, *_ in batch) / len(batch)

    assert caption_gain(score, SAMPLES) == pytest.approx({"loss": 0.5, "gain_nats": 4.0, "samples": 20})


def test_an_empty_folder_says_what_to_run(tmp_path):
    tiny_pipeline().save_pretrained(tmp_path / "weights")
    with pytest.raises(ValueError, match="--held-out"):
        measure(tmp_path / "weights", tmp_path / "none", 2, 4)
