"""What a first visitor sees: pictures drawn beforehand by the very checkpoint that is loaded.

    python -m app.playground.examples        draws them again from the shipped weights (after every new checkpoint)

The manifest beside the pictures names the checkpoint. With any other one loaded there are no examples, rather than
pictures that it never drew.
"""

import io
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from app.assets import ASSETS
from app.drawing.record import setting_of
from app.request import GenerationRequest, request_from
from model.pipeline import TokenShufflePipeline

log = logging.getLogger(__name__)

MANIFEST = ASSETS / "examples.json"
WEBP_QUALITY = 82
WANTED = (  # chosen among a few seeds; what the weights get wrong is on the contact sheets of docs/training.md
    GenerationRequest("a kite above a handbag", "a kite above a handbag", seed=7, shuffle_window=2),
    GenerationRequest("three octopuses", "three octopuses", seed=5, shuffle_window=4),
    GenerationRequest("a brown car and a yellow shoe", "a brown car and a yellow shoe", seed=7, shuffle_window=2),
    GenerationRequest(
        "a laptop and a gift on a navy background",
        "a laptop and a gift on a navy background",
        width=576,
        height=448,
        seed=3,
        shuffle_window=2,
    ),
    GenerationRequest("four top hats", "four top hats", seed=3, shuffle_window=4),
    GenerationRequest("a rabbit", "a rabbit", width=1024, height=1024, seed=5, shuffle_window=4),
)


@dataclass(frozen=True)
class Example:
    """file: the name of the picture in the assets folder. request: everything that draws it again."""

    file: str
    request: GenerationRequest
    steps: int

    @property
    def url(self) -> str:
        return f"/studio/{self.file}"


def load_examples(checkpoint: str | None, manifest: Path = MANIFEST) -> list[Example]:
    """Those that this checkpoint drew; none for another one."""
    if not manifest.is_file():
        return []
    kept = json.loads(manifest.read_text(encoding="utf-8"))
    if kept["checkpoint"] != checkpoint:
        log.info("the examples were drawn by checkpoint %s, not by %s: none are shown", kept["checkpoint"], checkpoint)
        return []
    return [Example(row["file"], request_from(row["request"]), row["steps"]) for row in kept["examples"]]


def draw_examples(pipeline: TokenShufflePipeline, folder: Path, wanted: Sequence[GenerationRequest] = WANTED) -> None:
    """Draw, write the pictures, then the manifest; pictures of an earlier manifest are removed."""
    for old in folder.glob("example-*.webp"):
        old.unlink()
    rows = [draw(pipeline, folder / f"example-{number}.webp", request) for number, request in enumerate(wanted, 1)]
    manifest = {"checkpoint": pipeline.checkpoint, "examples": rows}
    (folder / MANIFEST.name).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def draw(pipeline: TokenShufflePipeline, file: Path, request: GenerationRequest) -> dict[str, Any]:
    """One picture; what the manifest says of it, with the checkpoint's own settings spelled out."""
    result = pipeline(**request.arguments())
    file.write_bytes(webp(result.images[0]))
    used = setting_of(result.settings)
    shaped = GenerationRequest(
        prompt=request.prompt,
        typed=request.typed,
        width=used["width"],
        height=used["height"],
        seed=request.seed,
        shuffle_window=used["window"],
        guidance_schedule=used["schedule"]["kind"],
        guidance_scale=used["scale"],
        ramp_end=used["schedule"].get("ramp_end"),
        temperature=used["temperature"],
        top_k=used["top_k"],
        top_p=used["top_p"],
    )
    chosen = {name: value for name, value in asdict(shaped).items() if value is not None}
    return {"file": file.name, "steps": len(result.settings["guidance_weights"]), "request": chosen}


def webp(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "WEBP", quality=WEBP_QUALITY, method=6)
    return buffer.getvalue()


if __name__ == "__main__":
    draw_examples(TokenShufflePipeline.from_pretrained(), ASSETS)
    print(f"drawn into {ASSETS}")
