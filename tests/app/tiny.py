"""A tiny random checkpoint of the real classes, in a folder as `from_pretrained` reads it."""

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from model import ImageTokenizer, TokenShuffleConfig, TokenShuffleForImageGeneration, TokenShufflePipeline
from model.image_tokenizer import ImageTokenizerConfig
from model.prompt import PAD, special_tokens

CODES = 64


def write_checkpoint(
    folder: Path, hidden_size: int = 32, layers: int = 2, windows: Sequence[int] = (2, 4), **tuned: float
) -> Path:
    """Random weights: pictures are noise, everything around them is real. windows: the trained ones."""
    torch.manual_seed(3)
    tokenizer = byte_tokenizer()
    config = TokenShuffleConfig(
        hidden_size=hidden_size,
        intermediate_size=2 * hidden_size,
        num_hidden_layers=layers,
        num_attention_heads=4,
        head_dim=hidden_size // 4,
        text_vocab_size=len(tokenizer),
        image_vocab_size=CODES,
        code_width=8,
        window_head_width=32,
        initializer_range=0.2,
        max_pixels=2048 * 2048,
        trained_cells=[
            {"min_pixels": 256 * 256, "max_pixels": 512 * 512, "window": window, "samples": 1000, "loss": 1.0}
            for window in windows
        ],
    )
    image_tokenizer = ImageTokenizer(ImageTokenizerConfig(codebook_size=CODES, channels=(8, 8, 8)))
    image_tokenizer.mean_colors.uniform_(-1, 1)
    defaults = {"width": 512, "height": 512, "shuffle_window": 2, "guidance_scale": 3.0, **tuned}
    pipeline = TokenShufflePipeline(TokenShuffleForImageGeneration(config), image_tokenizer, tokenizer, defaults)
    pipeline.save_pretrained(folder)
    (folder / "vocabulary.json").write_text('{"objects": ["apple", "car", "duck"], "colours": ["red", "blue"]}')
    return folder


def byte_tokenizer() -> PreTrainedTokenizerFast:
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=520,
        special_tokens=special_tokens(),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(["a"], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=bpe, pad_token=PAD, padding_side="left")
