"""How much of a picture the model reads from its caption: ``python -m model.evaluation.caption_gain``.

Held-out scenes are scored once with their own captions and once with each other's. The difference, in nats a
picture, is what the caption tells the model. A caption of ours holds about ten nats (which object, colour, place,
ground), a picture's codes hundreds, so the mean loss hides whether prompts are followed at all; this does not.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import AutoTokenizer

from model.training.generator import Collate
from model.training.shards import read_shard
from model.transformer import TokenShuffleForImageGeneration

Sample = tuple[str, torch.Tensor, int, int]
BATCH = 16
WEIGHTS = Path(__file__).parents[1] / "weights"


def caption_gain(score: Callable[[list[Sample]], float], samples: list[Sample]) -> dict[str, float]:
    """Nats a picture gained by the own caption over another sample's.

    Args:
        score: mean loss per code of a batch of samples of one size.
        samples: scenes of one size; every one lends its caption to the one before it.
    """
    codes = samples[0][1].numel()
    own = mean(score, samples)
    borrowed = [(samples[(i + 1) % len(samples)][0], *sample[1:]) for i, sample in enumerate(samples)]
    return {"loss": own, "gain_nats": (mean(score, borrowed) - own) * codes, "samples": len(samples)}


def mean(score: Callable[[list[Sample]], float], samples: list[Sample]) -> float:
    """Mean of ``score`` over whole batches, weighted by their length."""
    batches = [samples[i : i + BATCH] for i in range(0, len(samples), BATCH)]
    return sum(score(batch) * len(batch) for batch in batches) / len(samples)


@torch.inference_mode()
def measure(weights: Path, shards: Path, window: int, count: int) -> dict[str, float]:
    """The gain of a checkpoint folder on ``count`` scenes of a shard folder."""
    model = TokenShuffleForImageGeneration.from_pretrained(weights, dtype=torch.float32).eval()
    collate = Collate(AutoTokenizer.from_pretrained(weights), window)
    samples = [sample for path in sorted(shards.glob("*.parquet")) for sample in read_shard(path)][:count]
    if not samples:
        raise ValueError(f"{shards} holds no shards: run `python -m model.training.shards --held-out` first")
    return caption_gain(lambda batch: model(**collate(batch), shuffle_window=window, compute_loss=True).image_loss.item(), samples)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--shards", type=Path, default=Path("runs/shards/512-held-out"))
    parser.add_argument("--window", type=int, default=4)
    parser.add_argument("--count", type=int, default=128)
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.weights, arguments.shards, arguments.window, arguments.count)))
