"""Exact captions in many phrasings, built from what a scene really holds."""

import random

from model.training.vocabulary import CONCEPTS, NUMBERS

OPENINGS = (
    "",
    "",
    "",
    "a photo of ",
    "a photo of ",
    "a photo of ",
    "a picture of ",
    "an image of ",
    "a drawing of ",
    "a still life with ",
    "draw ",
    "show me ",
    "a painting of ",
    "an illustration of ",
)
POSITIONS = {
    "left of": ("{a} left of {b}", "{a} to the left of {b}", "{a} on the left side of {b}"),
    "right of": ("{a} right of {b}", "{a} to the right of {b}", "{a} on the right side of {b}"),
    "above": ("{a} above {b}", "{a} over {b}", "{a} on top of {b}"),
    "below": ("{a} below {b}", "{a} under {b}", "{a} beneath {b}", "{a} underneath {b}"),
}
TOGETHER = ("{a} and {b}", "{a} and {b}", "{a} next to {b}", "{a} beside {b}", "{a} together with {b}", "{a} with {b}")


def with_article(phrase: str) -> str:
    """``apple`` → ``an apple``; plural-only things get no article."""
    words = phrase.split()
    if words[-1] in PLURAL_ONLY and not {"pair", "bunch"} & set(words):
        return phrase
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def plural(name: str) -> str:
    """The plural that a count needs."""
    return CONCEPTS[name].plural or f"{name}s"


def noun(rng: random.Random, name: str) -> str:
    """The concept's own name, or now and then another word for it."""
    synonyms = CONCEPTS[name].synonyms
    return rng.choice(synonyms) if synonyms and rng.random() < 0.2 else name


def object_phrase(rng: random.Random, name: str, colour: str | None) -> str:
    """``a red car``."""
    word = noun(rng, name)
    return with_article(f"{colour} {word}" if colour else word)


def caption(
    rng: random.Random, kind: str, items: list[tuple[str, str | None]], relation: str | None, ground: str
) -> str:
    """The caption of a scene.

    Args:
        kind: a GenEval category: single_object, two_object, counting, colors, position, color_attr.
        items: (concept, colour) in the order in which the caption names them.
        relation: for ``position``: how the first item stands to the second.
        ground: a phrase such as ``on a blue background``, or an empty string.
    """
    if kind == "counting":
        name, colour = items[0]
        words = f"{colour} {plural(name)}" if colour else plural(name)
        number = len(items) if rng.random() < 0.15 else NUMBERS[len(items)]
        body = f"{number} {words}"
    elif kind in ("single_object", "colors"):
        body = object_phrase(rng, *items[0])
    else:
        pattern = rng.choice(POSITIONS[relation] if relation else TOGETHER)
        body = pattern.format(a=object_phrase(rng, *items[0]), b=object_phrase(rng, *items[1]))
    text = rng.choice(OPENINGS) + body
    return f"{text} {ground}" if ground else text


PLURAL_ONLY = {"skis", "scissors", "broccoli", "grapes", "cherries"}
