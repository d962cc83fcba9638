"""GenEval-shaped prompts over our vocabulary, and GenEval's rules for scoring a picture.

Categories, templates, prompt counts and rules follow Ghosh et al. 2023 (arXiv 2310.11513); the object
names are those that the art draws, and the detector is our own :mod:`model.evaluation.judge`. Figures are
therefore in-domain and cannot be compared with published GenEval scores.

``prompts.jsonl`` is built once by ``python -m model.evaluation.geneval`` and kept, because the allowed colours
are read from drawn art: with the file, scoring needs none.
"""

import json
import random
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from model.evaluation.judge import Detection, colour_of
from model.training.captions import plural, with_article
from model.training.scenes import Scene, arrange, combinations, draw_items, held_out
from model.training.vocabulary import CONCEPTS, NUMBERS

COUNTS = {"single_object": 80, "two_object": 99, "counting": 80, "colors": 94, "position": 100, "color_attr": 100}
SUBSET = 40  # prompts of each category in the small set
HELD_OUT = 0.4  # share of prompts with a held-out combination, where the category has combinations
RELATIONS = ("left of", "right of", "above", "below")
OFFSET = 0.1  # of the summed box sizes: smaller shifts are no relation
SETS = (6 * SUBSET, sum(COUNTS.values()))
FILE = Path(__file__).parent / "prompts.jsonl"

Item = tuple[str, str | None]  # object, colour


@dataclass(frozen=True)
class Prompt:
    """A prompt and what must be in its picture.

    items: what is named, in order; for counting one entry per object.
    relation: how the first item stands to the second.
    held_out: shows a combination that training never showed. small: belongs to the small set.
    """

    text: str
    category: str
    items: tuple[Item, ...]
    relation: str | None
    held_out: bool
    small: bool


# --- prompts --------------------------------------------------------------------------------------


def wording(category: str, items: tuple[Item, ...], relation: str | None) -> str:
    """GenEval's template."""
    if category == "counting":
        return f"a photo of {NUMBERS[len(items)]} {plural(items[0][0])}"
    phrases = [with_article(f"{colour} {name}" if colour else name) for name, colour in items]
    return "a photo of " + (f" {relation} " if relation else " and ").join(phrases)


def draw_prompts(category: str, seed: int = 0) -> list[Prompt]:
    """All prompts of a category: held-out and seen ones in a fixed ratio and a random order."""
    rng = random.Random(f"{seed}-{category}")
    names = rng.sample(list(CONCEPTS), COUNTS[category]) if category == "single_object" else []
    if names:
        drawn = [((name, None),) for name in names]
    else:
        unseen = round(COUNTS[category] * HELD_OUT)
        drawn = draw_distinct(rng, category, unseen, True) + draw_distinct(
            rng, category, COUNTS[category] - unseen, False
        )
    prompts = []
    for index, items in enumerate(drawn):
        relation = RELATIONS[index % 4] if category == "position" else None
        small = index < SUBSET if names else in_small_set(index, unseen)
        prompts.append(
            Prompt(
                wording(category, items, relation), category, items, relation, shows_held_out(category, items), small
            )
        )
    return prompts


def in_small_set(index: int, unseen: int) -> bool:
    """The first of the held-out prompts and the first of the seen ones, in the same ratio."""
    few = round(SUBSET * HELD_OUT)
    return index < few or unseen <= index < unseen + SUBSET - few


def draw_distinct(rng: random.Random, category: str, count: int, test: bool) -> list[tuple[Item, ...]]:
    """Different sets of items whose combinations are held out, or not."""
    found: dict[tuple[Item, ...], None] = {}
    while len(found) < count:
        items = tuple(draw_items(rng, category))
        if category == "counting":
            items = tuple((name, None) for name, _ in items)
        if shows_held_out(category, items) == test:
            found[items] = None
    return list(found)


def shows_held_out(category: str, items: tuple[Item, ...]) -> bool:
    return any(held_out(*combination) for combination in combinations(category, list(items)))


def write_prompts(path: Path = FILE) -> None:
    prompts = [prompt for category in COUNTS for prompt in draw_prompts(category)]
    path.write_text("".join(json.dumps(asdict(prompt)) + "\n" for prompt in prompts))


def read_prompts(count: int = SETS[-1], path: Path = FILE) -> list[Prompt]:
    """The full set of 553 prompts or the stratified small set of 240."""
    if count not in SETS:
        raise ValueError(f"prompts is {count}; the sets have {SETS[0]} and {SETS[1]}")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    prompts = [Prompt(**{**row, "items": tuple(map(tuple, row["items"]))}) for row in rows]
    return [prompt for prompt in prompts if prompt.small or count == SETS[-1]]


def draw_scene(prompt: Prompt, rng: random.Random, width: int = 512, height: int = 512) -> Scene:
    """A composed scene that is right by construction: what a perfect generator would draw."""
    return arrange(rng, prompt.category, list(prompt.items), prompt.relation, width, height)


# --- scoring --------------------------------------------------------------------------------------


def is_correct(prompt: Prompt, picture: Image.Image, found: list[Detection]) -> bool:
    """GenEval's verdict: everything asked for is there, with its colour and place; counts are exact."""
    of_name = {name: [d for d in found if d.name == name] for name, _ in prompt.items}
    if prompt.category == "counting":
        return len(of_name[prompt.items[0][0]]) == len(prompt.items)  # N included, N + 1 excluded
    if not all(of_name.values()):
        return False
    surest = [of_name[name][0] for name, _ in prompt.items]
    if prompt.relation:
        return prompt.relation in relations(surest[0].box, surest[1].box)
    return all(colour is None or colour_of(picture, d.box) == colour for (_, colour), d in zip(prompt.items, surest))


def relations(a: tuple[float, ...], b: tuple[float, ...]) -> set[str]:
    """How box ``a`` stands to box ``b``: centre offset less a tenth of the summed sizes, cosine over one half."""
    (ax, ay, aw, ah), (bx, by, bw, bh) = centre_and_size(a), centre_and_size(b)
    offset = np.array([ax - bx, ay - by])
    clear = np.maximum(np.abs(offset) - OFFSET * np.array([aw + bw, ah + bh]), 0) * np.sign(offset)
    if np.all(np.abs(clear) < 1e-3):
        return set()
    dx, dy = clear / np.linalg.norm(offset)
    tests = {"left of": dx < -0.5, "right of": dx > 0.5, "above": dy < -0.5, "below": dy > 0.5}
    return {name for name, true in tests.items() if true}


def centre_and_size(box: tuple[float, ...]) -> tuple[float, float, float, float]:
    left, top, right, bottom = box
    return (left + right) / 2, (top + bottom) / 2, right - left, bottom - top


if __name__ == "__main__":
    write_prompts()
