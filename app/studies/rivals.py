"""Pictures of other systems as rivals: shown blind against the study's own, counted apart, never in the rating model.

A folder holds the pictures and `pictures.csv` with the columns `file` and `prompt`, where every prompt is one of the
study's. Each rival picture is paired with the study's picture of every setting for that prompt.
"""

import csv
import io
import tempfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from app.drawing.drawing import png
from app.services import Services
from storage.errors import WrongState
from storage.records import Generation, NewComparison, Study

LIST = "pictures.csv"
FACTOR = "system"  # what differs in such a pair
MAX_RIVALS = 2000
MAX_PX = 2048
MAX_UNPACKED_BYTES = 2**28


def bring_in(services: Services, study: Study, system: str, folder: Path) -> int:
    """Import the pictures of one system; returns how many pairs it has now. Called again it adds what is new."""
    if not 1 <= len(system.strip()) <= 60:
        raise ValueError(f"the system's name has {len(system.strip())} characters; allowed: 1 to 60")
    if study.state == "closed":
        raise WrongState("the study is closed; it takes no more pictures")
    listed = read_list(folder, study)
    there = services.store.study_generations(study.id)
    own = [each for each in there if each.source == "model" and each.image]
    if not own:
        raise WrongState("the study has no pictures of its own yet; rivals come after them")
    known = {(each.prompt, each.image): each for each in there if each.source == "rival"}
    rivals = [rival(services, study, system.strip(), prompt, path, known) for path, prompt in listed]
    pairs = [pair for each in rivals for pair in pairs_of(each, own, system.strip())]
    return len(services.store.add_comparisons(study.id, pairs))


def bring_in_zip(services: Services, study: Study, system: str, packed: bytes) -> int:
    """The same from a zip that holds such a folder."""
    with tempfile.TemporaryDirectory() as folder:
        unpack(packed, folder)
        lists = list(Path(folder).rglob(LIST))
        if len(lists) != 1:
            raise ValueError(f"the zip has {len(lists)} files named {LIST}; it needs one, beside the pictures")
        return bring_in(services, study, system, lists[0].parent)


def unpack(packed: bytes, folder: str) -> None:
    """ValueError for what is no zip, too large, encrypted or damaged."""
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
            if unpacked > MAX_UNPACKED_BYTES:
                raise ValueError(f"the zip unpacks to {unpacked:,} bytes; allowed: {MAX_UNPACKED_BYTES:,}")
            archive.extractall(folder)
    except zipfile.BadZipFile as error:
        raise ValueError("this file is no zip, or a damaged one") from error
    except (RuntimeError, OSError, EOFError, zlib.error) as error:  # the first is what a password comes to
        raise ValueError("the zip cannot be unpacked; it must be whole and without a password") from error


def read_list(folder: Path, study: Study) -> list[tuple[Path, str]]:
    """(file, prompt) of every row; ValueError names the first that cannot be used."""
    try:
        with open(folder / LIST, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, csv.Error) as error:
        raise ValueError(f"there is no {LIST} in the folder that can be read") from error
    if not rows or not {"file", "prompt"} <= set(rows[0]):
        raise ValueError(f"{LIST} needs the columns file and prompt, and a row for every picture")
    if len(rows) > MAX_RIVALS:
        raise ValueError(f"{LIST} lists {len(rows)} pictures; at most {MAX_RIVALS} are allowed")
    found = []
    for row in rows:
        path, prompt = file_of(folder, row["file"] or ""), " ".join((row["prompt"] or "").split())
        if prompt not in study.prompts:
            raise ValueError(f"the prompt {prompt!r:.80} is none of the study's {len(study.prompts)}")
        check_picture(path)
        found.append((path, prompt))
    return found


def file_of(folder: Path, name: str) -> Path:
    """A file of the folder; ValueError where there is none, or where the name leads out of it."""
    path = folder / name
    try:
        there = path.is_file() and path.resolve().is_relative_to(folder.resolve())
    except OSError:  # a name longer than any file's
        there = False
    if not there:
        raise ValueError(f"there is no file {name!r:.80} in the folder")
    return path


def check_picture(path: Path) -> None:
    """ValueError for what is no whole picture or too large. Loads it: only its end tells that it was cut off."""
    try:
        with Image.open(path) as file:
            width, height = file.size
            if max(width, height) <= MAX_PX:
                file.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path.name} is no picture that can be read") from error
    if max(width, height) > MAX_PX:
        raise ValueError(f"{path.name} has {width} × {height} px; at most {MAX_PX} a side are allowed")


def rival(
    services: Services,
    study: Study,
    system: str,
    prompt: str,
    path: Path,
    known: Mapping[tuple[str | None, str | None], Generation],
) -> Generation:
    """The stored picture; the one that is there already is used again. What is not known of it stays empty."""
    with Image.open(path) as file:
        width, height, data = *file.size, png(file)
    stored = services.store.images.put(data)
    return known.get((prompt, stored.image)) or services.store.record_generation(
        None,
        source="rival",
        study_id=study.id,
        prompt=prompt,
        seed=0,
        image=stored.image,
        thumbnail=stored.thumbnail,
        pixel_hash=stored.pixel_hash,
        numerics_id="unknown",
        settings={"width": width, "height": height, "checkpoint": system},
    )


def pairs_of(rival: Generation, own: Sequence[Generation], system: str) -> list[NewComparison]:
    """One pair a setting: the study's picture, first seed, is a and the rival is b."""
    first: dict[str, Generation] = {}
    for each in sorted((g for g in own if g.prompt_sent == rival.prompt), key=lambda g: (g.seed, g.id)):
        first.setdefault(each.setting_id, each)
    return [
        NewComparison(each.id, rival.id, kind="free", factor=FACTOR, block=f"{FACTOR} {system}")
        for each in first.values()
    ]
