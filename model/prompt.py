"""The text side of a sequence: special tokens, and how a prompt states size and window to the model.

``<|begin_of_text|> text <|window_s|> <|width_w|> <|height_h|> <|start_of_image|>``, sizes in units of
16 px. The unconditional prompt of guidance is the same without the text, so that dropping the caption
never drops what the picture's shape is.
"""

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

DOWNSAMPLE = 16
LARGEST_SIDE = 128  # codes: 2048 px
WINDOWS = (1, 2, 4, 8)
PAD, BEGIN_OF_TEXT = "<|pad|>", "<|begin_of_text|>"
START_OF_IMAGE, END_OF_IMAGE = "<|start_of_image|>", "<|end_of_image|>"


def special_tokens() -> list[str]:
    """Every special token, in the order of their ids (the first ids of the vocabulary)."""
    return [
        PAD,
        BEGIN_OF_TEXT,
        START_OF_IMAGE,
        END_OF_IMAGE,
        *(f"<|window_{s}|>" for s in WINDOWS),
        *(f"<|width_{n}|>" for n in range(1, LARGEST_SIDE + 1)),
        *(f"<|height_{n}|>" for n in range(1, LARGEST_SIDE + 1)),
    ]


def prompt_ids(tokenizer: PreTrainedTokenizerBase, text: str, width: int, height: int, window: int) -> list[int]:
    """Ids of one prompt; ``width`` and ``height`` in pixels. An empty text gives the unconditional prompt."""
    shape = (f"<|window_{window}|>", f"<|width_{width // DOWNSAMPLE}|>", f"<|height_{height // DOWNSAMPLE}|>")
    # Special tokens inside a user's text are ordinary characters, never commands.
    body = tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids if text else []
    begin, *rest = tokenizer.convert_tokens_to_ids([BEGIN_OF_TEXT, *shape, START_OF_IMAGE])
    return [begin, *body, *rest]


def pad_left(rows: list[list[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Rows of ids → (input_ids, attention_mask), int64 [B, longest], padded on the left."""
    longest = max(map(len, rows))
    ids = torch.tensor([[pad_id] * (longest - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
    return ids, mask
