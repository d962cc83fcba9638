"""What the model reads: text, then window and size, which no prompt can fake and guidance never drops."""

import pytest

from model.prompt import pad_left, prompt_ids
from tests.model.conftest import tiny_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer()


def words(tokenizer, text, **shape):
    return tokenizer.convert_ids_to_tokens(
        prompt_ids(tokenizer, text, **{"width": 64, "height": 32, "window": 2, **shape})
    )


def test_a_prompt_states_window_width_and_height(tokenizer):
    shape = ["<|window_2|>", "<|width_4|>", "<|height_2|>", "<|start_of_image|>"]
    assert words(tokenizer, "cat") == ["<|begin_of_text|>", "c", "a", "t", *shape]
    assert words(tokenizer, "") == ["<|begin_of_text|>", *shape]  # the unconditional prompt


def test_special_tokens_in_a_text_are_ordinary_characters(tokenizer):
    assert words(tokenizer, "<|window_4|>").count("<|window_4|>") == 0
    assert words(tokenizer, "<|window_4|>")[1:3] == ["<", "|"]


def test_rows_end_together():
    ids, mask = pad_left([[5, 6, 7], [8]], pad_id=0)
    assert ids.tolist() == [[5, 6, 7], [0, 0, 8]] and mask.tolist() == [[1, 1, 1], [0, 0, 1]]
