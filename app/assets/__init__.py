"""Scripts, styles and pictures that pages are made of."""

from pathlib import Path

ASSETS = Path(__file__).parent


def text_of(*names: str) -> str:
    """Scripts or styles one after the other, as text."""
    return "\n".join((ASSETS / name).read_text(encoding="utf-8") for name in names)
