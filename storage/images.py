"""Pictures as content-addressed files: the name is the SHA-256 of the bytes, so a path can never come from a user.

A picture is written (temporary file, fsync, rename) before the row that names it; a crash in between leaves an
orphan, which `check` finds, never a row without its picture. `mirror` is a second folder (a mounted bucket) that
gets every file before `put` returns and from which a wiped disk is filled again.
"""

import hashlib
import io
import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

THUMBNAIL_PX = 256
MAX_IMAGE_BYTES = 64 * 2**20
ORPHAN_SECONDS = 3600  # a younger file without a row may belong to a write in progress
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class StoredImage:
    """The three hashes of one picture: of the PNG file, of the thumbnail file, and of the RGB pixels."""

    image: str
    thumbnail: str
    pixel_hash: str


@dataclass(frozen=True)
class Findings:
    """What the checker saw; `orphans` are (hash, suffix) pairs that no row names."""

    files: int
    bytes: int
    orphans: list[tuple[str, str]]
    missing: list[str]
    damaged: list[str]


def pixel_hash(picture: Image.Image) -> str:
    """SHA-256 over width, height and the RGB bytes in row order: equal pixels, equal hash, whatever the file."""
    rgb = picture.convert("RGB")
    return hashlib.sha256(f"{rgb.width}x{rgb.height}:".encode() + rgb.tobytes()).hexdigest()


def thumbnail_of(picture: Image.Image) -> bytes:
    """WebP of at most 256 x 256 px, aspect kept."""
    small = picture.convert("RGB")
    small.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=82, method=4)
    return buffer.getvalue()


def open_png(png: bytes) -> Image.Image:
    """The decoded picture; ValueError if the bytes are not one whole PNG of a bearable size."""
    if len(png) > MAX_IMAGE_BYTES:
        raise ValueError(f"the picture has {len(png)} bytes; allowed: at most {MAX_IMAGE_BYTES}")
    try:
        picture = Image.open(io.BytesIO(png), formats=("PNG",))
        picture.load()
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"not a readable PNG: {error}") from error
    return picture


class ImageStore:
    def __init__(self, root: Path, mirror: Path | None = None) -> None:
        self.root = root
        self.mirror = mirror
        root.mkdir(parents=True, exist_ok=True)

    def put(self, png: bytes) -> StoredImage:
        """Keep a PNG and its thumbnail; both are on the disk (and on the mirror) when this returns."""
        picture = open_png(png)
        return StoredImage(
            image=self._write(png, ".png"),
            thumbnail=self._write(thumbnail_of(picture), ".webp"),
            pixel_hash=pixel_hash(picture),
        )

    def path(self, image_hash: str, suffix: str = ".png") -> Path:
        """The file of a hash (".png" picture, ".webp" thumbnail); FileNotFoundError if there is none."""
        path = _place(self.root, image_hash, suffix)
        if not path.exists() and self.mirror is not None:
            saved = _place(self.mirror, image_hash, suffix)
            if saved.exists():
                write_atomically(path, saved.read_bytes())
        if not path.exists():
            raise FileNotFoundError(f"no stored picture {image_hash}{suffix}")
        return path

    def exists(self, image_hash: str, suffix: str = ".png") -> bool:
        try:
            self.path(image_hash, suffix)
        except FileNotFoundError:
            return False
        return True

    def read(self, image_hash: str, suffix: str = ".png") -> bytes:
        return self.path(image_hash, suffix).read_bytes()

    def remove(self, image_hash: str, suffix: str = ".png") -> None:
        """Also from the mirror. Only the store calls this, after it made sure that no row names the file."""
        for root in (self.root, self.mirror):
            if root is not None:
                _place(root, image_hash, suffix).unlink(missing_ok=True)

    def files(self) -> Iterator[Path]:
        """Every whole picture and thumbnail."""
        return (path for path in self.root.glob("??/*") if _HASH.fullmatch(path.stem))

    def check(self, named: Iterable[tuple[str, str]], *, rehash: bool = False) -> Findings:
        """Compare the folder with the (hash, suffix) pairs that rows name. rehash also reads every file."""
        wanted = set(named)
        found = {(path.stem, path.suffix): path for path in self.files()}
        sizes = [path.stat().st_size for path in found.values()]
        damaged = [key[0] for key, path in found.items() if rehash and _sha256(path.read_bytes()) != key[0]]
        missing = [name for name, suffix in sorted(wanted - set(found)) if not self.exists(name, suffix)]
        orphans = sorted(key for key in set(found) - wanted if _age_seconds(found[key]) > ORPHAN_SECONDS)
        return Findings(len(found), sum(sizes), orphans, missing, damaged)

    def _write(self, data: bytes, suffix: str) -> str:
        name = _sha256(data)
        for root in (self.root, self.mirror):
            if root is None:
                continue
            path = _place(root, name, suffix)
            if path.exists():
                os.utime(path)  # a young file is never swept as an orphan
            else:
                write_atomically(path, data)
        return name


def write_atomically(path: Path, data: bytes) -> None:
    """Either the whole file under its name, on the disk, or nothing under that name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}.part")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in the folder durable, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:  # network mounts may refuse to sync a folder; the file itself was synced
        pass
    finally:
        os.close(handle)


def _place(root: Path, image_hash: str, suffix: str) -> Path:
    if not _HASH.fullmatch(image_hash) or suffix not in (".png", ".webp"):
        raise ValueError(f"{image_hash!r}{suffix!r} is no picture name; allowed: 64 hex digits, .png or .webp")
    return root / image_hash[:2] / f"{image_hash}{suffix}"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _age_seconds(path: Path) -> float:
    return time.time() - path.stat().st_mtime
