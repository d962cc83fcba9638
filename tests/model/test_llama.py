"""A Llama checkpoint becomes the backbone: its text logits stay what they were."""

import json

import pytest
import torch

from model import TokenShuffleForImageGeneration
from model.positions import prompt_coordinates
from model.prompt import special_tokens
from tests.model.conftest import inputs, save_llama

OWN = {"image_vocab_size": 64, "shuffle_windows": (1, 2, 4), "max_text_tokens": 32}


@torch.no_grad()
def text_logits(model, ids):
    spots = prompt_coordinates(ids.shape[1], model.config.positions)
    return model.lm_head(model.model(model.model.embed_tokens(ids), spots, spots, None))


@pytest.mark.parametrize("tied", [True, False])
def test_text_logits_stay(tmp_path, tied):
    llama = save_llama(tmp_path, tie_word_embeddings=tied)
    model = TokenShuffleForImageGeneration.from_llama(tmp_path, **OWN)
    ids, _ = inputs(length=12)
    with torch.no_grad():
        wanted = llama(ids).logits
    assert (text_logits(model, ids)[..., :300] - wanted).abs().max() < 1e-4
    assert wanted.std() > 0.1
    assert (model.lm_head.weight is model.model.embed_tokens.weight) == tied


def test_sizes_come_from_llama_and_the_rest_from_the_paper(tmp_path):
    save_llama(tmp_path)
    config = TokenShuffleForImageGeneration.from_llama(tmp_path, **OWN).config
    assert (config.hidden_size, config.num_key_value_heads, config.head_dim, config.rope_theta) == (32, 2, 8, 7000.0)
    assert (config.positions, config.qk_norm, config.window_head) == ("sequence", False, "independent")
    assert config.text_vocab_size == 300 + len(special_tokens())
    assert config.code_channels(4) == 2  # d/s²


def test_it_scores_images_and_is_saved_like_any_other(tmp_path):
    save_llama(tmp_path / "llama")
    model = TokenShuffleForImageGeneration.from_llama(tmp_path / "llama", end_of_image_id=303, **OWN)
    prompt, image = inputs()
    output = model(prompt, image_ids=image, shuffle_window=2)
    output.loss.backward()
    assert output.logits.shape == (2, 8, 8, 64) and torch.isfinite(output.loss)
    model.save_pretrained(tmp_path / "own")
    again = TokenShuffleForImageGeneration.from_pretrained(tmp_path / "own")
    assert torch.equal(again(prompt, image_ids=image).logits, model(prompt, image_ids=image).logits)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "qwen2"}, "holds a 'qwen2' model; it must be 'llama'"),
        ({"attention_bias": True}, "attention_bias of .* is True; it must be False"),
        ({"hidden_act": "gelu"}, "hidden_act of .* is 'gelu'; it must be 'silu'"),
        ({"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}}, "rope_type of .* is 'linear'"),
    ],
)
def test_foreign_checkpoints_are_refused(tmp_path, change, message):
    save_llama(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ValueError, match=message):
        TokenShuffleForImageGeneration.from_llama(tmp_path, **OWN)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ({"hidden_size": 64}, "hidden_size is 64; it is the Llama checkpoint's"),
        ({"qk_norm": True}, "qk_norm is True; it must be False"),
        ({"text_vocab_size": 10}, "text_vocab_size is 10; it must be at least Llama's 300"),
        ({"shufle_windows": (1,)}, "a field of the config is .shufle_windows.; it must be one of"),
        ({"shuffle_windows": (8,)}, "hidden_size is 32; it must be a multiple of 64"),
    ],
)
def test_choices_that_do_not_fit_are_refused(tmp_path, override, message):
    save_llama(tmp_path)
    with pytest.raises(ValueError, match=message):
        TokenShuffleForImageGeneration.from_llama(tmp_path, **{**OWN, **override})


def test_long_context_stretching_is_left_out_with_a_warning(tmp_path):
    rope = {
        "rope_type": "llama3",
        "rope_theta": 1e4,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    save_llama(tmp_path, rope_parameters=rope)
    with pytest.warns(UserWarning, match="'llama3' stretching"):
        TokenShuffleForImageGeneration.from_llama(tmp_path, **OWN)


def test_pickled_weights_and_missing_folders_are_refused(tmp_path):
    llama = save_llama(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(llama.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match="cannot be read"):
        TokenShuffleForImageGeneration.from_llama(tmp_path, **OWN)
    with pytest.raises(ValueError, match="holds no config that can be read"):
        TokenShuffleForImageGeneration.from_llama(tmp_path / "nothing", **OWN)
