"""Two pictures for blind eyes: same size in pixels, same format, same length in bytes, nothing else inside.

A stored picture tells its settings by its size, name, metadata and file length. What a rater gets is drawn
anew on a common square, saved as JPEG without metadata, and padded after the end mark with random bytes,
so that neither the two sides of a pair nor two copies of one picture can be told apart by their bytes.
"""

import io
import secrets
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageFilter

DISPLAY_PX = 768  # square on which every picture of every study is shown
BACKGROUND = (128, 128, 128)
QUALITY = 95
BLOCK_BYTES = 64 * 1024


def blind_pair(left: Image.Image, right: Image.Image) -> tuple[bytes, bytes]:
    """Two pictures -> two JPEG files of one length and DISPLAY_PX × DISPLAY_PX pixels."""
    return of_one_length(encode(on_common_square(left)), encode(on_common_square(right)))


def of_one_length(left: bytes, right: bytes) -> tuple[bytes, bytes]:
    """JPEG files with random bytes after their end mark."""
    length = -(-max(len(left), len(right)) // BLOCK_BYTES) * BLOCK_BYTES
    return left + secrets.token_bytes(length - len(left)), right + secrets.token_bytes(length - len(right))


@lru_cache(maxsize=128)
def stored_square(path: Path) -> bytes:
    """A stored picture as raters see it, not yet padded. A study shows few pictures to many, and stored files never change."""
    with Image.open(path) as picture:
        return encode(on_common_square(picture))


def on_common_square(picture: Image.Image) -> Image.Image:
    """The whole picture, as large as fits, centred on grey; only its pixels are kept."""
    picture = picture.convert("RGB")
    scale = DISPLAY_PX / max(picture.size)
    size = tuple(max(round(side * scale), 1) for side in picture.size)
    square = Image.new("RGB", (DISPLAY_PX, DISPLAY_PX), BACKGROUND)
    square.paste(
        picture.resize(size, Image.Resampling.LANCZOS), ((DISPLAY_PX - size[0]) // 2, (DISPLAY_PX - size[1]) // 2)
    )
    return square


def encode(picture: Image.Image) -> bytes:
    """JPEG without colour subsampling and without a word beside the pixels."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    return buffer.getvalue()


def degraded(picture: Image.Image) -> Image.Image:
    """A visibly worse copy for a control: an eighth of the resolution, blurred."""
    small = picture.convert("RGB").resize([max(side // 8, 1) for side in picture.size], Image.Resampling.BILINEAR)
    return small.resize(picture.size, Image.Resampling.BILINEAR).filter(
        ImageFilter.GaussianBlur(max(picture.size) / 128)
    )
