"""``python -m model evaluate``: draw the GenEval-shaped prompts with every trained cell and judge the pictures."""

import json
import math
import random
from collections.abc import Iterator
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageOps
from torch import Tensor
from tqdm import tqdm

from model.clock import clock
from model.evaluation.frechet import Lite2Features, frechet_distance
from model.evaluation.geneval import COUNTS, Prompt, draw_scene, is_correct, read_prompts
from model.evaluation.judge import Judge
from model.evaluation.scores import Rate, markdown, table
from model.pipeline import TokenShufflePipeline
from model.settings import sides

SHEET_PER_CATEGORY = 4
SHEET_PX = 192  # of a picture on the contact sheet
RIGHT, WRONG = "darkgreen", "firebrick"


def cells(pipe: TokenShufflePipeline, window: int | None, size: str | None) -> list[tuple[int, str]]:
    """(window, size) of what the checkpoint was trained for, narrowed to a window or a size if given.

    A pair that is named in full is taken even if untrained; the report then says so.
    """
    if window and size:
        return [(window, size)]
    trained = [
        (cell["window"], str(cell.get("size", math.isqrt(cell["max_pixels"])))) for cell in pipe.supported_cells()
    ]
    trained.sort(key=lambda cell: (math.prod(sides(cell[1])), cell[1], cell[0]))
    chosen = [(w, px) for w, px in dict.fromkeys(trained) if window in (None, w) and size in (None, px)]
    if not chosen:
        raise ValueError(f"no trained cell has window {window} and size {size}; trained (window, px): {trained}")
    return chosen


def seed_of(text: str, seed: int) -> int:
    """A prompt's own seed, so that its noise is the same in any batch and among any other prompts."""
    return int.from_bytes(blake2b(f"{seed}|{text}".encode(), digest_size=4).digest(), "big")


def draw(
    pipe: TokenShufflePipeline,
    prompts: list[Prompt],
    window: int,
    size: int | str,
    images: int,
    batch: int,
    seed: int,
    **settings: Any,
) -> Iterator[tuple[int, list[Image.Image], float]]:
    """Yield (prompt index, its pictures, seconds a picture); a prompt's noise hangs on its text and the seed alone.

    settings: the pipeline's, over the checkpoint's own.
    """
    width, height = sides(size)
    settings |= {"width": width, "height": height, "shuffle_window": window, "num_images": images}
    now = clock()
    indices, rows = range(len(prompts)), max(batch // images, 1)
    for chosen in (indices[start : start + rows] for start in indices[::rows]):
        texts = [prompts[i].text for i in chosen]
        seeds = [seed_of(text, seed) for text in texts]
        started = now()
        result = pipe(texts, seed=seeds, **settings)
        seconds = (now() - started) / len(result.images)
        for place, index in enumerate(chosen):
            yield index, result.images[place * images : (place + 1) * images], seconds


def measure_cell(
    pipe: TokenShufflePipeline,
    judge: Judge,
    prompts: list[Prompt],
    window: int,
    size: str,
    *,
    images: int,
    batch: int,
    seed: int,
    features: Lite2Features | None,
) -> tuple[dict[str, Any], Image.Image]:
    """The figures of one cell as plain JSON types, and its contact sheet; with ``features``, its Fréchet distance too."""
    real = real_features(features, prompts, size) if features else None
    verdicts: list[list[bool]] = [[] for _ in prompts]
    first: list[Image.Image] = [None] * len(prompts)  # all pictures of the full set would fill the memory
    seconds = []
    drawing = draw(pipe, prompts, window, size, images, batch, seed)
    for index, drawn, each in tqdm(drawing, f"window {window}, {size} px", len(prompts), unit="prompt", disable=None):
        first[index] = drawn[0]
        verdicts[index] = [is_correct(prompts[index], p, found) for p, found in zip(drawn, judge.detect(drawn))]
        seconds.append(each)
    figures: dict[str, Any] = {
        "window": window,
        "size": size,
        "trained": pipe.is_trained(*sides(size), window),
        "images_per_prompt": images,
        "seconds_per_image": round(sum(seconds) / len(seconds), 3),
        "batch": batch,
        "seed": seed,
        "checkpoint": pipe.checkpoint,
        "numerics": pipe.decoder.numerics,
        "scores": {
            row: {c: asdict(r) for c, r in columns.items()} for row, columns in table(prompts, verdicts).items()
        },
        "verdicts": {p.text: v for p, v in zip(prompts, verdicts)},
    }
    if features:
        generated, other = (round(frechet_distance(some, real[0]), 3) for some in (features(first), real[1]))
        figures["frechet"] = {"generated": generated, "real": other, "n": len(prompts)}
    return figures, contact_sheet(prompts, first, verdicts)


def real_features(features: Lite2Features, prompts: list[Prompt], size: str) -> list[Tensor]:
    """Features of composed scenes of the prompts, twice: what a picture is compared with, and what a perfect one gets."""
    return [
        features([draw_scene(p, rng, *sides(size)).image for p in prompts])
        for rng in map(random.Random, ("real", "other"))
    ]


def contact_sheet(prompts: list[Prompt], pictures: list[Image.Image], verdicts: list[list[bool]]) -> Image.Image:
    """Pictures of the first prompts of each category, a row each, prompts under them green where judged right: nothing is picked."""
    rows = [[i for i, p in enumerate(prompts) if p.category == c][:SHEET_PER_CATEGORY] for c in COUNTS]
    caption = 26
    sheet = Image.new(
        "RGB", (SHEET_PER_CATEGORY * (SHEET_PX + 8) + 8, len(rows) * (SHEET_PX + caption + 8) + 8), "white"
    )
    pen = ImageDraw.Draw(sheet)
    for row, indices in enumerate(rows):
        for column, index in enumerate(indices):
            x, y = 8 + column * (SHEET_PX + 8), 8 + row * (SHEET_PX + caption + 8)
            sheet.paste(ImageOps.pad(pictures[index], (SHEET_PX, SHEET_PX), Image.Resampling.LANCZOS, "white"), (x, y))
            text = prompts[index].text.removeprefix("a photo of ")
            pen.text((x, y + SHEET_PX + 2), text[:38], fill=RIGHT if verdicts[index][0] else WRONG)
    return sheet


def report(results: list[dict[str, Any]]) -> str:
    """All cells as Markdown: what drew them, a summary and the categories of each."""
    drawn = "checkpoint {checkpoint}, {numerics}, batches of {batch}, seed {seed}".format(**results[0])
    lines = [
        "In-domain figures: own vocabulary, own drawings, own judge; not comparable with published GenEval scores.",
        "Intervals are 95 %, n counts prompts.",
        f"Drawn by {drawn}.\n",
        "| window | px | mean of six | seen | held-out | seen - held-out | single object | s a picture | Fréchet (real) |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [summary(result, part, rows) for result in results for part, rows in parts(result)]
    for result in results:
        name = f"window {result['window']}, {result['size']} px" + ("" if result["trained"] else " (untrained)")
        lines += [f"\n### {name}\n", markdown(rates(result))]
    return "\n".join(lines) + "\n"


def rates(result: dict[str, Any]) -> dict[str, dict[str, Rate]]:
    return {row: {c: Rate(**r) for c, r in columns.items()} for row, columns in result["scores"].items()}


def parts(result: dict[str, Any]) -> Iterator[tuple[str, dict[str, dict[str, Rate]]]]:
    """The rates over all prompts, and where they are the full set, over its small set and the rest too."""
    yield "", rates(result)
    verdicts = result["verdicts"]
    asked = [prompt for prompt in read_prompts() if prompt.text in verdicts]
    small, rest = ([p for p in asked if p.small == chosen] for chosen in (True, False))
    if small and rest:
        for name, some in (("small set", small), ("the rest", rest)):
            yield f", {name}", table(some, [verdicts[p.text] for p in some])


def summary(result: dict[str, Any], part: str, rows: dict[str, dict[str, Rate]]) -> str:
    whole = not part
    distance = "{generated} ({real})".format(**result["frechet"]) if whole and "frechet" in result else "–"
    seconds = f"{result['seconds_per_image']:.2f}" if whole else "–"
    cells = [result["window"], f"{result['size']}{part}", *rows["mean"].values(), rows["single_object"]["all"]]
    return "| " + " | ".join(map(str, [*cells, seconds, distance])) + " |"


def saved_report(path: Path) -> str:
    """The report of figures that :func:`evaluate` wrote; ValueError for any other file."""
    try:
        return report(json.loads(path.read_text()))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} holds no figures of `python -m model evaluate --json`: {error!r}") from error


def evaluate(
    pipe: TokenShufflePipeline,
    *,
    window: int | None,
    size: str | None,
    prompts: int,
    images: int,
    batch: int,
    seed: int,
    frechet: bool,
    json_file: Path | None,
    sheets: Path | None,
) -> str:
    """Measure the chosen cells; write JSON and sheets after each one, and return the Markdown report.

    What could fail after hours of drawing comes first: the features' weights, real scenes, folders to write to.
    """
    asked, judge, results = read_prompts(prompts), Judge.load(), []
    features = Lite2Features() if frechet else None
    for folder in filter(None, (sheets, json_file and json_file.parent)):
        folder.mkdir(parents=True, exist_ok=True)
    for w, px in cells(pipe, window, size):
        width, height = sides(px)
        pipe.validate(width=width, height=height, shuffle_window=w, num_images=images)
        figures, sheet = measure_cell(
            pipe, judge, asked, w, px, images=images, batch=batch, seed=seed, features=features
        )
        results.append(figures)
        if json_file:
            json_file.write_text(json.dumps(results, indent=1, allow_nan=False) + "\n")
        if sheets:
            sheet.save(sheets / f"window{w}-{px}px.webp", quality=85)
    return report(results)
