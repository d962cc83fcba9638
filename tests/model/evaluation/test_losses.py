"""The gain is what the own caption is worth: nothing to a model that ignores text, all to one that reads it."""

from types import SimpleNamespace

import pytest
import torch

from model.evaluation.losses import main, measure, samples_of
from tests.model.conftest import tiny_image_tokenizer, tiny_pipeline
from tests.model.training.conftest import painted_art  # noqa: F401

SAMPLES = [(f"scene {i}", torch.full((4, 4), i), 64, 64) for i in range(20)]


def cell(loss):
    """A stand-in model that loses what ``loss`` says about a (caption, picture), and its collation."""

    def model(captions, pictures, **_):
        return SimpleNamespace(
            image_loss=torch.tensor([loss(c, p) for c, p in zip(captions, pictures.tolist())]).mean()
        )

    def collate(samples):
        captions, codes, *_ = zip(*samples)
        return {"captions": Movable(captions), "pictures": torch.stack(codes)[:, 0, 0]}

    collate.window, model.device = 2, "cpu"
    return model, collate


class Movable(tuple):
    def to(self, _):
        return self


def test_a_model_that_ignores_captions_gains_nothing():
    assert measure(*cell(lambda caption, picture: 2.0), SAMPLES, SAMPLES) == "2.000 ± 0.000 | 2.000 ± 0.000 | 0"


def test_a_reader_gains_the_nats_of_the_whole_picture():
    reader = cell(lambda caption, picture: 0.5 if caption == f"scene {picture}" else 0.75)
    assert measure(*reader, SAMPLES, SAMPLES).endswith("| 0.500 ± 0.000 | 4")


def test_scenes_are_new_of_the_seed_and_held_out_where_asked(painted_art):  # noqa: F811
    first, again, other = (samples_of(tiny_image_tokenizer(), "96x64", 4, seed, True) for seed in ("a", "a", "b"))
    assert first[0][0] == again[0][0] and torch.equal(first[0][1], again[0][1])
    assert [caption for caption, *_ in first] != [caption for caption, *_ in other]
    assert first[0][1].shape == (4, 6)


def test_a_size_without_a_cell_is_named(tmp_path):
    pipe = tiny_pipeline()
    pipe.config.trained_cells[0]["size"] = 128
    pipe.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="no trained cell of 999 px"):
        main(tmp_path, "999", 4, "a")
