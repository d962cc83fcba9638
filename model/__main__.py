"""Command line: `python -m model generate | benchmark | describe | evaluate`; every command prints its options with -h."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from model import describe as description
from model.guidance import SCHEDULES
from model.packing import ENGINES
from model.pipeline import TokenShufflePipeline
from model.settings import FIELDS

Command = Callable[[argparse.Namespace], None]


def add_generate(parser: argparse.ArgumentParser) -> Command:
    """Draw pictures and write each beside a replay record."""
    parser.add_argument("prompt")
    parser.add_argument("--weights", help="checkpoint folder or hub id (default: the shipped weights)")
    parser.add_argument(
        "--output", type=Path, default=Path("picture.png"), help="PNG; further pictures get -1, -2, ..."
    )
    for name in ("width", "height", "shuffle-window", "top-k", "seed", "num-images"):
        parser.add_argument(f"--{name}", type=int)
    for name in ("guidance-scale", "ramp-end", "temperature", "top-p"):
        parser.add_argument(f"--{name}", type=float)
    parser.add_argument("--guidance-schedule", choices=SCHEDULES)
    parser.add_argument("--guidance-points", type=json.loads, help='JSON, e.g. "[[0, 1], [0.5, 6]]", for "custom"')
    parser.add_argument("--guidance-range", type=float, nargs=2, metavar=("START", "STOP"))
    parser.add_argument("--negative-prompt")
    _add_machine(parser)
    return generate


def generate(arguments: argparse.Namespace) -> None:
    given = {name: getattr(arguments, name) for name in FIELDS}
    check_output(arguments.output)
    pipe = TokenShufflePipeline.from_pretrained(
        arguments.weights, device=arguments.device, engine=arguments.engine, threads=arguments.threads
    )
    for event in pipe.stream(arguments.prompt, **given):
        print(f"\r{event.step}/{event.total_steps}", end="", file=sys.stderr, flush=True)
    result = event.result
    for i, image in enumerate(result.images):
        path = arguments.output if i == 0 else arguments.output.with_stem(f"{arguments.output.stem}-{i}")
        image.save(path)
        path.with_suffix(".json").write_text(json.dumps({**result.settings, "image": i}, indent=2) + "\n")
        untrained = "" if result.settings["trained"] else ", untrained size or window"
        print(f"{path}  ({result.timings['total']:.2f} s{untrained})", file=sys.stderr)


def check_output(path: Path) -> None:
    """ValueError before anything is drawn that could not be written afterwards."""
    if not path.parent.is_dir():
        raise ValueError(f"output is {path}; its folder must exist")
    if path.suffix.lower() != ".png" or path.is_dir():
        raise ValueError(f"output is {path}; it must be a file that ends in .png")


def add_describe(parser: argparse.ArgumentParser) -> Command:
    """Print parameters, FLOPs and memory per resolution and window, without loading weights."""
    parser.add_argument("config", nargs="?", default="small", help="preset, checkpoint folder or hub id")
    parser.add_argument("--json", action="store_true")
    return describe


def describe(arguments: argparse.Namespace) -> None:
    if not arguments.json:
        print(description.describe(arguments.config))
        return
    config = description.load_config(arguments.config)
    print(json.dumps({"parameters": description.parameters(config), "cells": description.cells(config)}))


def add_benchmark(parser: argparse.ArgumentParser) -> Command:
    """Measure this decoder beside a transformers loop and the weight-streaming floor."""
    parser.add_argument(
        "--weights", help="checkpoint folder, hub id, or a preset for random weights (default: the shipped ones)"
    )
    parser.add_argument("--large", action="store_true", help="also 2048 px at the largest window")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    _add_machine(parser)
    return benchmark


def benchmark(arguments: argparse.Namespace) -> None:
    from model.benchmark import measure, report  # here, because Windows lacks the `resource` that it reads

    numbers = measure(arguments.weights, arguments.device, arguments.engine, arguments.threads, arguments.large)
    print(json.dumps(numbers) if arguments.json else report(numbers))


def add_evaluate(parser: argparse.ArgumentParser) -> Command:
    """Draw the GenEval-shaped prompts with every trained cell and judge the pictures (in-domain figures)."""
    parser.add_argument("--weights", help="checkpoint folder or hub id (default: the shipped weights)")
    parser.add_argument("--window", type=int, help="only this window (default: all trained ones)")
    parser.add_argument("--size", help="only this size in px, such as 512 or 576x448 (default: all trained ones)")
    parser.add_argument("--prompts", type=int, default=240, help="240 or 553")
    parser.add_argument("--images", type=int, default=1, help="pictures per prompt")
    parser.add_argument("--batch", type=int, default=16, help="pictures drawn at once")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--frechet", action="store_true", help="also the Fréchet distance to scenes of the same prompts"
    )
    parser.add_argument("--json", type=Path, help="write all figures here, after every cell")
    parser.add_argument("--sheets", type=Path, help="write a contact sheet of every cell to this folder")
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="draw nothing; print the report of what --json wrote"
    )
    _add_machine(parser)
    return evaluate


def evaluate(arguments: argparse.Namespace) -> None:
    from model.evaluation.evaluate import evaluate, saved_report  # here: nothing else needs the scenes of training

    if arguments.report:
        print(saved_report(arguments.report))
        return
    pipe = TokenShufflePipeline.from_pretrained(
        arguments.weights, device=arguments.device, engine=arguments.engine, threads=arguments.threads
    )
    print(
        evaluate(
            pipe,
            window=arguments.window,
            size=arguments.size,
            prompts=arguments.prompts,
            images=arguments.images,
            batch=arguments.batch,
            seed=arguments.seed,
            frechet=arguments.frechet,
            json_file=arguments.json,
            sheets=arguments.sheets,
        )
    )


COMMANDS = {"generate": add_generate, "benchmark": add_benchmark, "describe": add_describe, "evaluate": add_evaluate}


def main(argv: list[str] | None = None) -> int:
    """Run one command; a bad value prints its message and returns 2."""
    parser = argparse.ArgumentParser(prog="python -m model", description="Token-Shuffle image generation")
    subparsers = parser.add_subparsers(dest="command", required=True)
    for name, add in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=add.__doc__, description=add.__doc__)
        subparser.set_defaults(run=add(subparser))
    arguments = parser.parse_args(argv)
    try:
        arguments.run(arguments)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def positive(text: str) -> int:
    if int(text) < 1:
        raise ValueError
    return int(text)


def _add_machine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", help="cpu, cuda, ... (default: cuda when there is one)")
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        help="default: the best that compiles nothing; native needs cc",
    )
    parser.add_argument("--threads", type=positive, help="CPU threads; 1 is best on a shared machine")


if __name__ == "__main__":
    sys.exit(main())
