"""How often the judge is right about pictures that are right: ``python -m model.evaluation.ceiling``.

Every one of the 553 prompts gets a composed scene that shows exactly what it asks for, in layouts that the
judge never saw. What is missing from 1.00 is the judge's own error, which no generator can make good.
``--tokenizer`` adds the same scenes after a trip through an image tokenizer: the ceiling of any generator
that draws with its codes. ``--wrong`` asks for near misses instead (another object, one more, another
colour, the opposite side): the share that the judge lets pass although it should not.
"""

import argparse
import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from model.evaluation.geneval import Prompt, draw_scene, is_correct, read_prompts
from model.evaluation.judge import FOLDER, Judge
from model.evaluation.scores import Rate, markdown, rate, table
from model.image_tokenizer import ImageTokenizer
from model.pixels import from_bytes, to_bytes
from model.training.vocabulary import COLOURS, CONCEPTS

SEED = "ceiling"  # scenes of training come from other seeds


def round_trip(tokenizer: ImageTokenizer) -> Callable[[Image.Image], Image.Image]:
    """A picture → its codes → a picture."""

    def trip(picture: Image.Image) -> Image.Image:
        back = tokenizer.decode(tokenizer.encode(from_bytes(np.array(picture))[None]))[0]
        return Image.fromarray(to_bytes(back.permute(1, 2, 0)).numpy())

    return trip


def verdicts(judge: Judge, prompts: list[Prompt], asked: list[Prompt], size: int, change: Callable) -> list[list[bool]]:
    """Whether the scene of each of ``prompts``, changed by ``change``, passes for what is ``asked``."""
    rng = random.Random(SEED)
    right = []
    for prompt, question in zip(prompts, asked):
        picture = change(draw_scene(prompt, rng, size, size).image)
        right.append([is_correct(question, picture, judge.detect([picture])[0])])
    return right


def by_colour(prompts: list[Prompt], verdicts: list[list[bool]]) -> dict[str, dict[str, Rate]]:
    """Rates over the prompts that name a colour, for every colour."""
    named = [({colour for _, colour in prompt.items}, right) for prompt, right in zip(prompts, verdicts)]
    return {colour: {"all": rate(right for colours, right in named if colour in colours)} for colour in COLOURS}


def report(prompts: list[Prompt], verdicts: list[list[bool]]) -> str:
    return markdown(table(prompts, verdicts)) + "\n\n" + markdown(by_colour(prompts, verdicts), "colour")


def near_miss(prompt: Prompt) -> Prompt:
    """A prompt that is wrong about the scene in one respect: an object, the count, a colour, the relation."""
    first, *rest = prompt.items
    if prompt.category == "counting":
        return replace(prompt, items=(first,) * (len(prompt.items) + 1 if len(prompt.items) < 4 else 3))
    if prompt.category == "colors":
        return replace(prompt, items=((first[0], following(COLOURS, first[1])),))
    if prompt.category == "position":
        return replace(
            prompt,
            relation={"left of": "right of", "right of": "left of", "above": "below", "below": "above"}[
                prompt.relation
            ],
        )
    if prompt.category == "color_attr":
        return replace(prompt, items=((first[0], rest[0][1]), (rest[0][0], first[1])))
    last = prompt.items[-1]
    return replace(prompt, items=(*prompt.items[:-1], (following(CONCEPTS, last[0]), None)))


def following(names: Iterable[str], name: str) -> str:
    """The next name in a list, round about."""
    names = list(names)
    return names[(names.index(name) + 1) % len(names)]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--judge", type=Path, default=FOLDER)
    parser.add_argument("--tokenizer", help="folder of an image tokenizer")
    parser.add_argument("--size", type=int, default=512, help="px")
    parser.add_argument("--prompts", type=int, default=553, help="240 or 553")
    parser.add_argument("--wrong", action="store_true", help="ask for near misses")
    return parser.parse_args()


if __name__ == "__main__":
    a = parse()
    loaded = Judge.load(a.judge)
    every = read_prompts(a.prompts)
    asked_for = [near_miss(p) for p in every] if a.wrong else every
    print(
        f"Scenes as composed, {a.size} px\n\n" + report(every, verdicts(loaded, every, asked_for, a.size, lambda p: p))
    )
    if a.tokenizer:
        trip = round_trip(ImageTokenizer.from_pretrained(a.tokenizer).eval())
        print("\nAfter the image tokenizer\n\n" + report(every, verdicts(loaded, every, asked_for, a.size, trip)))
