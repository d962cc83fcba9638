"""The study that comes with the studio: real pictures of the shipped weights, without votes, so that a fresh copy has a
working arena at once.

`pack` writes a study whose pictures are drawn into a folder: one manifest, and one WebP a picture. `take_in` makes the
study of such a folder again in a store that does not have it. Called again it does nothing, and after a crash it goes
on where it stopped.
"""

import base64
import hashlib
import json
import logging
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from app.drawing.drawing import png
from app.services import Services
from app.studies.admin import open_doors
from storage.errors import WrongState
from storage.records import Generation, Study
from storage.store import Store

log = logging.getLogger(__name__)

FOLDER = Path(__file__).parent.parent / "assets" / "study"
MANIFEST = "manifest.json"
QUALITY = 95  # of the WebP files; raters see JPEG of the same quality in any case
MARK = "shipped"  # in the plan of the study: which manifest it was made from
STUDY_FIELDS = ("name", "description", "prompts", "criteria", "raters_per_pair", "plan")
PICTURE_FIELDS = (
    "settings",
    "prompt",
    "prompt_sent",
    "seed",
    "token_hash",
    "steps",
    "seconds",
    "timings",
    "peak_memory_bytes",
    "numerics_id",
    "environment",
)


def pack(store: Store, study: Study, folder: Path) -> int:
    """Write manifest and pictures of a study that is drawn; returns the bytes written. Older pictures there go."""
    made = [each for each in store.study_generations(study.id) if each.source == "model" and each.image]
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.webp"):
        old.unlink()
    pictures = [packed(store, each, folder / f"{number:03d}.webp") for number, each in enumerate(made)]
    manifest = {"study": {key: getattr(study, key) for key in STUDY_FIELDS}, "pictures": pictures}
    text = json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True, default=dict)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
    return sum(path.stat().st_size for path in folder.iterdir())


def packed(store: Store, generation: Generation, target: Path) -> dict[str, Any]:
    """Save the picture of a generation; the entry that makes its row again."""
    with Image.open(store.images.path(generation.image)) as picture:
        picture.save(target, "WEBP", quality=QUALITY, method=6)
    tokens = base64.b64encode(zlib.compress(store.generation_tokens(generation.id) or b"", 9)).decode()
    return {"file": target.name, "tokens": tokens, **{key: getattr(generation, key) for key in PICTURE_FIELDS}}


def take_in(services: Services, folder: Path = FOLDER) -> Study | None:
    """The study of the folder, open for raters; None where nothing is shipped. A study that was opened once is left as
    it is, whatever became of it."""
    path = folder / MANIFEST
    if not path.exists():
        return None
    text = path.read_text(encoding="utf-8")
    manifest, digest = json.loads(text), hashlib.sha256(text.encode()).hexdigest()
    study = find_or_create(services.store, manifest["study"], digest)
    if study is None or study.opened_at is not None:
        return study
    present = {
        key_of(each.settings, each.seed, each.prompt): each for each in services.store.study_generations(study.id)
    }
    for entry in manifest["pictures"]:
        if key_of(entry["settings"], entry["seed"], entry["prompt"]) not in present:
            record(services.store, study, entry, folder)
    made = [each for each in services.store.study_generations(study.id) if each.source == "model"]
    log.info("the study %r came with the studio: %d pictures", study.name, len(made))
    return open_doors(services, study, made)


def find_or_create(store: Store, fields: Mapping[str, Any], digest: str) -> Study | None:
    """None where another study has the name already."""
    for study in store.list_studies():
        if study.plan.get(MARK) == digest:
            return study
    try:
        return store.create_study(**{**fields, "settings": [], "plan": {**fields["plan"], MARK: digest}})
    except WrongState:
        log.warning("the shipped study was left out: there is another study named %r", fields["name"])
        return None


def record(store: Store, study: Study, entry: Mapping[str, Any], folder: Path) -> None:
    """One entry of the manifest becomes a generation without a job and without an owner, whom nobody is barred from rating."""
    with Image.open(folder / entry["file"]) as file:
        stored = store.images.put(png(file))
    tokens = zlib.decompress(base64.b64decode(entry["tokens"])) or None
    fields = {key: entry[key] for key in PICTURE_FIELDS}
    store.record_generation(
        None,
        study_id=study.id,
        image=stored.image,
        thumbnail=stored.thumbnail,
        pixel_hash=stored.pixel_hash,
        tokens=tokens,
        **fields,
    )


def key_of(settings: Mapping[str, Any], seed: int, prompt: str | None) -> str:
    """What tells the pictures of a study apart."""
    return json.dumps([dict(settings), seed, prompt], sort_keys=True)
