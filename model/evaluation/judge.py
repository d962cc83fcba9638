"""The judge: a small detector that names the objects of a picture, with boxes and colours.

Anchor-free, after CenterNet (Zhou et al. 2019): one heat map a class at 1/16 of the size, whose
peaks are object centres, and at every peak the distances to the four sides of the box. It sees
pictures at 256 px (shorter side), whatever size they were generated at. Colours are read from the
pixels of a box, not learned. It knows only the vocabulary that the generator learns, in the same
style of drawing; it says nothing about photographs.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from model.pixels import from_bytes
from model.training.art import name_colours, near

INPUT_PX = 256  # shorter side of what the network sees
STRIDE = 16
BOX_UNIT = 64  # px: box distances are regressed in this unit
OVERLAP = 0.5  # one place holds one object: of two boxes that overlap more, the surer one stays
FOLDER = Path(__file__).parent / "judge"


@dataclass(frozen=True)
class Detection:
    """An object that the judge sees; ``box`` is left, top, right, bottom in px of the picture."""

    name: str
    score: float
    box: tuple[float, float, float, float]


class Block(nn.Module):
    """Inverted residual with a wide depthwise kernel: x + project(dw5(expand(x)))."""

    def __init__(self, channels: int):
        super().__init__()
        wide = 2 * channels
        self.layers = nn.Sequential(
            *conv(channels, wide, 1),
            *conv(wide, wide, 5, groups=wide),
            nn.Conv2d(wide, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def conv(fan_in: int, fan_out: int, kernel: int, stride: int = 1, groups: int = 1) -> tuple[nn.Module, ...]:
    """Convolution, batch norm, ReLU."""
    layer = nn.Conv2d(fan_in, fan_out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return layer, nn.BatchNorm2d(fan_out), nn.ReLU(inplace=True)


class JudgeNetwork(nn.Module):
    """Pixels [B, 3, H, W] in [-1, 1] → class logits [B, C, H/16, W/16] and sides [B, 4, H/16, W/16].

    Sides are the distances from a cell's centre to left, top, right and bottom, in ``BOX_UNIT``.
    """

    def __init__(self, classes: int, channels: tuple[int, int, int] = (32, 64, 160), blocks: tuple[int, int] = (1, 3)):
        super().__init__()
        self.shape = {"channels": list(channels), "blocks": list(blocks)}
        fine, middle, coarse = channels
        self.trunk = nn.Sequential(
            nn.PixelUnshuffle(2),
            *conv(12, fine, 3, 2),
            *conv(fine, middle, 3, 2),
            *(Block(middle) for _ in range(blocks[0])),
            *conv(middle, coarse, 3, 2),
            *(Block(coarse) for _ in range(blocks[1])),
        )
        self.classes = nn.Conv2d(coarse, classes, 1)
        self.sides = nn.Conv2d(coarse, 4, 1)
        nn.init.constant_(self.classes.bias, -5.0)  # hardly any cell is a centre
        nn.init.constant_(self.sides.bias, 0.7)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        features = self.trunk(pixels)
        return self.classes(features), F.softplus(self.sides(features))


class Judge:
    """The trained network with its names; ``Judge.load()`` reads the shipped, frozen one."""

    def __init__(self, network: JudgeNetwork, names: list[str], threshold: float):
        self.network, self.names, self.threshold = network.eval(), names, threshold

    @classmethod
    def load(cls, folder: Path = FOLDER) -> "Judge":
        config = json.loads((folder / "config.json").read_text())
        network = JudgeNetwork(len(config["names"]), tuple(config["channels"]), tuple(config["blocks"]))
        network.load_state_dict(load_file(folder / "model.safetensors"))
        return cls(network, config["names"], config["threshold"])

    def save(self, folder: Path, **facts) -> None:
        """Write weights and config; ``facts`` (how it was trained) are kept beside them."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.network.state_dict(), folder / "model.safetensors")
        config = {"names": self.names, **self.network.shape, "threshold": self.threshold, **facts}
        (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")

    @torch.inference_mode()
    def detect(self, pictures: list[Image.Image]) -> list[list[Detection]]:
        """What stands in each picture, surest first. Pictures may have any size."""
        found = []
        for picture in pictures:
            heat, sides = self.network(to_input(picture)[None])
            width, height = heat.shape[-1] * STRIDE, heat.shape[-2] * STRIDE
            raw = peaks(heat[0].sigmoid(), sides[0], self.threshold)
            stretch = (picture.width / width, picture.height / height) * 2
            found.append(
                [Detection(self.names[c], score, tuple(v * k for v, k in zip(box, stretch))) for c, score, box in raw]
            )
        return found


def to_input(picture: Image.Image) -> Tensor:
    """A picture as the network sees it: [3, h, w] in [-1, 1], shorter side 256 px, multiples of 16."""
    scale = INPUT_PX / min(picture.size)
    size = tuple(max(round(side * scale / STRIDE), 1) * STRIDE for side in picture.size)
    resampling = Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
    return from_bytes(np.array(picture.convert("RGB").resize(size, resampling)))


def peaks(heat: Tensor, sides: Tensor, threshold: float) -> list[tuple[int, float, tuple[float, ...]]]:
    """(class, score, box in input px) of the local maxima of heat [C, h, w] over all classes."""
    best, classes = heat.max(0)
    tops = (F.max_pool2d(best[None], 3, 1, 1)[0] == best) & (best >= threshold)
    rows, columns = tops.nonzero(as_tuple=True)
    candidates = []
    for y, x in zip(rows.tolist(), columns.tolist()):
        left, top, right, bottom = (sides[:, y, x] * BOX_UNIT).tolist()
        cx, cy = (x + 0.5) * STRIDE, (y + 0.5) * STRIDE
        candidates.append((int(classes[y, x]), float(best[y, x]), (cx - left, cy - top, cx + right, cy + bottom)))
    return without_overlaps(sorted(candidates, key=lambda c: -c[1]))


def without_overlaps(candidates: list) -> list:
    """Greedy suppression: the surest first, others only where they cover another place."""
    kept: list = []
    for candidate in candidates:
        if all(overlap(candidate[2], other[2]) < OVERLAP for other in kept):
            kept.append(candidate)
    return kept


def overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Intersection over union of two boxes."""
    wide, tall = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(wide, 0) * max(tall, 0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


# --- colour ---------------------------------------------------------------------------------------


def colour_of(picture: Image.Image, box: tuple[float, float, float, float]) -> str:
    """The name of the colour that covers most of the object in a box. Grey is nobody's colour here."""
    pixels = np.asarray(picture.convert("RGB"))
    left, top, right, bottom = box
    inset_x, inset_y = 0.05 * (right - left), 0.05 * (bottom - top)
    crop = cut(pixels, left + inset_x, top + inset_y, right - inset_x, bottom - inset_y)
    step = max(round((crop.shape[0] * crop.shape[1] / 1500) ** 0.5), 1)  # 1500 pixels name a colour as well as all
    shares = name_colours(object_pixels(crop[::step, ::step], ground_around(pixels, box)))
    return next(name for name in shares if name != "grey")


def ground_around(pixels: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    """Pixels [n, 3] from strips above and beside a box; below it there may be a shadow.

    The strips keep a tenth of the object's size away from it, since a found box may be a little too small.
    """
    left, top, right, bottom = box
    size = (right - left + bottom - top) / 2
    near, far = 0.1 * size, 0.2 * size
    strips = (
        cut(pixels, left - far, top, left - near, bottom),
        cut(pixels, right + near, top, right + far, bottom),
        cut(pixels, left, top - far, right, top - near),
    )
    samples = [s.reshape(-1, 3)[:: max(1, s.shape[0] * s.shape[1] // 32)] for s in strips if s.size]
    return np.concatenate(samples) if samples else pixels[0]


def cut(pixels: np.ndarray, left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """The part of [h, w, 3] inside a rectangle that may reach over the edges."""
    return pixels[max(round(top), 0) : max(round(bottom), 0), max(round(left), 0) : max(round(right), 0)]


def object_pixels(crop: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """Pixels [n, 3] of a crop [h, w, 3] that differ from the ground [m, 3]; its middle if hardly any do."""
    mask = ~near(crop.reshape(-1, 3), ground).any(1)
    if mask.mean() >= 0.15:
        return crop.reshape(-1, 3)[mask]
    height, width = crop.shape[:2]
    return crop[height // 4 : height - height // 4, width // 4 : width - width // 4].reshape(-1, 3)
