"""Windows: which code goes where, and shapes there and back."""

import pytest
import torch

from model import TokenShuffle, TokenUnshuffle
from model.shuffle import gather_windows, scatter_windows


def test_window_index_map_is_raster_in_raster():
    grid = torch.arange(24).reshape(1, 4, 6)
    windows = gather_windows(grid, 2)
    assert windows[0].tolist() == [
        [0, 1, 6, 7],
        [2, 3, 8, 9],
        [4, 5, 10, 11],
        [12, 13, 18, 19],
        [14, 15, 20, 21],
        [16, 17, 22, 23],
    ]


@pytest.mark.parametrize("window", [1, 2, 4])
def test_scatter_undoes_gather(window):
    grid = torch.randn(2, 8, 12, 3)
    assert torch.equal(scatter_windows(gather_windows(grid, window), 8, 12), grid)


@pytest.mark.parametrize("code_width", [None, 64])
@pytest.mark.parametrize("window", [1, 2, 4])
def test_shapes_there_and_back(window, code_width):
    grid = torch.randn(2, 8, 12, 64)
    fused = TokenShuffle(64, window, code_width=code_width)(grid)
    assert fused.shape == (2, 96 // window**2, 64)
    assert TokenUnshuffle(64, window, code_width=code_width)(fused, 8, 12).shape == grid.shape


def test_window_one_is_the_identity():
    grid = torch.randn(1, 4, 4, 32)
    fused = TokenShuffle(32, 1)(grid)
    assert torch.equal(fused, grid.flatten(1, 2))
    assert torch.equal(TokenUnshuffle(32, 1)(fused, 4, 4), grid)


def test_a_window_stays_a_window():
    """Codes outside a window have no influence on its fused token."""
    grid = torch.randn(1, 4, 4, 32)
    changed = grid.clone()
    changed[0, 2, 0] += 1
    shuffle = TokenShuffle(32, 2)
    moved = (shuffle(grid) - shuffle(changed)).abs().amax(-1)[0] > 0
    assert moved.tolist() == [False, False, True, False]


def test_grids_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="5x4 codes does not divide into windows of 2x2"):
        TokenShuffle(32, 2)(torch.randn(1, 5, 4, 32))
