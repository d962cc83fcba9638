"""Which sampling settings the judge prefers: ``python -m model.evaluation.tune --window 2``.

Tries every combination of guidance schedule, guidance scale and temperature on prompts outside the small set that
`evaluate` reports, so that the reported figures stay independent of the choice. With few prompts the differences are
mostly noise: read the intervals.
"""

import argparse
import itertools
import random
from typing import Any

from model.evaluation.evaluate import draw
from model.evaluation.geneval import COUNTS, Prompt, is_correct, read_prompts
from model.evaluation.judge import Judge
from model.evaluation.scores import wilson
from model.guidance import RAMPS
from model.pipeline import TokenShufflePipeline

SEED = "tune"


def tuning_prompts(each: int) -> list[Prompt]:
    """``each`` prompts a category that are not in the small set, the same in every call."""
    spare = [prompt for prompt in read_prompts() if not prompt.small]
    rng = random.Random(SEED)
    return [prompt for category in COUNTS for prompt in rng.sample([p for p in spare if p.category == category], each)]


def accepted(
    pipe: TokenShufflePipeline,
    judge: Judge,
    prompts: list[Prompt],
    window: int,
    size: int,
    batch: int,
    tried: dict[str, Any],
) -> int:
    """How many of the prompts get a picture that the judge accepts, one picture each, with the settings `tried`."""
    drawn = draw(pipe, prompts, window, size, images=1, batch=batch, seed=0, **tried)
    return sum(is_correct(prompts[i], pictures[0], judge.detect(pictures)[0]) for i, pictures, _ in drawn)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", help="checkpoint folder (default: the shipped one)")
    parser.add_argument("--window", type=int, default=2)
    parser.add_argument("--size", type=int, default=512, help="px")
    parser.add_argument("--each", type=int, default=13, help="prompts a category; 40 at most")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--temperatures", type=float, nargs="+", default=(0.7, 0.85, 1.0))
    parser.add_argument("--scales", type=float, nargs="+", default=(1.0, 2.0, 4.0))
    parser.add_argument("--schedules", choices=tuple(RAMPS), nargs="+", default=("half-linear",))
    return parser.parse_args()


def main(a: argparse.Namespace) -> None:
    pipe, judge, prompts = TokenShufflePipeline.from_pretrained(a.weights), Judge.load(), tuning_prompts(a.each)
    print("| schedule | scale | temperature | accepted |\n|---|---|---|---|")
    for schedule, scale, temperature in itertools.product(a.schedules, a.scales, a.temperatures):
        tried = {"guidance_schedule": schedule, "guidance_scale": scale, "temperature": temperature}
        right = accepted(pipe, judge, prompts, a.window, a.size, a.batch, tried)
        print(f"| {schedule} | {scale} | {temperature} | {wilson(right / len(prompts), len(prompts))} |", flush=True)


if __name__ == "__main__":
    main(parse())
