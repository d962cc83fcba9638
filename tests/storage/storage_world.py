"""Names that the storage tests share."""

import io

from PIL import Image

OWNER = "o" * 32
STRANGER = "s" * 32
SETTINGS = {
    "width": 64,
    "height": 64,
    "window": 2,
    "schedule": {"kind": "linear", "points": [[0, 1], [1, 7.5]]},
    "scale": 7.5,
    "temperature": 1.0,
    "top_k": 50,
    "top_p": 0.9,
    "checkpoint": "abc",
}


def png(shade: int = 0, size: tuple[int, int] = (40, 24)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (shade % 256, shade // 256 % 256, 7)).save(buffer, "PNG")
    return buffer.getvalue()
