"""The growing picture's grid of fused windows, as the page gets it."""

import re

from PIL import Image

from app.drawing.live import LiveJob
from app.playground.views import running_view
from app.request import GenerationRequest


def paths(html):
    return dict(re.findall(r'<path class="(\w+)" d="([^"]*)"', html))


def test_windows_are_clear_where_shown_lit_up_to_the_next_and_veiled_beyond():
    live = LiveJob()
    live.advance(2, 8, 1)
    live.show([Image.new("RGB", (4, 2))])
    live.advance(5, 8, 1)  # drawn since, but in no preview yet
    found = paths(running_view(GenerationRequest("x", "x", width=64, height=32, shuffle_window=1), live).stage)
    assert found["veil"] == "M2 0H4V1H2ZM0 1H4V2H0Z"
    assert found["lit"] == "M2 0H4V1H2ZM0 1H2V2H0Z"


def test_nothing_is_veiled_or_lit_once_the_preview_shows_every_window():
    live = LiveJob()
    live.advance(63, 63, 16)
    live.show([Image.new("RGB", (36, 28))])
    found = paths(running_view(GenerationRequest("x", "x", width=576, height=448, shuffle_window=4), live).stage)
    assert found["veil"] == found["lit"] == "" and found["lines"].count("M") == 8 + 6
