"""The art that the model learns from: Fluent Emoji (Microsoft, MIT), drawn once into a local cache.

``python -m model.training.art`` fetches the npm package and draws every concept of
:mod:`model.training.vocabulary`; later calls find the rasters in the cache folder
(``TOKEN_SHUFFLE_CACHE``, by default ``~/.cache/token-shuffle``).
"""

import io
import json
import os
import subprocess
import tarfile
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from model.training.vocabulary import COLOURS, CONCEPTS, GROUNDS

PACKAGE = "@iconify-json/fluent-emoji@1.2.7"
GROUND_DISTANCE = 0.05  # in OKLab with lightness at half weight: what differs more is object
HIDDEN = 0.4  # share of a drawing that may look like its ground: white things on white could not be told from it
TONES = ("red", "yellow", "blue", "black", "white")  # a recoloured object is also drawn with a fifth of one of these
SCENE_PX = 192  # about the size in which scenes of 512 px show a drawing
RASTER_PX = 768  # the largest object of a 1024 px scene is 704 px wide


def cache_folder() -> Path:
    """Where fetched art, shards and checkpoints live."""
    return Path(os.environ.get("TOKEN_SHUFFLE_CACHE", Path.home() / ".cache" / "token-shuffle"))


def fetch_icons(folder: Path) -> dict:
    """Download the icon package with ``npm pack`` and return its icons by name."""
    archive = folder / "fluent-emoji.tgz"
    if not archive.exists():
        folder.mkdir(parents=True, exist_ok=True)
        packed = subprocess.run(
            ["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True, capture_output=True, text=True
        )
        (folder / packed.stdout.strip()).rename(archive)
    with tarfile.open(archive) as tar:
        return json.load(tar.extractfile("package/icons.json"))["icons"]


def draw_all(folder: Path) -> None:
    """Draw every concept as an RGBA raster of ``RASTER_PX``, skipping those already drawn."""
    import resvg_py

    icons = None
    folder.mkdir(parents=True, exist_ok=True)
    for concept in CONCEPTS.values():
        path = folder / f"{concept.icon}.png"
        if path.exists():
            continue
        icons = icons or fetch_icons(folder)
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">{icons[concept.icon]["body"]}</svg>'
        png = resvg_py.svg_to_bytes(svg_string=svg, width=RASTER_PX, height=RASTER_PX)
        Image.open(io.BytesIO(bytes(png))).convert("RGBA").save(path)


@lru_cache(maxsize=512)
def raster(name: str) -> Image.Image:
    """The concept's drawing, cropped to its content, as an RGBA image."""
    path = cache_folder() / "art" / f"{CONCEPTS[name].icon}.png"
    if not path.exists():
        raise FileNotFoundError(f"no drawing of {name!r}: run `python -m model.training.art` first")
    image = Image.open(path)
    return image.crop(image.getchannel("A").point(lambda a: 255 * (a > 8)).getbbox())


@lru_cache(maxsize=16384)
def sprite(name: str, colour: str | None, size: int, tone: int = 0) -> np.ndarray:
    """A concept in a colour (None: as drawn), its longer side ``size`` px: uint8 [h, w, 4].

    tone: which of :func:`tones_of` a recoloured one gets. Raises ValueError if the colour check refuses the combination.
    """
    image = raster(name)
    scale = size / max(image.size)
    small = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    pixels = np.array(small)
    if colour is None or colour == natural_colour(name):
        return pixels
    if colour not in colours_of(name):
        raise ValueError(f"{name} does not look {colour} when recoloured; allowed: {colours_of(name)}")
    return recolour(pixels, tones_of(name, colour)[tone])


def recolour(pixels: np.ndarray, target: tuple[int, int, int]) -> np.ndarray:
    """Map lightness to shades of one RGB colour, so that shading and dark details stay: [h, w, 4]."""
    return np.concatenate([shades(target)[levels(pixels)], pixels[..., 3:]], axis=-1)


def levels(pixels: np.ndarray) -> np.ndarray:
    """Lightness of a drawing [h, w, 4] in 256 steps, every one pulled to the same middle: a black umbrella can become yellow."""
    luma = pixels[..., :3] @ np.array([0.299, 0.587, 0.114])
    low, middle, high = np.percentile(luma[pixels[..., 3] > 128], [2, 50, 98])
    span = max(high - low, 40)
    return (255 * np.clip(0.5 + 0.8 * (luma - 0.5 * (middle + 0.5 * (low + high))) / span, 0, 1)).astype(np.uint8)


def shades(target: tuple[int, int, int]) -> np.ndarray:
    """A colour from dark to light, uint8 [256, 3]."""
    target = np.array(target, float)
    stops = np.stack([target * 0.25, target * 0.8, target, target + (255 - target) * 0.55])
    steps = np.linspace(0, 1, 256)
    return np.stack([np.interp(steps, [0, 0.3, 0.6, 1], stops[:, c]) for c in range(3)], axis=-1).astype(np.uint8)


def name_colours(pixels: np.ndarray) -> dict[str, float]:
    """Share of the pixels [n, 3] that fall to each basic colour name, largest first."""
    shares = np.bincount(nearest_names(pixels), minlength=len(ANCHORS)) / max(len(pixels), 1)
    return dict(sorted(zip(ANCHORS, shares.tolist()), key=lambda pair: -pair[1]))


def nearest_names(pixels: np.ndarray) -> np.ndarray:
    """Which of the names in ``ANCHORS`` each of the pixels [n, 3] has."""
    lab = _lab(pixels.astype(float))
    anchors = _lab(np.array([rgb for name in ANCHORS for rgb in ANCHORS[name]], float))
    owner = np.repeat(np.arange(len(ANCHORS)), list(map(len, ANCHORS.values())))
    return owner[((lab[:, None] - anchors[None]) ** 2).sum(-1).argmin(1)]


@lru_cache(maxsize=1024)
def natural_colour(name: str) -> str | None:
    """The colour name of the drawing itself, if one name covers most of it."""
    pixels = np.array(raster(name).resize((48, 48)))
    best, share = next(iter(name_colours(pixels[pixels[..., 3] > 200][:, :3]).items()))
    return best if share > 0.85 and best in COLOURS else None


@lru_cache(maxsize=4096)
def visible_grounds(name: str, colour: str | None) -> tuple[str, ...]:
    """Grounds that less than ``HIDDEN`` of a concept's pixels in a colour (None: as drawn) are too close to tell from."""
    pixels = sprite(name, colour, 48)
    hidden = near(pixels[pixels[..., 3] > 200][:, :3], np.array(list(GROUNDS.values()))).mean(0)
    return tuple(ground for ground, share in zip(GROUNDS, hidden) if share < HIDDEN)


def near(pixels: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """Which pixels [n, 3] the judge would take for which colours of the ground [m, 3]: bool [n, m]."""
    lab, around = _lab(pixels.astype(float)), _lab(ground.astype(float))
    return ((lab[:, None] - around[None]) ** 2).sum(-1) <= GROUND_DISTANCE**2


@lru_cache(maxsize=1024)
def colours_of(name: str) -> tuple[str, ...]:
    """Colours whose recoloured raster is named as intended over at least half of its pixels."""
    counts = level_counts(name)
    return tuple(colour for colour, target in COLOURS.items() if looks(counts, target, colour))


@cache
def tones_of(name: str, colour: str) -> tuple[tuple[int, int, int], ...]:
    """The colour itself and, by mixing some of another into it, further tones that keep its name on this drawing.

    A model that meets every object in one exact raster a colour learns a list of pictures; many tones make it learn colour.
    """
    counts, own = level_counts(name), COLOURS[colour]
    mixed = [tuple(round(0.8 * a + 0.2 * b) for a, b in zip(own, COLOURS[other])) for other in TONES if other != colour]
    return (own, *(tone for tone in mixed if looks(counts, tone, colour)))


@lru_cache(maxsize=1024)
def level_counts(name: str) -> np.ndarray:
    """How many opaque pixels of a concept's drawing, in the size of a 512 px scene, have each of the 256 ``levels``."""
    pixels = np.array(raster(name).resize((SCENE_PX, SCENE_PX)))
    return np.bincount(levels(pixels)[pixels[..., 3] > 200], minlength=256)


def looks(counts: np.ndarray, target: tuple[int, int, int], colour: str) -> bool:
    """Whether most of a drawing with these counts of levels has the name ``colour`` once it is recoloured to ``target``."""
    shares = np.bincount(nearest_names(shades(target)), counts, len(ANCHORS)) / counts.sum()
    best = shares.argmax()
    return list(ANCHORS)[best] == colour and shares[best] >= 0.5


def _lab(rgb: np.ndarray) -> np.ndarray:
    """sRGB 0..255 [..., 3] to OKLab, with lightness at half weight: names are mostly about hue."""
    linear = np.where(rgb <= 10.31, rgb / 255 / 12.92, ((rgb / 255 + 0.055) / 1.055) ** 2.4)
    lms = linear @ np.array([[0.4122, 0.2119, 0.0883], [0.5363, 0.6807, 0.2817], [0.0514, 0.1074, 0.6300]])
    lab = np.cbrt(lms) @ np.array([[0.2105, 1.9780, 0.0259], [0.7936, -2.4286, 0.7828], [-0.0041, 0.4506, -0.8087]])
    return lab * np.array([0.5, 1.0, 1.0])


# Several anchors a name: shades and tints of a colour keep its name.
ANCHORS: dict[str, list[tuple[int, int, int]]] = {
    "red": [(215, 30, 40), (150, 15, 25), (240, 80, 80)],
    "orange": [(245, 135, 20), (200, 95, 10), (255, 170, 80)],
    "yellow": [(250, 210, 30), (215, 175, 20), (255, 230, 110)],
    "green": [(45, 165, 60), (20, 100, 40), (120, 205, 110)],
    "blue": [(35, 95, 220), (15, 50, 130), (100, 160, 245)],
    "purple": [(130, 50, 190), (80, 25, 120), (170, 110, 225)],
    "pink": [(250, 120, 180), (235, 85, 150), (255, 175, 210)],
    "brown": [(125, 75, 40), (85, 50, 25), (160, 110, 70)],
    "black": [(25, 25, 28), (50, 50, 55), (5, 5, 5)],
    "white": [(245, 245, 245), (225, 225, 228), (205, 205, 210)],
    "grey": [(128, 128, 130), (90, 90, 95), (165, 165, 170)],
}


if __name__ == "__main__":
    draw_all(cache_folder() / "art")
    for concept_name in CONCEPTS:
        print(f"{concept_name:20} natural {natural_colour(concept_name) or '-':8} {' '.join(colours_of(concept_name))}")
