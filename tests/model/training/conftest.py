"""Stand-in art and tiny shards: what is tested is the code, so no download is needed."""

import json
import random
from pathlib import Path

import pytest
from accelerate.state import AcceleratorState
from PIL import Image, ImageDraw

from model.training import art
from model.training.vocabulary import CONCEPTS
from tests.model.conftest import tiny_image_tokenizer


def paint_art(folder: Path) -> None:
    """A shaded blob of its own shape for every concept."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, concept in enumerate(CONCEPTS.values()):
        rng = random.Random(index)
        image = Image.new("RGBA", (96, 96))
        draw = ImageDraw.Draw(image)
        colour = tuple(rng.randint(40, 220) for _ in range(3))
        draw.ellipse((4, 4, rng.randint(60, 92), 92), fill=(*colour, 255))
        draw.rectangle((30, 30, 50, 60), fill=(*(c // 2 for c in colour), 255))
        draw.ellipse((20, 16, 34, 30), fill=(250, 250, 250, 255))
        image.save(folder / f"{concept.icon}.png")


@pytest.fixture(scope="session", autouse=True)
def painted_art(tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    paint_art(cache / "art")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOKEN_SHUFFLE_CACHE", str(cache))
        art.raster.cache_clear()
        art.sprite.cache_clear()
        yield


@pytest.fixture(autouse=True)
def fresh_accelerator():
    """A process has one accelerator, and its precision is fixed when it is first made."""
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="session")
def vocabulary(tmp_path_factory) -> Path:
    """The files of the text tokenizer, which takes seconds to train: a run folder that has them trains none."""
    from model.training.text_tokenizer import load_or_train

    folder = tmp_path_factory.mktemp("vocabulary")
    load_or_train(folder)
    return folder


@pytest.fixture(scope="session")
def shards(painted_art, tmp_path_factory) -> Path:
    """Shard folders of 64 px scenes, 16 codes each, with a held-out folder beside them."""
    from model.training.shards import write_shards

    folder = tmp_path_factory.mktemp("shards")
    for name, test, count in (("64", False, 192), ("64-held-out", True, 48)):
        write_shards(folder / name, tiny_image_tokenizer(), 64, 64, count=count, test=test, seed="test")
    return folder


@pytest.fixture
def recipe(tmp_path) -> Path:
    """A recipe whose model trains in seconds."""
    path = tmp_path / "recipe.json"
    path.write_text(
        json.dumps(
            {
                "preset": "small",
                "seed": 0,
                "precision": "no",
                "log_steps": 1,
                "optimizer": "adamw",
                "lr": 0.003,
                "warmup_steps": 2,
                "decay_share": 0.2,
                "clip": 1.0,
                "ema": 0.9,
                "caption_dropout": 0.1,
                "model": {
                    "hidden_size": 32,
                    "intermediate_size": 64,
                    "num_hidden_layers": 2,
                    "num_attention_heads": 4,
                    "image_vocab_size": 64,
                    "code_width": 8,
                    "window_head_width": 32,
                    "shuffle_windows": [1, 2],
                },
                "cells": [
                    {"size": 64, "window": 2, "batch": 4, "repeat_fraction": 0.5, "weight": 0.5},
                    {"size": 64, "window": 1, "batch": 4, "repeat_fraction": 0.5, "weight": 0.5},
                ],
            }
        )
    )
    return path
