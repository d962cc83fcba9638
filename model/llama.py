"""A public Llama checkpoint as the start of a Token-Shuffle model (the paper starts from a Llama as well).

The backbone's parameters carry Llama's names and are copied, as are the text rows of embedding and head. What
Llama does not have starts fresh: special tokens, image codes, shuffles and unshuffles.
"""

import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from model.config import PRESETS, TokenShuffleConfig, check_fields
from model.prompt import special_tokens

COPIED_SIZES = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "rms_norm_eps",
    "initializer_range",
    "tie_word_embeddings",
)
NOT_SUPPORTED = {"attention_bias": True, "mlp_bias": True}


def read_llama_config(source: str | Path) -> LlamaConfig:
    """The config of a Llama folder or hub id; ValueError for everything that its blocks cannot express here."""
    try:
        llama = AutoConfig.from_pretrained(source, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ValueError(f"{source} holds no config that can be read: {error}") from error
    if llama.model_type != "llama":
        raise ValueError(f"{source} holds a {llama.model_type!r} model; it must be 'llama'")
    if llama.hidden_act != "silu":
        raise ValueError(f"hidden_act of {source} is {llama.hidden_act!r}; it must be 'silu'")
    for name, value in NOT_SUPPORTED.items():
        if getattr(llama, name, None) == value:
            raise ValueError(f"{name} of {source} is {value}; it must be {not value}")
    _check_rope(source, llama)
    return llama


def token_shuffle_config(llama: LlamaConfig, **overrides: Any) -> TokenShuffleConfig:
    """Sizes of `llama`, all else as in the paper (sequence positions, no query and key norm), then `overrides`.

    `text_vocab_size` leaves room for Llama's vocabulary and for `model.prompt.special_tokens()` behind it.
    """
    for name in (*COPIED_SIZES, "rope_theta"):
        if name in overrides:
            raise ValueError(f"{name} is {overrides[name]!r}; it is the Llama checkpoint's and cannot be chosen")
    check_fields(overrides)
    if overrides.get("qk_norm"):
        raise ValueError("qk_norm is True; it must be False, since Llama's weights were trained without it")
    sizes = {name: getattr(llama, name) for name in COPIED_SIZES}
    sizes["rope_theta"] = llama.rope_parameters["rope_theta"]
    sizes["text_vocab_size"] = llama.vocab_size + len(special_tokens())
    config = TokenShuffleConfig(**{**PRESETS["paper-2.7b"], **sizes, **overrides})
    if config.text_vocab_size < llama.vocab_size:
        raise ValueError(f"text_vocab_size is {config.text_vocab_size}; it must be at least Llama's {llama.vocab_size}")
    return config


@torch.no_grad()
def copy_llama(model: PreTrainedModel, source: str | Path) -> None:
    """Copy backbone and text rows of the checkpoint at `source` into `model`; safetensors only."""
    try:
        llama = LlamaForCausalLM.from_pretrained(source, use_safetensors=True, dtype=torch.float32)
    except (SafetensorError, OSError, RuntimeError) as error:
        raise ValueError(f"the weights in {source} cannot be read: {error}") from error
    text = llama.config.vocab_size
    model.model.layers.load_state_dict(llama.model.layers.state_dict())
    model.model.norm.load_state_dict(llama.model.norm.state_dict())
    model.get_input_embeddings().weight[:text] = llama.get_input_embeddings().weight
    model.get_output_embeddings().weight[:text] = llama.get_output_embeddings().weight


def _check_rope(source: str | Path, llama: LlamaConfig) -> None:
    kind = llama.rope_parameters.get("rope_type", "default")
    if kind == "llama3":  # touches only wavelengths of thousands of tokens; training goes on without it
        warnings.warn(
            f"{source}: the 'llama3' stretching of long contexts is left out, text changes slightly", stacklevel=3
        )
    elif kind != "default":
        raise ValueError(f"rope_type of {source} is {kind!r}; it must be 'default' or 'llama3'")
