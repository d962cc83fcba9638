"""Tiny models for the generator's tests."""

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from model import ImageTokenizer, TokenShuffleConfig, TokenShuffleForImageGeneration, TokenShufflePipeline
from model.decoder import Plan
from model.image_tokenizer import ImageTokenizerConfig
from model.prompt import PAD, special_tokens

TINY = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "head_dim": 8,
    "text_vocab_size": 300,
    "image_vocab_size": 64,
    "code_width": 8,
    "window_head_width": 32,
    "end_of_image_id": 5,
}


@pytest.fixture(autouse=True)
def same_random_numbers() -> None:
    """A test's random inputs are the same, whatever ran before it."""
    torch.manual_seed(0)


def tiny_model(seed: int = 0, **overrides) -> TokenShuffleForImageGeneration:
    """A model of some 60k parameters with weights large enough for its predictions to differ."""
    torch.manual_seed(seed)
    config = TokenShuffleConfig(**{**TINY, "initializer_range": 0.2, **overrides})
    return TokenShuffleForImageGeneration(config).eval()


def inputs(rows: int = 2, length: int = 6, height: int = 8, width: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """Prompt ids [rows, length] and image ids [rows, height, width] for the tiny vocabulary."""
    generator = torch.Generator().manual_seed(1)
    prompt = torch.randint(6, 300, (rows, length), generator=generator)
    return prompt, torch.randint(0, 64, (rows, height, width), generator=generator)


def make_plan(window, height=8, width=8, padded=True) -> Plan:
    """Two guided rows of one image whose codes are all known."""
    prompt, image = inputs(height=height, width=width)
    mask = torch.ones_like(prompt)
    mask[1, :3] = 0 if padded else 1
    steps = height * width // window**2
    weights = torch.linspace(1, 4, steps) if steps > 1 else torch.tensor([2.0])
    noise = torch.zeros(1, height, width)
    return Plan(prompt, mask, height, width, window, weights, noise, known=image[:1])


@pytest.fixture(params=["independent", "causal"])
def window_head(request) -> str:
    return request.param


@pytest.fixture(params=["sequence", "axial"])
def positions(request) -> str:
    return request.param


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Bytes and special tokens, no merges: 520 ids."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=520, special_tokens=special_tokens(), initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(["a"], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=bpe, pad_token=PAD, padding_side="left")


def tiny_image_tokenizer() -> ImageTokenizer:
    torch.manual_seed(2)
    tokenizer = ImageTokenizer(ImageTokenizerConfig(codebook_size=64, channels=(8, 8, 8)))
    tokenizer.mean_colors.uniform_(-1, 1)
    return tokenizer.eval()


def tiny_pipeline(defaults: dict | None = None, engine: str | None = "fp32", **overrides) -> TokenShufflePipeline:
    """A whole pipeline with random weights, in exact float32 unless another engine is asked for."""
    cells = [{"window": 2, "min_pixels": 64 * 64, "max_pixels": 128 * 128, "samples": 10, "loss": 4.0}]
    usual = {
        "text_vocab_size": 520,
        "end_of_image_id": 3,
        "max_text_tokens": 24,
        "trained_cells": cells,
        "max_pixels": 256 * 256,
    }
    model = tiny_model(**{**usual, **overrides})
    return TokenShufflePipeline(model, tiny_image_tokenizer(), tiny_tokenizer(), defaults, engine=engine)


def save_llama(folder, **overrides) -> LlamaForCausalLM:
    """A tiny Llama with the given fields of its config, saved as the public ones are."""
    torch.manual_seed(0)
    sizes = {
        "vocab_size": 300,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "initializer_range": 0.2,
        "rope_parameters": {"rope_type": "default", "rope_theta": 7000.0},
        "tie_word_embeddings": True,
    }
    llama = LlamaForCausalLM(LlamaConfig(**{**sizes, **overrides})).eval()
    llama.save_pretrained(folder)
    return llama


@pytest.fixture(scope="session")
def pipe() -> TokenShufflePipeline:
    return tiny_pipeline({"width": 128, "height": 128, "guidance_scale": 3.0})
