"""What the image tokenizer loses: PSNR and SSIM on held-out scenes, whole and inside objects, and its code use.

``python -m model.evaluation.reconstruction --tokenizer model/weights/image_tokenizer``
"""

import argparse
import json
import random

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from model.image_tokenizer import ImageTokenizer
from model.pipeline import WEIGHTS
from model.pixels import from_bytes, to_bytes
from model.training.scenes import KINDS, Scene, compose

SEED = "reconstruction"


def held_out_scenes(count: int, size: int) -> list[Scene]:
    """Scenes of all kinds in turn, only held-out combinations where a kind has combinations."""
    rng = random.Random(SEED)
    return [compose(rng, kind, size, size, test=kind != "single_object") for kind in (KINDS * count)[:count]]


def psnr(squared_error: Tensor) -> float:
    """dB, from squared errors of pixels in [0, 1]."""
    return float(-10 * torch.log10(squared_error.mean().clamp_min(1e-10)))


def ssim_map(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity (Wang et al. 2004) at every pixel of luma pictures [h, w] in [0, 1].

    11 × 11 Gaussian window of σ = 1.5, as in the paper; the border of 5 px is left out.
    """
    x = torch.arange(11.0) - 5
    line = torch.exp(-(x**2) / (2 * 1.5**2))
    line = (line / line.sum()).to(a)
    stack = torch.stack([a, b, a * a, b * b, a * b])[:, None]
    ma, mb, aa, bb, ab = F.conv2d(F.conv2d(stack, line.view(1, 1, 11, 1)), line.view(1, 1, 1, 11))[:, 0]
    c1, c2 = 0.01**2, 0.03**2
    return ((2 * ma * mb + c1) * (2 * (ab - ma * mb) + c2)) / ((ma**2 + mb**2 + c1) * (aa - ma**2 + bb - mb**2 + c2))


def luma(pixels: Tensor) -> Tensor:
    """[3, h, w] → [h, w]."""
    return (pixels * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(0)


def compare(scene: Scene, tokenizer: ImageTokenizer) -> tuple[dict[str, float], Tensor]:
    """Figures of one scene, and its codes [h, w]."""
    original = from_bytes(np.array(scene.image))
    codes = tokenizer.encode(original[None])
    decoded = to_bytes(tokenizer.decode(codes)[0]) / 255  # as the 8-bit picture that people see
    pixels = (original + 1) / 2
    squared, similar = (
        (decoded - pixels).square().mean(0),
        F.pad(ssim_map(luma(decoded), luma(pixels)), (5,) * 4, value=torch.nan),
    )
    inside = torch.zeros_like(squared, dtype=torch.bool)
    for left, top, right, bottom in (item.box for item in scene.items):
        inside[max(top, 0) : bottom, max(left, 0) : right] = True
    figures = {
        "psnr": psnr(squared),
        "psnr_objects": psnr(squared[inside]),
        "ssim": float(similar.nanmean()),
        "ssim_objects": float(similar[inside].nanmean()),
    }
    return figures, codes[0]


def measure(tokenizer: ImageTokenizer, count: int, size: int) -> dict[str, float]:
    """Means over scenes, share of the codebook that occurs in them, and perplexity of the codes."""
    rows, codes = zip(*(compare(scene, tokenizer) for scene in held_out_scenes(count, size)))
    uses = torch.bincount(torch.cat([c.flatten() for c in codes]), minlength=tokenizer.config.codebook_size).double()
    shares = uses[uses > 0] / uses.sum()
    means = {name: round(sum(row[name] for row in rows) / count, 4) for name in rows[0]}
    perplexity = float(torch.exp(-(shares * shares.log()).sum()))
    return {
        "scenes": count,
        "size": size,
        **means,
        "code_use": round(float((uses > 0).double().mean()), 4),
        "perplexity": round(perplexity),
    }


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokenizer", default=WEIGHTS / "image_tokenizer", help="folder of the image tokenizer")
    parser.add_argument("--count", type=int, default=120, help="scenes")
    parser.add_argument("--size", type=int, default=512, help="px")
    return parser.parse_args()


if __name__ == "__main__":
    a = parse()
    print(json.dumps(measure(ImageTokenizer.from_pretrained(a.tokenizer).eval(), a.count, a.size), indent=1))
