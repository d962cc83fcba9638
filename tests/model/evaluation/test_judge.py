"""Colours from pixels; the shipped judge on scenes that it never saw."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from model.evaluation.geneval import Prompt, is_correct
from model.evaluation.judge import Judge, colour_of, to_input
from model.training.vocabulary import COLOURS, GROUNDS

SCENES = Path(__file__).parent / "scenes"


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("ground", ["white", "peach", "navy"])
def test_colour_of_a_shape_is_not_that_of_the_ground(colour, ground):
    picture = Image.new("RGB", (512, 512), GROUNDS[ground])
    ImageDraw.Draw(picture).ellipse((150, 150, 350, 350), fill=COLOURS[colour])
    for box in ((150, 150, 350, 350), (140, 158, 345, 362)):
        assert colour_of(picture, box) == colour


def test_the_object_is_not_taken_for_ground_when_its_box_is_too_small():
    picture = Image.new("RGB", (512, 512), GROUNDS["mint"])
    pen = ImageDraw.Draw(picture)
    pen.rectangle((150, 150, 350, 350), fill=COLOURS["red"])
    pen.ellipse((200, 200, 300, 300), fill=COLOURS["black"])
    assert colour_of(picture, (160, 162, 343, 340)) == "red"


def test_colour_of_a_box_that_fills_the_picture():
    assert colour_of(Image.new("RGB", (64, 64), COLOURS["red"]), (-3, -2, 70, 66)) == "red"


@pytest.mark.parametrize(
    ("size", "shape"), [((512, 512), (256, 256)), ((1024, 512), (256, 512)), ((300, 500), (432, 256))]
)
def test_input_has_256_px_on_its_shorter_side(size, shape):
    assert to_input(Image.new("RGB", size)).shape == (3, *shape)


def scenes() -> list[tuple[Prompt, Path]]:
    rows = json.loads((SCENES / "prompts.json").read_text())
    return [(Prompt(**{**row, "items": tuple(map(tuple, row["items"]))}), SCENES / name) for name, row in rows.items()]


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge.load()


@pytest.mark.parametrize(("prompt", "path"), scenes(), ids=lambda x: getattr(x, "text", ""))
def test_shipped_judge_accepts_what_is_there_and_nothing_else(judge, prompt, path):
    picture = Image.open(path)
    found = judge.detect([picture])[0]
    assert is_correct(prompt, picture, found)
    others = [other for other, _ in scenes() if other != prompt]
    assert not any(is_correct(other, picture, found) for other in others)


def test_shipped_judge_finds_boxes_at_any_size(judge):
    path = next(path for prompt, path in scenes() if prompt.category == "position")
    small = Image.open(path)
    large = small.resize((2 * small.width, 2 * small.height))
    for a, b in zip(judge.detect([small])[0], judge.detect([large])[0], strict=True):
        assert a.name == b.name
        assert np.allclose(2 * np.array(a.box), b.box, atol=24)


def test_an_empty_ground_holds_nothing(judge):
    assert judge.detect([Image.new("RGB", (256, 256), GROUNDS[name]) for name in GROUNDS]) == [[] for _ in GROUNDS]
