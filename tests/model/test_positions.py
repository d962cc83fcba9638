"""Where tokens stand: the paper's single axis, and rows and columns in units of original codes."""

import torch

from model.positions import prompt_coordinates, query_coordinates, rotate, rotation, window_coordinates
from model.window_head import window_coordinates_inside


def coordinates(kind, window, length=3, height=4, width=8):
    """Of queries and of keys, as lists."""
    prompt, windows = prompt_coordinates(length, kind), window_coordinates(height, width, window, kind)
    return query_coordinates(prompt, windows, kind).tolist(), torch.cat((prompt, windows)).tolist()


def test_sequence_counts_fused_tokens_after_the_prompt():
    queries, keys = coordinates("sequence", window=2)
    assert queries == keys == [[-2], [-1], [0], [1], [2], [3], [4], [5], [6], [7], [8]]


def test_axial_keys_stand_on_their_window_and_queries_on_the_one_they_predict():
    queries, keys = coordinates("axial", window=2)
    centres = [[row, column] for row in (0.5, 2.5) for column in (0.5, 2.5, 4.5, 6.5)]
    assert keys == [[-3, -3], [-2, -2], [-1, -1], *centres]
    assert queries == [[-3, -3], [-2, -2], *centres, centres[-1]]  # the last one predicts no window


def test_windows_and_shapes_share_axial_coordinates():
    wide, square = (window_coordinates(4, width, 1, "axial").tolist() for width in (8, 4))
    assert all(spot in wide for spot in square)
    inside = window_coordinates(4, 4, 1, "axial").view(2, 2, 2, 2, 2).mean((1, 3)).flatten(0, 1)
    assert torch.equal(window_coordinates(4, 4, 2, "axial"), inside)  # a window stands in the middle of its codes


def test_inside_a_window_keys_stand_on_the_code_they_carry():
    queries, keys = window_coordinates_inside(4)
    assert queries.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert keys.tolist() == [[-1, -1], [0, 0], [0, 1], [1, 0]]


def test_products_after_the_rotation_depend_on_the_offset_only():
    q, k = torch.randn(2, 1, 8)
    spots = torch.tensor(
        [[0.0, 0.0], [2.5, 1.0], [4.0, -3.0], [6.5, -2.0]]
    )  # the last two are as far apart as the first
    turned_q, turned_k = (rotate(x.expand(4, 8), rotation(spots, 8, 100.0)) for x in (q, k))
    first, second = turned_q[0] @ turned_k[1], turned_q[2] @ turned_k[3]
    torch.testing.assert_close(first, second)
    assert (first - turned_q[0] @ turned_k[2]).abs() > 1e-3
