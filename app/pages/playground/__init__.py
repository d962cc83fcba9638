"""The Playground: `page.py` lays it out, `inputs.py` are its controls, `running.py` and `describing.py` bring it to life."""

from app.pages.playground.page import build

__all__ = ["build"]
