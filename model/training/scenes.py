"""Composed still lifes with exact captions: the pictures that the model learns from and is judged by.

Objects stand in squares of one size, at places that differ by whole windows of the largest shuffle, so that one
drawing always meets the token grid in the same way. That is what makes a small model on a small budget learn shapes
instead of offsets; a viewer does not notice. Below 512 px a picture shows less of the scene, not a smaller one, so
what is learned cheaply at 256 px holds at 512 px; above, everything grows with the picture.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

import numpy as np
from PIL import Image, ImageFilter

from model.training.art import colours_of, sprite, tones_of, visible_grounds
from model.training.captions import POSITIONS, caption
from model.training.vocabulary import CONCEPTS, GROUNDS

KINDS = ("single_object", "two_object", "counting", "colors", "position", "color_attr")
CODE = 16  # px, the side of what one code covers
STEP = 64  # px between places in scenes of up to 512 px: one window of s=4
OFFSET = 32  # px, the first place; objects are three windows large, so this centres one in 256 px and two in 512 px
OBJECT = 192  # px, the longer side of an object in scenes of up to 512 px
HELD_OUT_SHARE = 0.1
HELD_OUT_SEED = "token-shuffle-2504.17789"


@dataclass(frozen=True)
class Item:
    """One object of a scene; ``box`` is left, top, right, bottom in pixels."""

    name: str
    colour: str | None
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class Scene:
    """A picture with everything that is true about it."""

    image: Image.Image
    caption: str
    kind: str
    items: tuple[Item, ...]
    relation: str | None
    held_out: bool


def held_out(kind: str, key: tuple) -> bool:
    """Whether a combination (object pair, colour and object, count and object) is kept for testing."""
    text = "|".join([HELD_OUT_SEED, kind, *map(str, key)])
    return int.from_bytes(blake2b(text.encode(), digest_size=4).digest(), "big") < HELD_OUT_SHARE * 2**32


def combinations(kind: str, items: list[tuple[str, str | None]]) -> list[tuple[str, tuple]]:
    """The combinations that a set of objects shows, as arguments for :func:`held_out`."""
    found = [("colour", (colour, name)) for name, colour in items if colour]
    if kind == "counting":
        found.append(("count", (len(items), items[0][0])))
    elif len(items) == 2:
        found.append(("pair", tuple(sorted(name for name, _ in items))))
    return found


def draw_items(rng: random.Random, kind: str) -> list[tuple[str, str | None]]:
    """Objects (with colours where the kind asks for them), in caption order."""
    names = list(CONCEPTS)
    if kind == "single_object":
        return [(rng.choice(names), None)]
    if kind == "colors":
        name = rng.choice(names)
        return [(name, rng.choice(colours_of(name)))]
    if kind == "counting":
        name = rng.choice(names)
        colour = rng.choice(colours_of(name)) if rng.random() < 0.1 else None
        return [(name, colour)] * rng.randint(2, 4)
    first, second = rng.sample(names, 2)
    if kind != "color_attr":
        return [(first, None), (second, None)]
    colour_a = rng.choice(colours_of(first))
    colour_b = rng.choice([c for c in colours_of(second) if c != colour_a])
    return [(first, colour_a), (second, colour_b)]


def compose(rng: random.Random, kind: str, width: int, height: int, test: bool = False, tones: bool = False) -> Scene:
    """A random scene of a kind.

    Args:
        kind: one of :data:`KINDS`.
        width, height: multiples of 16 px.
        test: draw held-out combinations only; otherwise never one of them. A lone uncoloured
            object has no combination, so it is the same in both.
        tones: recoloured objects come in several tones of their colour, not in one.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown kind of scene {kind!r}; allowed: {', '.join(KINDS)}")
    while True:
        items = draw_items(rng, kind)
        flags = [held_out(*combination) for combination in combinations(kind, items)]
        if not flags or any(flags) == test:
            break
    relation = rng.choice(list(POSITIONS)) if kind == "position" else None
    return arrange(rng, kind, items, relation, width, height, tones)


def arrange(
    rng: random.Random,
    kind: str,
    items: list[tuple[str, str | None]],
    relation: str | None,
    width: int,
    height: int,
    tones: bool = False,
) -> Scene:
    """Draw given objects on a random ground that hides none of them, with the caption that describes them."""
    scale = magnification(width, height)
    rows = rows_of(rng, len(items), relation)
    visible = [ground for ground in GROUNDS if all(ground in visible_grounds(*item) for item in items)]
    ground, phrase = paint_ground(rng, width, height, floor=len(rows) == 1, grounds=visible)
    chosen = {item: rng.randrange(len(tones_of(*item))) if tones and item[1] else 0 for item in items}
    boxes, sprites = place(rng, items, chosen, relation, rows, width, height)
    canvas = Image.fromarray(ground)
    if relation not in ("above", "below"):  # a thing in the air casts no shadow
        for box in boxes:
            cast_shadow(canvas, box, scale)
    for box, pixels in zip(boxes, sprites):
        drawing = Image.fromarray(pixels)
        canvas.paste(drawing, box[:2], drawing)
    named = rng.random() < 0.35
    words = random.Random(rng.random())  # of its own, so that another word in a caption moves nothing in later scenes
    text = caption(words, kind, items, relation, phrase if named else "")
    placed = tuple(Item(name, colour, box) for (name, colour), box in zip(items, boxes))
    unseen = any(held_out(*combination) for combination in combinations(kind, items))
    return Scene(canvas, text, kind, placed, relation, unseen)


# --- where things stand -------------------------------------------------------------------------


def magnification(width: int, height: int) -> float:
    """How much larger than in a 512 px scene everything is drawn."""
    return max(1.0, min(width, height) / 512)


def rows_of(rng: random.Random, count: int, relation: str | None) -> tuple[int, ...]:
    """How many objects stand in each row, from the top."""
    if relation in ("above", "below"):
        return 1, 1
    if count <= 2:
        return (count,)
    return (2, 2) if count == 4 else rng.choice(((1, 2), (2, 1)))


def place(rng, items, tones, relation, rows, width, height):
    """Boxes and drawings of the objects, in caption order."""
    side = object_side(rows, width, height)
    order = list(range(len(items)))
    if relation in ("right of", "below"):
        order.reverse()
    elif relation is None:
        rng.shuffle(order)
    boxes: list = [None] * len(items)
    sprites: list = [None] * len(items)
    for index, (x, y) in zip(order, squares(rng, rows, side, width, height)):
        pixels = sprite(*items[index], side, tones[items[index]])
        tall, wide = pixels.shape[:2]
        # Within its square a drawing is always at the same codes: in the middle, standing on the lower edge.
        x, y = x + (side - wide) // 2 // CODE * CODE, y + (side - tall) // CODE * CODE
        boxes[index], sprites[index] = (x, y, x + wide, y + tall), pixels
    return boxes, sprites


def object_side(rows: tuple[int, ...], width: int, height: int) -> int:
    """Side of the square that an object gets: ``OBJECT``, magnified, or less where so many do not fit; whole codes."""
    cell = min(width / max(rows), height / len(rows))
    return int(min(OBJECT * magnification(width, height), 0.9 * cell)) // CODE * CODE


def squares(rng: random.Random, rows: tuple[int, ...], side: int, width: int, height: int) -> Iterator[tuple[int, int]]:
    """Left and top of every object's square, row by row. A single row stands in the lower part of the picture."""
    scale = magnification(width, height)
    if len(rows) == 1:
        tops = [choose_place(rng, 0, height, side, scale, wanted=0.74 * height - side)]
    else:
        tops = [choose_place(rng, r * height // 2, height // 2, side, scale, spread=0) for r in range(2)]
    for top, columns in zip(tops, rows):
        cell = width // columns
        for column in range(columns):
            yield choose_place(rng, column * cell, cell, side, scale), top


def choose_place(
    rng: random.Random, start: int, length: int, side: int, scale: float, wanted: float | None = None, spread: int = 1
) -> int:
    """One of the places in a stretch of px that lie within ``spread`` steps of the wanted one (None: the middle)."""
    step, offset = int(STEP * scale), int(OFFSET * scale)
    middle = start + (length - side) / 2 if wanted is None else wanted
    first = offset + -(-(start - offset) // step) * step
    places = [x for x in range(first, start + length - side + 1, step) if abs(x - middle) <= max(spread, 0.5) * step]
    return rng.choice(places) if places else int(min(max(middle, start), start + length - side)) // CODE * CODE


# --- grounds and shadows --------------------------------------------------------------------------


def paint_ground(
    rng: random.Random, width: int, height: int, floor: bool, grounds: Sequence[str] = tuple(GROUNDS)
) -> tuple[np.ndarray, str]:
    """One of at least two grounds, with a wall and a floor if wanted and lucky, and what a caption calls it."""
    shares = (0.35, 0.2, 0.45) if floor else (0.7, 0.3, 0)
    style = rng.choices(("plain", "gradient", "room"), shares)[0]
    name = rng.choice(grounds)
    if style == "room":
        other = rng.choice([ground for ground in grounds if ground != name])
        horizon = round(height * rng.choice((0.5625, 0.625)) / OFFSET) * OFFSET
        return room(name, other, width, height, horizon), f"on a {other} floor by a {name} wall"
    return backdrop(name, style == "gradient", width, height), f"on a {name} background"


@lru_cache(maxsize=256)
def backdrop(name: str, gradient: bool, width: int, height: int) -> np.ndarray:
    """One colour, or the same colour lighter at the top and deeper at the bottom: uint8 [h, w, 3]."""
    colour = np.array(GROUNDS[name], float)
    light = np.linspace(1.06, 0.88, height)[:, None, None] if gradient else np.ones((height, 1, 1))
    return np.clip(colour * light, 0, 255).repeat(width, axis=1).astype(np.uint8)


@lru_cache(maxsize=512)
def room(wall: str, floor: str, width: int, height: int, horizon: int) -> np.ndarray:
    """A wall above a floor: uint8 [h, w, 3]. Both are of one tone: every tone is another edge for every drawing."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[:horizon], picture[horizon:] = GROUNDS[wall], GROUNDS[floor]
    return picture


def cast_shadow(canvas: Image.Image, box: tuple[int, int, int, int], scale: float) -> None:
    """A soft contact shadow under an object."""
    width = box[2] - box[0]
    shadow = soft_ellipse(width, max(int(width * 0.16), 8), max(int(10 * scale), 2))
    x, y = box[0] - (shadow.width - width) // 2, box[3] - shadow.height // 2
    canvas.paste((20, 22, 30), (x, y), shadow)


@lru_cache(maxsize=512)
def soft_ellipse(width: int, height: int, blur: int) -> Image.Image:
    """An ellipse mask with soft edges; the margin of the mask is three blur radii."""
    margin = 3 * blur
    y, x = np.mgrid[: height + 2 * margin, : width + 2 * margin]
    inside = ((x - margin - width / 2) / (width / 2)) ** 2 + ((y - margin - height / 2) / (height / 2)) ** 2 < 1
    mask = Image.fromarray((inside * 110).astype(np.uint8))
    return mask.filter(ImageFilter.GaussianBlur(blur))
