"""What the controls offer of a checkpoint: plain functions of its trained cells."""

from dataclasses import replace

import pytest

from app.drawing.estimate import training_text
from app.playground.controls import Controls
from app.playground.offers import Combination, combinations, offered, settled, training_note

SHIPPED_LATER = [(512, 1), (512, 2), (512, 4), (1024, 4)]
NOW = Controls("a duck", "1:1", 512, 512, 512, 2, "half-linear", 3.0, 0.5, "", 1.0, 0, 1.0, 5, False, 1)


def cell(low, window, high=None, **more):
    return {
        "min_pixels": low**2,
        "max_pixels": (high or low) ** 2,
        "window": window,
        "samples": 10,
        "loss": 1.0,
        **more,
    }


WIDE = {"min_pixels": 576 * 448, "max_pixels": 576 * 448, "max_aspect": 576 / 448}


@pytest.fixture
def trained():
    return combinations([cell(size, window) for size, window in SHIPPED_LATER])


@pytest.fixture
def wide_too():
    """With 576 × 448 px, wide and tall, at the windows 2 and 4."""
    return combinations(
        [*(cell(size, window) for size, window in SHIPPED_LATER), *(cell(0, window, **WIDE) for window in (2, 4))]
    )


def test_single_sizes_are_squares_of_exactly_that_size(trained):
    assert {(each.resolution, each.window) for each in trained} == set(SHIPPED_LATER)
    assert {each.aspect for each in trained} == {"1:1"}


def test_ranges_with_aspects_open_what_they_cover():
    found = combinations([cell(256, 2, 512, max_aspect=1.5)])
    assert {each.aspect for each in found} == {"1:1", "4:3", "3:4"}
    assert {each.resolution for each in found if each.aspect == "1:1"} == set(range(256, 513, 64))


def test_only_trained_positions_can_be_set_until_more_is_allowed(trained):
    offer = offered(trained, [1, 2, 4, 8], allow_untrained=False)
    assert (offer.least, offer.most, offer.step, offer.aspects, offer.locked) == (512, 1024, 512, ("1:1",), (8,))
    free = offered(trained, [1, 2, 4, 8], allow_untrained=True)
    assert (free.least, free.most, free.step, free.locked) == (256, 2048, 64, ()) and len(free.aspects) == 6


@pytest.mark.parametrize(
    ("change", "moved", "then"),
    [
        ({"aspect": "4:3", "window": 1}, "aspect", (512, "4:3", 2)),
        ({"aspect": "4:3", "window": 1}, "window", (512, "1:1", 1)),
        ({"aspect": "3:4", "window": 4, "resolution": 1024}, "resolution", (1024, "1:1", 4)),
        ({"aspect": "3:4", "window": 4, "resolution": 1024}, "aspect", (512, "3:4", 4)),
        ({"aspect": "free"}, "window", (512, "1:1", 2)),
    ],
)
def test_wide_and_tall_pictures_lead_to_their_windows(wide_too, change, moved, then):
    chosen = settled(wide_too, replace(NOW, **change), moved)
    assert (chosen.resolution, chosen.aspect, chosen.window) == then
    assert offered(wide_too, [1, 2, 4], allow_untrained=False).aspects == ("1:1", "4:3", "3:4")


def test_a_checkpoint_without_trained_cells_locks_nothing_and_says_so():
    assert offered([], [1, 2], allow_untrained=False) == offered([], [1, 2], allow_untrained=True)
    assert settled([], NOW) == NOW and "names no size" in training_note([])


@pytest.mark.parametrize(
    ("change", "moved", "then"),
    [
        ({"resolution": 1024}, "resolution", (1024, 4)),
        ({"resolution": 1024, "window": 1}, "window", (512, 1)),
        ({"resolution": 640, "window": 4}, "resolution", (512, 4)),
        ({"resolution": 2048, "window": 8}, "window", (1024, 4)),
        ({"aspect": "16:9"}, "aspect", (512, 2)),
        ({"window": 4}, "window", (512, 4)),
    ],
)
def test_what_was_moved_stays_and_the_others_follow(trained, change, moved, then):
    chosen = settled(trained, replace(NOW, **change), moved)
    assert (chosen.resolution, chosen.window) == then and Combination(*then[:1], chosen.aspect, then[1]) in trained


@pytest.mark.parametrize(
    ("aspect", "resolution", "size", "said"),
    [
        ("16:9", 2048, (2048, 1152), "16:9 ends at 1536 px"),
        ("9:16", 1600, (1152, 2048), "9:16 ends at 1536 px"),
        ("16:9", 1536, (2048, 1152), ""),
        ("1:1", 2048, (2048, 2048), ""),
        ("free", 2048, (512, 512), ""),
    ],
)
def test_no_side_passes_the_largest_and_the_aspect_is_kept(aspect, resolution, size, said):
    chosen = replace(NOW, aspect=aspect, resolution=resolution)
    assert chosen.size() == size and chosen.lowered().startswith(said) and bool(chosen.lowered()) is bool(said)


def test_nothing_follows_where_untrained_is_allowed(trained):
    wild = replace(NOW, resolution=2048, window=1, allow_untrained=True)
    assert settled(trained, wild, "window") == wild


def test_the_note_names_aspects_sizes_and_their_windows(trained, wide_too):
    squares = "Trained for 1:1 at 512 px (s = 1, 2, 4) and 1024 px (s = 4)"
    assert training_note(trained) == f"{squares}."
    assert training_note(wide_too) == f"{squares}; for 4:3 and 3:4 at 512 px (s = 2, 4)."
    assert training_note(combinations([cell(256, 2, 512)])) == "Trained for 1:1 at 256–512 px (s = 2)."


def test_costs_name_the_samples_of_this_very_size_or_what_was_trained_instead():
    cells = [cell(1024, 4), cell(0, 4, **WIDE, size="448x576"), {**cell(0, 4, **WIDE, size="576x448"), "samples": 1234}]
    request = replace(NOW, aspect="4:3", window=4).request()
    assert training_text(cells, request) == "trained on 1,234 samples"
    assert training_text(cells, replace(request, height=512)) == (
        "576 × 512 was not trained with window 4; trained: squares of 1024 px, 448 × 576 px, 576 × 448 px"
    )
