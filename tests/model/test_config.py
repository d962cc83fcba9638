"""What no model can be made of is refused by name."""

import pytest

from model import TokenShuffleConfig, preset
from model.settings import sides

CELL = {"window": 2, "min_pixels": 512 * 512, "max_pixels": 512 * 512}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": "x"}, "hidden_size is 'x'; it must be a whole number from 1"),
        ({"num_hidden_layers": 0}, "num_hidden_layers is 0"),
        ({"num_key_value_heads": 4}, "num_key_value_heads is 4; it must be a divisor of 6 heads"),
        ({"head_dim": 6}, "head_dim is 6; it must be a multiple of 4"),
        ({"shuffle_windows": (1, 3)}, "shuffle window is 3; it must be 1, 2, 4 or 8"),
        ({"shuffle_windows": ()}, "shuffle_windows is"),
        ({"shuffle_windows": None}, "shuffle_windows is"),
        ({"shuffle_windows": "124"}, "shuffle_windows is '124'; it must be a list"),
        ({"shuffle_windows": ["x"]}, "shuffle window is 'x'; it must be 1, 2, 4 or 8"),
        ({"code_width": 0}, "code_width is 0"),
        ({"code_width": "a"}, "code_width is 'a'; it must be None or a whole number from 1"),
        ({"code_width": 2.5}, "code_width is 2.5"),
        ({"code_width": True}, "code_width is True"),
        ({"initializer_range": "x"}, "initializer_range is 'x'; it must be a finite number from 0"),
        ({"shuffle_windows": [True, 2]}, "shuffle window is True; it must be 1, 2, 4 or 8"),
        ({"code_width": None, "hidden_size": 390, "head_dim": 64}, "hidden_size is 390; it must be a multiple of 4"),
        ({"positions": "spiral"}, "positions is 'spiral'; it must be one of"),
        ({"window_head": "deep"}, "window_head is 'deep'; it must be one of"),
        ({"end_of_image_id": 2048}, "end_of_image_id is 2048; it must be None or a text id, 0 to 2047"),
        ({"end_of_image_id": "x"}, "end_of_image_id is 'x'; it must be None or a text id"),
        ({"end_of_image_id": True}, "end_of_image_id is True"),
        ({"trained_cells": [{"window": 2}]}, "a trained cell is"),
        ({"trained_cells": [3]}, "a trained cell is 3; it must be a dict with"),
        ({"trained_cells": [CELL | {"size": 5.5}]}, "size of a trained cell is 5.5; it must be px"),
        ({"trained_cells": [CELL | {"size": "512x"}]}, "size of a trained cell is '512x'"),
        ({"trained_cells": [CELL | {"max_aspect": "1"}]}, "max_aspect of a trained cell is '1'; it must be a number"),
        ({"trained_cells": [CELL | {"loss": None}]}, "loss of a trained cell is None"),
        ({"trained_cells": [CELL | {"claimed": "no"}]}, "claimed of a trained cell is 'no'; it must be true or false"),
        ({"qk_norm": "no"}, "qk_norm is 'no'; it must be true or false"),
        ({"z_loss_weight": "x"}, "z_loss_weight is 'x'; it must be a finite number from 0"),
        ({"text_loss_weight": None}, "text_loss_weight is None"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000; it must be a whole number from 1 to 1000"),
        ({"shuffle_num_blocks": 10**9}, "shuffle_num_blocks is 1000000000"),
        ({"hidden_size": True}, "hidden_size is True"),
        ({"trained_cells": 3}, "trained_cells is 3; it must be a list"),
    ],
)
def test_bad_values_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        TokenShuffleConfig(**changes)


def test_unknown_preset():
    with pytest.raises(ValueError, match=r"preset is 'huge'; it must be one of \['paper-2.7b', 'small'\]"):
        preset("huge")


def test_a_misspelt_field_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"a field of the config is 'qk_nrom'; it must be one of \[.*'qk_norm'"):
        preset("small", qk_nrom=False)


@pytest.mark.parametrize(("size", "expected"), [(512, (512, 512)), ("512", (512, 512)), ("576x448", (576, 448))])
def test_sides(size, expected):
    assert sides(size) == expected


@pytest.mark.parametrize("size", ["", "x", "512x", "x512", "axb", "-512", "5.5", None])
def test_a_broken_size_is_named(size):
    with pytest.raises(ValueError, match="size is"):
        sides(size)
