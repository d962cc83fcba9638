"""What every trained cell of a checkpoint loses on new scenes: ``python -m model.evaluation.losses``.

Scenes are composed from a seed, the same for every checkpoint: some of combinations that training showed, some of
held-out ones. Losses are nats per code with their standard error. The caption's gain is what the model reads from it:
the same held-out scenes scored with each other's captions, in nats a picture. A caption of ours holds about ten nats
(which object, colour, place, ground), a picture's codes hundreds, so the loss hides whether prompts are followed; this does not.
"""

import argparse
import random
from pathlib import Path

import torch
from transformers import AutoTokenizer

from model.image_tokenizer import ImageTokenizer
from model.pipeline import WEIGHTS
from model.settings import sides
from model.training.batches import Collate, mean_loss
from model.training.scenes import compose
from model.training.shards import Sample, encode_scenes, kind_shares
from model.transformer import TokenShuffleForImageGeneration


def samples_of(tokenizer: ImageTokenizer, size: int | str, count: int, seed: str, test: bool) -> list[Sample]:
    """``count`` new scenes of one size and their codes; ``test``: of held-out combinations, single objects aside."""
    rng, (width, height) = random.Random(seed), sides(size)
    kinds = rng.choices(*map(list, zip(*kind_shares().items())), k=count)
    scenes = [compose(rng, kind, width, height, test and kind != "single_object") for kind in kinds]
    return [(scene.caption, codes, width, height) for scene, codes in zip(scenes, encode_scenes(tokenizer, scenes))]


def borrowed(samples: list[Sample]) -> list[Sample]:
    """The same pictures, each with the caption of the next."""
    return [(caption, *sample[1:]) for (caption, *_), sample in zip(samples[1:] + samples[:1], samples)]


def measure(model: TokenShuffleForImageGeneration, collate: Collate, seen: list[Sample], held_out: list[Sample]) -> str:
    """Losses of one cell as columns of a Markdown row."""
    losses = [mean_loss(model, collate, samples) for samples in (seen, held_out, borrowed(held_out))]
    gain = (losses[2][0] - losses[1][0]) * held_out[0][1].numel()
    return " | ".join([f"{loss:.3f} ± {error:.3f}" for loss, error in losses[:2]] + [f"{gain:.0f}"])


def main(weights: Path, size: str | None, count: int, seed: str) -> None:
    """Print a table of the checkpoint's trained cells, of one size if that is given."""
    model = TokenShuffleForImageGeneration.from_pretrained(weights, dtype=torch.float32).eval()
    text, pixels = (
        AutoTokenizer.from_pretrained(weights),
        ImageTokenizer.from_pretrained(weights / "image_tokenizer").eval(),
    )
    cells = [
        cell for cell in model.config.trained_cells if cell.get("claimed", True) and size in (None, str(cell["size"]))
    ]
    if not cells:
        raise ValueError(f"{weights} has no trained cell of {size} px")
    print("| px | window | samples | seen | held out | caption's gain, nats |\n|---|---|---|---|---|---|")
    for px in dict.fromkeys(cell["size"] for cell in cells):
        seen, held_out = (samples_of(pixels, px, count, seed, test) for test in (False, True))
        for cell in (cell for cell in cells if cell["size"] == px):
            row = measure(model, Collate(text, cell["window"]), seen, held_out)
            print(f"| {px} | {cell['window']} | {cell['samples']:,} | {row} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--size", help="only this size in px, such as 512 or 576x448 (default: all trained ones)")
    parser.add_argument("--scenes", type=int, default=96, help="of each sort and size")
    parser.add_argument("--seed", default="losses", help="of the scenes")
    arguments = parser.parse_args()
    main(arguments.weights, arguments.size, arguments.scenes, arguments.seed)
