"""Train the judge on composed scenes: ``python -m model.evaluation.train_judge --minutes 15``.

Half of the pictures are scenes as the generator learns them (never a held-out combination), half
are crowds of up to nine objects in free places, of any combinations, because every object in a picture is a lesson.
Pictures are bent, blurred, compressed and broken into blocks, as generated ones are. Now and then
an object is scrambled beyond recognition and its label removed: mush counts for nothing.
"""

import argparse
import io
import json
import random
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from model.evaluation.judge import BOX_UNIT, INPUT_PX, STRIDE, Judge, JudgeNetwork
from model.pixels import from_bytes
from model.training.art import colours_of, sprite
from model.training.scenes import KINDS, cast_shadow, compose, paint_ground
from model.training.vocabulary import CONCEPTS

NAMES = list(CONCEPTS)
CROWD_SIZES = (52, 168)  # px at a shorter side of 256, from and to; a 512 px scene seen so has 96
# Large and recoloured objects are learned last, so scenes show them more often.
SCENE_KINDS = (*KINDS, "single_object", "colors", "colors")
THRESHOLD = 0.3  # of a detection's score, in every category
SCRAMBLED = 0.04  # share of the objects that are made unrecognisable
Labels = list[tuple[int, tuple[float, float, float, float]]]  # (class, box in px)


def crowd(rng: random.Random, width: int, height: int) -> tuple[np.ndarray, Labels]:
    """Objects in free places on a ground: pixels [h, w, 3] and labels."""
    canvas = Image.fromarray(paint_ground(rng, width, height, floor=rng.random() < 0.5)[0])
    boxes: list = []
    labels: Labels = []
    for _ in range(40):
        name = rng.choice(NAMES)
        big = Image.fromarray(sprite(name, rng.choice(colours_of(name)) if rng.random() < 0.75 else None, 160))
        scale = rng.uniform(*CROWD_SIZES) / 160
        drawing = big.resize([round(side * scale * rng.uniform(0.93, 1.07)) for side in big.size], reducing_gap=2)
        wide, tall = drawing.size
        x, y = rng.randint(0, width - wide), rng.randint(0, height - tall)
        box = (x, y, x + wide, y + tall)
        if any(min(box[2], b[2]) - max(x, b[0]) > 4 and min(box[3], b[3]) - max(y, b[1]) > 4 for b in boxes):
            continue
        if rng.random() < 0.6:
            cast_shadow(canvas, box, 0.5)
        canvas.paste(drawing, (x, y), drawing)
        boxes.append(box)
        labels.append((NAMES.index(name), box))
        if len(labels) == 9:
            break
    return np.array(canvas), labels


def scene(rng: random.Random, width: int, height: int) -> tuple[np.ndarray, Labels]:
    """A training scene of a random kind: pixels [h, w, 3] and labels."""
    made = compose(rng, rng.choice(SCENE_KINDS), width, height)
    return np.array(made.image), [(NAMES.index(item.name), item.box) for item in made.items]


def scramble(rng: random.Random, pixels: np.ndarray, labels: Labels) -> Labels:
    """Shuffle the 12 px blocks of a few objects in place and return the labels of the others."""
    kept = []
    for label in labels:
        if rng.random() >= SCRAMBLED:
            kept.append(label)
            continue
        left, top, right, bottom = label[1]
        corners = [(y, x) for y in range(top, bottom - 11, 12) for x in range(left, right - 11, 12)]
        blocks = [pixels[y : y + 12, x : x + 12].copy() for y, x in corners]
        rng.shuffle(blocks)
        for (y, x), block in zip(corners, blocks):
            target = pixels[y : y + 12, x : x + 12]
            target[:] = block[: target.shape[0], : target.shape[1]] if block.shape == target.shape else target
    return kept


def compress(rng: random.Random, pixels: np.ndarray) -> np.ndarray:
    """Through JPEG at a low quality."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=rng.randint(15, 60))
    return np.array(Image.open(buffer))


def bend(rng: random.Random, pixels: Tensor, labels: list[Labels]) -> tuple[Tensor, list[Labels]]:
    """Scale, shift and wobble pictures [B, 3, H, W]; boxes follow scale and shift."""
    count, _, height, width = pixels.shape
    zoom = [rng.uniform(0.85, 1.2) for _ in range(count)]
    shift = [(rng.uniform(-0.12, 0.12), rng.uniform(-0.12, 0.12)) for _ in range(count)]
    theta = torch.tensor([[[1 / z, 0, -x / z], [0, 1 / z, -y / z]] for z, (x, y) in zip(zoom, shift)])
    grid = F.affine_grid(theta, pixels.shape, align_corners=False)
    wobble = F.interpolate(torch.randn(count, 2, height // 24, width // 24), (height, width), mode="bilinear")
    strength = torch.rand(count, 1, 1, 1) * 0.012
    bent = F.grid_sample(
        pixels, grid + wobble.permute(0, 2, 3, 1) * strength, padding_mode="border", align_corners=False
    )
    moved = []
    for z, (x, y), picture_labels in zip(zoom, shift, labels):
        dx, dy = (width / 2) * (1 - z + x), (height / 2) * (1 - z + y)
        moved.append([(c, (b[0] * z + dx, b[1] * z + dy, b[2] * z + dx, b[3] * z + dy)) for c, b in picture_labels])
    return bent, [clip_labels(picture_labels, width, height) for picture_labels in moved]


def clip_labels(labels: Labels, width: int, height: int) -> Labels:
    """Boxes cut at the picture's edge; objects that lost over 40 % of their area are dropped."""
    kept = []
    for number, (left, top, right, bottom) in labels:
        box = (max(left, 0), max(top, 0), min(right, width), min(bottom, height))
        if max(box[2] - box[0], 0) * max(box[3] - box[1], 0) > 0.6 * (right - left) * (bottom - top):
            kept.append((number, box))
    return kept


def degrade(rng: random.Random, pixels: Tensor) -> Tensor:
    """Blur a part of the batch [B, 3, H, W], break some into flat blocks, add noise and light."""
    size = pixels.shape[-2:]
    out = pixels * (0.9 + 0.2 * torch.rand(len(pixels), 1, 1, 1)) + 0.08 * torch.randn(len(pixels), 3, 1, 1)
    for i in range(len(out)):
        choice = rng.random()
        if choice < 0.35:
            small = F.interpolate(out[i : i + 1], scale_factor=1 / rng.uniform(1.3, 3), mode="area")
            out[i] = F.interpolate(small, size, mode="bilinear")[0]
        elif choice < 0.55:
            flat = F.interpolate(F.avg_pool2d(out[i : i + 1], 8), size, mode="bilinear")[0]
            broken = F.interpolate((torch.rand(1, 1, size[0] // 8, size[1] // 8) < 0.08).float(), size)[0]
            out[i] = torch.lerp(out[i], flat, broken)
    return (out + torch.rand(len(out), 1, 1, 1) * 0.05 * torch.randn_like(out)).clamp(-1, 1)


def batch(rng: random.Random, count: int) -> tuple[Tensor, list[Labels]]:
    """Pictures of one size [B, 3, H, W] in [-1, 1] with labels."""
    width, height = rng.choices(((INPUT_PX, INPUT_PX), (384, INPUT_PX), (INPUT_PX, 384)), (0.8, 0.1, 0.1))[0]
    pictures, labels = [], []
    for _ in range(count):
        pixels, found = (crowd if rng.random() < 0.5 else scene)(rng, width, height)
        labels.append(scramble(rng, pixels, found))
        pictures.append(compress(rng, pixels) if rng.random() < 0.2 else pixels)
    stack = from_bytes(np.stack(pictures))
    bent, labels = bend(rng, stack, labels)
    return degrade(rng, bent), labels


def targets(labels: list[Labels], classes: int, rows: int, columns: int) -> tuple[Tensor, Tensor, Tensor]:
    """Heat [B, C, h, w] with a soft bump at every centre, sides [n, 4], and their cells [n, 3] (b, y, x)."""
    heat = torch.zeros(len(labels), classes, rows, columns)
    ys, xs = torch.arange(rows).view(-1, 1) + 0.5, torch.arange(columns).view(1, -1) + 0.5
    sides, cells = [], []
    for b, picture_labels in enumerate(labels):
        for number, (left, top, right, bottom) in picture_labels:
            cx, cy = (left + right) / 2, (top + bottom) / 2
            x, y = min(int(cx / STRIDE), columns - 1), min(int(cy / STRIDE), rows - 1)
            bump = torch.exp(-((ys - cy / STRIDE) ** 2 + (xs - cx / STRIDE) ** 2) / 1.0)
            heat[b, number] = torch.maximum(heat[b, number], bump)
            heat[b, number, y, x] = 1.0
            px, py = (x + 0.5) * STRIDE, (y + 0.5) * STRIDE
            sides.append([px - left, py - top, right - px, bottom - py])
            cells.append([b, y, x])
    return heat, torch.tensor(sides).view(-1, 4) / BOX_UNIT, torch.tensor(cells, dtype=torch.long).view(-1, 3)


def detection_loss(logits: Tensor, sides: Tensor, labels: list[Labels]) -> tuple[Tensor, Tensor]:
    """CenterNet's focal loss over the heat map, and L1 over the sides at centres, per object."""
    heat, wanted, cells = targets(labels, *logits.shape[1:])
    count = max(len(cells), 1)
    probability = logits.sigmoid()
    centre = heat == 1
    hit = -(1 - probability).square() * F.logsigmoid(logits) * centre
    miss = -((1 - heat) ** 4) * probability.square() * F.logsigmoid(-logits) * ~centre
    boxes = (sides[cells[:, 0], :, cells[:, 1], cells[:, 2]] - wanted).abs().sum() / count
    return (hit + miss).sum() / count, boxes


def train(minutes: float, batch_size: int, rate: float, seed: int, out: Path, start: Path | None) -> None:
    """Train for so many minutes of wall clock, warm up and decay with them, then save.

    ``start`` is the folder of a judge whose weights a further leg begins with.
    """
    torch.manual_seed(seed)
    rng = random.Random(seed)
    network = Judge.load(start).network.train() if start else JudgeNetwork(len(NAMES))
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.02)
    started, step = time.monotonic(), 0
    while (fraction := (time.monotonic() - started) / (60 * minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = rate * min((step + 1) / 60, 1, 2 * (1 - fraction) + 0.01)
        heat, boxes = train_step(network, optimizer, *batch(rng, batch_size))
        step += 1
        if step % 20 == 0:
            row = {"step": step, "seconds": round(time.monotonic() - started)}
            print(json.dumps(row | {"heat": round(heat, 3), "boxes": round(boxes, 3)}), flush=True)
        if step % 200 == 0:  # what a killed run leaves for ``start``
            Judge(network, NAMES, THRESHOLD).save(out, pictures=step * batch_size)
            network.train()
    Judge(network, NAMES, THRESHOLD).save(out, pictures=step * batch_size, minutes=minutes, seed=seed, lr=rate)


def train_step(
    network: JudgeNetwork, optimizer: torch.optim.Optimizer, pixels: Tensor, labels: list[Labels]
) -> tuple[float, float]:
    """One step of the optimiser; the two losses of its batch."""
    heat, boxes = detection_loss(*network(pixels), labels)
    optimizer.zero_grad(set_to_none=True)
    (heat + boxes).backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
    optimizer.step()
    return heat.item(), boxes.item()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--batch", type=int, default=24, help="pictures a step")
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=Path, help="folder of a judge to train on from")
    parser.add_argument("--out", type=Path, default="runs/judge", help="folder of the new judge")
    return parser.parse_args()


if __name__ == "__main__":
    a = parse()
    train(a.minutes, a.batch, a.lr, a.seed, a.out, a.start)
