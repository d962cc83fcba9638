"""Loose prompts become captions as the training had them; nothing known is lost on the way."""

import json
import random
from pathlib import Path

import pytest

from app.playground.rewrite import read, rewrite
from app.playground.words import Vocabulary, load_vocabulary, unknown_words
from model.pipeline import WEIGHTS
from model.training.captions import caption

KNOWN = load_vocabulary(WEIGHTS / "vocabulary.json")


@pytest.mark.parametrize(
    ("loose", "caption"),
    [
        ("draw me a cute red aple, please!", "a red apple"),
        ("Two green cars parked outside", "two green cars"),
        ("3 dogs", "three dogs"),
        ("cats", "two cats"),
        ("a dozen? no, five apples", "four apples"),
        ("a puppy sitting to the left of an orange clock", "a puppy left of an orange clock"),
        ("an orange cat", "an orange cat"),
        ("one orange", "an orange"),
        ("my sweet cat, right over that big blue sofa", "a cat above a blue sofa"),
        ("a person riding a bicycle", "a person and a bicycle"),
        ("funny bunny", "a bunny"),
        ("a hot dog against a light blue backdrop", "a hot dog on a light blue background"),
        ("a bear on a cream floor by a navy wall", "a bear on a cream floor by a navy wall"),
        ("<b>apple</b>", "an apple"),
        ("knives", "two knives"),
        ("pair of scissors", "a pair of scissors"),
        ("a grizzly bear", "a bear"),  # CLDR's words, which the shipped weights never read, become the name
        ("an old computer, left of a computer mouse", "a laptop left of a computer mouse"),
        ("two terrapins", "two turtles"),
        ("my satchel", "a backpack"),
        ("no apples, only a cat", "a cat"),
        ("a cat without a dog and a car", "a cat and a car"),
        ("12 dogs", "four dogs"),
    ],
)
def test_what_is_known_stays_in_the_captions_words(loose, caption):
    assert rewrite(loose, KNOWN) == caption


@pytest.mark.parametrize(
    ("loose", "notes"),
    [
        ("a cat, a dog and a red car", ["two things at most: the car is left out"]),
        ("a cat, a dog, two cars and a clock", ["two things at most: the cars and the clock are left out"]),
        ("five apples", ["four is the highest count"]),
        (
            "ten bananas and five cars and a clock",
            ["two things at most: the clock is left out", "four is the highest count"],
        ),
        ("many apples", []),
        ("a dog and no cat", []),
    ],
)
def test_what_captions_cannot_say_is_told(loose, notes):
    assert read(loose, KNOWN).notes == notes


def test_words_of_any_script_are_whole():
    assert list(unknown_words("ein Bär, 猫", KNOWN)) == ["ein", "bär", "猫"]
    assert unknown_words("ten bananas without a clock", KNOWN) == {}


@pytest.mark.parametrize("text", ["sunset over the sea", "red and green", "", "   ", "über 💥"])
def test_without_a_known_object_the_text_stays(text):
    assert rewrite(text, KNOWN) == text.strip()


def test_another_checkpoint_another_vocabulary():
    assert rewrite("a cute duck and a cat", Vocabulary(("duck",))) == "a duck"
    assert rewrite("a cute duck", Vocabulary()) == "a cute duck"
    assert rewrite("a grizzly", Vocabulary(("bear",), wordings=frozenset({"grizzly"}))) == "a grizzly"


@pytest.mark.parametrize("seed", range(40))
def test_a_training_caption_keeps_its_things_colours_and_counts(seed):
    rng = random.Random(seed)
    one, two = rng.sample([name for name in KNOWN.objects if name != "orange"], 2)
    colour = rng.choice([each for each in KNOWN.colours if each != "orange"])
    text = caption(rng, "position", [(one, colour), (two, None)], "left of", "on a mint background")
    again = rewrite(text, KNOWN)
    assert rewrite(again, KNOWN) == again and again.endswith("on a mint background") and " left of " in again
    assert colour in again.split()
    many = rewrite(caption(rng, "counting", [(one, colour)] * 3, None, ""), KNOWN)
    assert many.startswith(f"three {colour} ")


def test_the_prompts_of_the_evaluation_are_already_in_that_phrasing():
    lines = (Path(WEIGHTS).parent / "evaluation" / "prompts.jsonl").read_text(encoding="utf-8").splitlines()
    for row in map(json.loads, lines):
        again = rewrite(row["text"], KNOWN)
        for _, colour in row["items"]:
            assert colour is None or colour in again.split(), f"{row['text']!r} became {again!r}"
        assert len(set(map(tuple, row["items"]))) == 1 or any(
            word in again for word in (" and ", " of ", " above ", " below ")
        )
