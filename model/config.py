"""What a Token-Shuffle model is made of: one configuration class and the named presets."""

import re
from collections.abc import Iterable
from typing import Any

from transformers import PreTrainedConfig

from model.checks import is_number

POSITIONS = ("sequence", "axial")
WINDOW_HEADS = ("independent", "causal")
CELL_KEYS = {"min_pixels", "max_pixels", "window"}
MORE_CELL_NUMBERS = {"max_aspect", "samples", "loss", "loss_error"}
SIZES = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "text_vocab_size",
    "image_vocab_size",
    "max_text_tokens",
    "max_pixels",
    "shuffle_num_blocks",
    "window_head_width",
)
REPEATED = ("num_hidden_layers", "shuffle_num_blocks")  # made one by one, before any weight is read
MOST_REPEATED = 1000
LARGEST = 2**31 - 1


class TokenShuffleConfig(PreTrainedConfig):
    """Sizes and choices of a `TokenShuffleForImageGeneration`.

    The vocabulary is joint: text ids (special tokens included) first, then the image codes, so that image
    code `c` has the joint id `text_vocab_size + c`.

    Sizes not named below are Llama's.

    Args:
        text_vocab_size, image_vocab_size: number of text ids and of image codes.
        max_text_tokens: longest prompt, special tokens left out.
        shuffle_windows: window sizes s that the checkpoint can run; s=1 is a plain language model over codes.
        code_width: channels that one code keeps inside a window. None is the paper's d/s²; a number is a
            floor, so that large windows do not squeeze a code through a handful of channels.
        shuffle_num_blocks: residual MLP blocks in each shuffle and each unshuffle (paper: 2).
        positions: "sequence" is the paper's one RoPE position per fused token; "axial" rotates by row and
            column in units of original codes, so that windows and aspect ratios share coordinates.
        qk_norm: parameter-free RMS norm of queries and keys before the rotation.
        window_head: "independent" draws the s² codes of a window independently (the paper); "causal" adds one
            very small causal block of width `window_head_width` that decodes them one after the other.
        end_of_image_id: joint id of <|end_of_image|>, which the last fused token predicts; None: nothing does.
        text_loss_weight, z_loss_weight: weights of the two losses beside the cross-entropy of the image codes.
        image_codes: which image tokenizer the codes were learned from (`model.training.shards.codes_digest`), if known.
        max_pixels: largest width × height that may be asked for; a side ends at 2048 px, where size tokens do.
        trained_cells: what was really trained, one dict per (size range, window) with keys `min_pixels`,
            `max_pixels`, `window`, `samples`, `loss` (with `loss_error`, its standard error), and `max_aspect` (long
            side over short side, 1 when left out) where more than squares were seen; everything else is labelled
            untrained, and so is a cell with `claimed` false, which only keeps its samples for later legs.
    """

    model_type = "token_shuffle"

    hidden_size: int = 384
    intermediate_size: int = 1024
    num_hidden_layers: int = 8
    num_attention_heads: int = 6
    num_key_value_heads: int | None = None
    head_dim: int | None = None
    rope_theta: float = 10000.0
    rms_norm_eps: float = 1e-6
    initializer_range: float = 0.02
    text_vocab_size: int = 2048
    image_vocab_size: int = 4096
    max_text_tokens: int = 128
    shuffle_windows: list[int] | tuple[int, ...] = (1, 2, 4)
    shuffle_num_blocks: int = 2
    code_width: int | None = 64
    positions: str = "axial"
    qk_norm: bool = True
    window_head: str = "causal"
    window_head_width: int = 128
    end_of_image_id: int | None = None
    text_loss_weight: float = 0.1
    z_loss_weight: float = 1e-5
    image_codes: str | None = None
    max_pixels: int = 2048 * 2048
    trained_cells: list[dict[str, Any]] | None = None
    tie_word_embeddings: bool = True

    def __post_init__(self, **kwargs):
        for name in SIZES:
            value = getattr(self, name)
            given = value is not None or name not in ("num_key_value_heads", "head_dim")
            most = MOST_REPEATED if name in REPEATED else LARGEST
            _require(not given or _is_whole(value, 1, most), name, value, f"a whole number from 1 to {most}")
        self.num_key_value_heads = self.num_key_value_heads or self.num_attention_heads
        self.head_dim = self.head_dim or self.hidden_size // self.num_attention_heads
        for name in ("shuffle_windows", "trained_cells"):
            _require(isinstance(getattr(self, name) or [], (list, tuple)), name, getattr(self, name), "a list")
        self.shuffle_windows = list(self.shuffle_windows or [])
        self.trained_cells = list(self.trained_cells or [])
        super().__post_init__(**kwargs)
        self._check()

    @property
    def vocab_size(self) -> int:
        """Joint vocabulary: text ids, then image codes."""
        return self.text_vocab_size + self.image_vocab_size

    def code_channels(self, window: int) -> int:
        """Channels per code inside a window of side `window`: d/s², but at least `code_width`."""
        return max(self.hidden_size // window**2, self.code_width or 0)

    def _check(self) -> None:
        _require(
            self.code_width is None or _is_whole(self.code_width, 1, LARGEST),
            "code_width",
            self.code_width,
            f"None or a whole number from 1 to {LARGEST}",
        )
        _require(self.shuffle_windows, "shuffle_windows", self.shuffle_windows, "at least one of 1, 2, 4 and 8")
        _require(
            self.end_of_image_id is None or _is_whole(self.end_of_image_id, 0, self.text_vocab_size - 1),
            "end_of_image_id",
            self.end_of_image_id,
            f"None or a text id, 0 to {self.text_vocab_size - 1}",
        )
        for name in ("rope_theta", "rms_norm_eps"):
            value = getattr(self, name)
            _require(is_number(value) and 0 < value < float("inf"), name, value, "a finite number above 0")
        for name in ("initializer_range", "text_loss_weight", "z_loss_weight"):
            value = getattr(self, name)
            _require(is_number(value) and 0 <= value < float("inf"), name, value, "a finite number from 0")
        for name in ("qk_norm", "tie_word_embeddings"):
            _require(isinstance(getattr(self, name), bool), name, getattr(self, name), "true or false")
        for cell in self.trained_cells:
            _check_cell(cell)
        _require(self.positions in POSITIONS, "positions", self.positions, f"one of {POSITIONS}")
        _require(self.window_head in WINDOW_HEADS, "window_head", self.window_head, f"one of {WINDOW_HEADS}")
        _require(
            self.head_dim % 4 == 0 or (self.positions != "axial" and self.head_dim % 2 == 0),
            "head_dim",
            self.head_dim,
            "a multiple of 4 (axial) or of 2 (sequence)",
        )
        _require(
            self.num_attention_heads % self.num_key_value_heads == 0,
            "num_key_value_heads",
            self.num_key_value_heads,
            f"a divisor of {self.num_attention_heads} heads",
        )
        for s in self.shuffle_windows:
            _require(_is_whole(s, 1, 8) and s in (1, 2, 4, 8), "shuffle window", s, "1, 2, 4 or 8")
            _require(
                self.code_width is not None or self.hidden_size % s**2 == 0,
                "hidden_size",
                self.hidden_size,
                f"a multiple of {s**2} when code_width is None",
            )


def check_fields(names: Iterable[str]) -> None:
    """ValueError for a name that is no field of the config, which would keep it and do nothing with it."""
    for name in names:
        fields = TokenShuffleConfig.__annotations__
        _require(name in fields, "a field of the config", name, f"one of {sorted(fields)}")


def _check_cell(cell: object) -> None:
    named = isinstance(cell, dict) and all(is_number(cell.get(key)) for key in CELL_KEYS)
    _require(named, "a trained cell", cell, f"a dict with numbers for {sorted(CELL_KEYS)}")
    for key in MORE_CELL_NUMBERS & set(cell):
        _require(is_number(cell[key]), f"{key} of a trained cell", cell[key], "a number")
    size = cell.get("size", 16)
    _require(
        re.fullmatch(r"\d+(x\d+)?", str(size)) is not None,
        "size of a trained cell",
        size,
        'px, such as 512 or "576x448"',
    )
    claimed = cell.get("claimed", True)
    _require(isinstance(claimed, bool), "claimed of a trained cell", claimed, "true or false")


def _is_whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _require(condition: bool, name: str, value: object, allowed: str) -> None:
    if not condition:
        raise ValueError(f"{name} is {value!r}; it must be {allowed}")


PRESETS: dict[str, dict[str, Any]] = {
    # what is shipped: about 20M parameters
    "small": {},
    # the paper's size (arXiv 2504.17789): Llama blocks, 128k text ids, tied head; 2.7B in blocks and embedding
    "paper-2.7b": {
        "hidden_size": 3072,
        "intermediate_size": 8192,
        "num_hidden_layers": 20,
        "num_attention_heads": 24,
        "rope_theta": 500000.0,
        "rms_norm_eps": 1e-5,
        "text_vocab_size": 128256,
        "image_vocab_size": 16384,
        "max_text_tokens": 512,
        "shuffle_windows": (1, 2, 4, 8),
        "code_width": None,
        "positions": "sequence",
        "qk_norm": False,
        "window_head": "independent",
        "text_loss_weight": 1.0,
    },
}


def preset(name: str, **overrides: Any) -> TokenShuffleConfig:
    """The configuration called `name`, with single fields replaced."""
    _require(name in PRESETS, "preset", name, f"one of {sorted(PRESETS)}")
    check_fields(overrides)
    return TokenShuffleConfig(**{**PRESETS[name], **overrides})
