"""Is the judge right about generated pictures? A reader labels them without seeing its verdicts.

``python -m model.evaluation.blind draw`` draws pictures of prompts outside the reported set and writes numbered
sheets with the prompts, and the judge's verdicts into a file to be left closed. The reader lists the numbers that
show what was asked for; ``python -m model.evaluation.blind compare 3 8 11 ...`` opens the file, compares and keeps
the reader's verdicts in it too.
"""

import argparse
import json
import random
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from model.evaluation.evaluate import draw
from model.evaluation.geneval import COUNTS, Prompt, is_correct
from model.evaluation.judge import Judge
from model.evaluation.scores import wilson
from model.evaluation.tune import tuning_prompts
from model.pipeline import TokenShufflePipeline

EACH = 16  # prompts of each category
COLUMNS, ROWS, TILE, CAPTION = 4, 4, 256, 30


def numbered_sheet(first: int, prompts: list[Prompt], pictures: list[Image.Image]) -> Image.Image:
    """Pictures with their numbers and prompts, and nothing that tells a verdict."""
    sheet = Image.new("RGB", (COLUMNS * TILE, ROWS * (TILE + CAPTION)), "white")
    pen = ImageDraw.Draw(sheet)
    for place, (prompt, picture) in enumerate(zip(prompts, pictures)):
        x, y = place % COLUMNS * TILE, place // COLUMNS * (TILE + CAPTION)
        sheet.paste(picture.resize((TILE - 8, TILE - 8), Image.Resampling.LANCZOS), (x + 4, y + 4))
        pen.text((x + 4, y + TILE), f"{first + place}  {prompt.text.removeprefix('a photo of ')}", fill="black")
    return sheet


def draw_blind(folder: Path, pipe: TokenShufflePipeline, window: int, size: int, seed: int) -> None:
    """Write the sheets and the closed verdicts."""
    folder.mkdir(parents=True, exist_ok=True)
    prompts, judge = tuning_prompts(EACH), Judge.load()
    random.Random(seed).shuffle(prompts)  # the category must not tell what to expect
    drawn = {index: pictures[0] for index, pictures, _ in draw(pipe, prompts, window, size, 1, 16, seed)}
    pictures = [drawn[index] for index in range(len(prompts))]
    verdicts = [is_correct(p, image, found) for p, image, found in zip(prompts, pictures, judge.detect(pictures))]
    rows = [{"category": p.category, "text": p.text, "verdict": verdict} for p, verdict in zip(prompts, verdicts)]
    drawn_by = {"checkpoint": pipe.checkpoint, "numerics": pipe.decoder.numerics}
    save_verdicts(folder, drawn_by | {"window": window, "size": size, "seed": seed, "pictures": rows})
    per_sheet = COLUMNS * ROWS
    for first in range(0, len(prompts), per_sheet):
        part = slice(first, first + per_sheet)
        numbered_sheet(first, prompts[part], pictures[part]).save(folder / f"sheet-{first // per_sheet}.png")


def save_verdicts(folder: Path, validation: dict) -> None:
    (folder / "verdicts.json").write_text(json.dumps(validation, indent=1) + "\n")


def compare(rows: list[dict], right: set[int]) -> str:
    """Agreement between the reader's list and the judge, overall and by category, and the numbers on which they differ."""
    unknown = right - set(range(len(rows)))
    if unknown:
        raise ValueError(f"no pictures {sorted(unknown)}; there are 0 to {len(rows) - 1}")
    too_strict = [i for i in sorted(right) if not rows[i]["verdict"]]
    too_kind = [i for i, row in enumerate(rows) if row["verdict"] and i not in right]
    lines = [
        f"agreement {agreement(rows, right, range(len(rows)))}",
        f"accepted by the reader only: {too_strict}\naccepted by the judge only: {too_kind}",
    ]
    for category in COUNTS:
        if chosen := [i for i, row in enumerate(rows) if row["category"] == category]:
            lines.append(f"{category}: {agreement(rows, right, chosen)}")
    return "\n".join(lines)


def agreement(rows: list[dict], right: set[int], chosen: Sequence[int]) -> str:
    """Share of the chosen pictures on which reader and judge agree, and how many each accepts."""
    agreed = sum(rows[i]["verdict"] == (i in right) for i in chosen)
    judged = sum(rows[i]["verdict"] for i in chosen)
    return f"{wilson(agreed / len(chosen), len(chosen))}; the reader accepts {len(right & set(chosen))}, the judge {judged}"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("runs/blind"), help="of the sheets and the verdicts")
    commands = parser.add_subparsers(dest="command", required=True)
    drawing = commands.add_parser("draw", help="draw the pictures and judge them")
    drawing.add_argument("--weights", help="folder of the pipeline; the shipped one if not given")
    drawing.add_argument("--window", type=int, default=2)
    drawing.add_argument("--size", type=int, default=512)
    drawing.add_argument("--seed", type=int, default=0)
    comparing = commands.add_parser("compare", help="compare the judge with a reader")
    comparing.add_argument("right", type=int, nargs="*", help="numbers of the pictures that show what was asked for")
    return parser.parse_args()


if __name__ == "__main__":
    a = parse()
    if a.command == "draw":
        draw_blind(a.folder, TokenShufflePipeline.from_pretrained(a.weights), a.window, a.size, a.seed)
    else:
        validation = json.loads((a.folder / "verdicts.json").read_text())
        print(compare(validation["pictures"], set(a.right)))
        labelled = [picture | {"reader": i in a.right} for i, picture in enumerate(validation["pictures"])]
        save_verdicts(a.folder, validation | {"pictures": labelled})
