"""Seconds in words."""

import pytest

from app.components.amounts import seconds_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.84, "0.8 s"),
        (42, "42 s"),
        (200, "3 min 20 s"),
        (18_730, "5 h 12 min"),
        (100_000, "27 h 46 min"),
        (273_700, "3 days 4 h"),
    ],
)
def test_times_are_told_in_units_that_fit(seconds, text):
    assert seconds_text(seconds) == text
