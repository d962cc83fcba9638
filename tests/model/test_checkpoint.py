"""Checkpoints that are foreign, partial or damaged are refused by name; nothing is ever unpickled."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from model import ImageTokenizer, TokenShufflePipeline
from model.checkpoint import checkpoint_hash
from model.image_tokenizer import ImageTokenizerConfig
from tests.model.conftest import tiny_pipeline


@pytest.fixture
def folder(tmp_path):
    tiny_pipeline({"width": 64}).save_pretrained(tmp_path)
    return tmp_path


def load(folder):
    return TokenShufflePipeline.from_pretrained(folder)


def test_stored_in_bfloat16_loaded_in_float32(folder):
    assert {t.dtype for t in load_file(folder / "model.safetensors").values()} == {torch.bfloat16}
    assert load(folder).model.dtype == torch.float32
    assert "lm_head.weight" not in load_file(folder / "model.safetensors")  # tied


def test_missing_file_is_named(folder):
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ValueError, match=r"tokenizer.json missing"):
        load(folder)


def test_pickled_weights_are_no_weights(folder):
    (folder / "model.safetensors").unlink()
    torch.save({"a": torch.zeros(1)}, folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"\*.safetensors missing"):
        load(folder)


def test_damaged_weights(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match="cannot be read"):
        load(folder)


def test_weights_that_do_not_fit(folder):
    path = folder / "model.safetensors"
    weights = load_file(path)
    weights.pop("model.norm.weight")
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"missing_keys \['model.norm.weight'\]"):
        load(folder)


def test_foreign_model(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "llama"}))
    with pytest.raises(ValueError, match="holds a 'llama' model; it must be 'token_shuffle'"):
        load(folder)


def change(path, **values):
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize(
    ("junk", "message"),
    [
        ({"top_q": 3}, "unknown setting 'top_q'; settings are width, height, .*, windows"),
        ({"shuffle_window": 8}, r"shuffle_window is 8; this checkpoint has \[1, 2, 4\]"),
        ({"shuffle_window": 0}, "shuffle_window is 0"),
        ({"width": 72}, "width is 72; with shuffle_window=1 it must be a multiple of 16 up to 2048"),
        ({"width": 256, "height": 512}, "256x512 is 131072 pixels; this checkpoint allows 65536"),
        ({"temperature": 9}, "temperature is 9; it must be a number from 0 to 5"),
        ({"guidance_scale": "strong"}, "guidance_scale is 'strong'; it must be between 1 and 30"),
        ({"guidance_points": [[0, 1]]}, "guidance_points need guidance_schedule='custom', not 'half-linear'"),
        ({"negative_prompt": 5}, "negative_prompt is 5; it must be a text"),
        ({"windows": [2]}, r"windows is \[2\]; it must map 1, 2, 4 \(as texts\) to settings"),
        ({"windows": {"8": {}}}, "windows is {'8': {}}; it must map 1, 2, 4"),
        ({"windows": {"2": 0.5}}, "windows.'2'. is 0.5; it must be a JSON object of settings"),
        ({"windows": {"2": {"shuffle_window": 4}}}, "unknown setting 'shuffle_window'"),
        ({"windows": {"4": {"width": 96}}}, "width is 96; with shuffle_window=4 it must be a multiple of 64"),
        ({"windows": {"4": {"top_p": 2}}}, "top_p is 2; it must be above 0 and at most 1"),
    ],
)
def test_defaults_that_no_call_could_use_are_named_when_loading(folder, junk, message):
    change(folder / "generation_config.json", **junk)
    with pytest.raises(ValueError, match=rf"generation_config.json: {message}"):
        load(folder)


def test_defaults_of_every_kind_load(folder):
    tuned = {"windows": {"2": {"guidance_schedule": "custom", "guidance_points": [[0, 1], [1, 3]]}, "4": {"top_k": 9}}}
    change(folder / "generation_config.json", shuffle_window=2, top_p=None, negative_prompt="a dog", **tuned)
    assert load(folder).validate(height=64).guidance_points == ((0.0, 1.0), (1.0, 3.0))


@pytest.mark.parametrize("name", ["config.json", "generation_config.json", "image_tokenizer/config.json"])
@pytest.mark.parametrize("content", ["{", "[]"])
def test_damaged_json_is_named(folder, name, content):
    (folder / name).write_text(content)
    with pytest.raises(ValueError, match=rf"{name} (cannot be read as JSON|holds a list)"):
        load(folder)


@pytest.mark.parametrize(
    ("name", "content"), [("tokenizer.json", "{"), ("tokenizer.json", "{}"), ("tokenizer_config.json", "{")]
)
def test_damaged_tokenizer(folder, name, content):
    (folder / name).write_text(content)
    with pytest.raises(ValueError, match=r"the tokenizer in .* cannot be read"):
        load(folder)


def test_tokenizer_of_another_model(folder):
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["added_tokens"] = [token for token in tokenizer["added_tokens"] if "window_4" not in token["content"]]
    del tokenizer["model"]["vocab"]["<|window_4|>"]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(ValueError, match=r"lacks 1 special tokens of a prompt, <\|window_4\|> first"):
        load(folder)


def test_tokenizer_with_more_ids_than_the_model(folder):
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    tokenizer["model"]["vocab"]["zzz"] = 600
    path.write_text(json.dumps(tokenizer))
    with pytest.raises(ValueError, match="ids up to 600; the model knows 520"):
        load(folder)


def test_image_tokenizer_of_another_model(folder):
    other = ImageTokenizer(ImageTokenizerConfig(codebook_size=32, channels=(8, 8, 8)))
    other.save_pretrained(folder / "image_tokenizer")
    with pytest.raises(ValueError, match="image tokenizer has 32 codes; the model needs 64"):
        load(folder)


def test_config_with_impossible_sizes(folder):
    change(folder / "config.json", hidden_size="x")
    with pytest.raises(ValueError, match="hidden_size is 'x'; it must be a whole number from 1"):
        load(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rope_theta": "x"}, "rope_theta is 'x'; it must be a finite number above 0"),
        ({"rope_theta": 0}, "rope_theta is 0; it must be a finite number above 0"),
        ({"rms_norm_eps": float("nan")}, "rms_norm_eps is nan; it must be a finite number above 0"),
        ({"rms_norm_eps": None}, "rms_norm_eps is None; it must be a finite number above 0"),
        ({"dtype": "float99"}, "cannot be read"),
        ({"trained_cells": [{"min_pixels": "a", "max_pixels": 1, "window": 1}]}, "a trained cell is .* numbers for"),
    ],
)
def test_config_with_other_junk(folder, changes, message):
    change(folder / "config.json", **changes)
    with pytest.raises(ValueError, match=message):
        load(folder)


@pytest.mark.parametrize("index", [{}, {"weight_map": []}, {"weight_map": {}}])
def test_damaged_index_of_shards(folder, index):
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match="cannot be read"):
        load(folder)


def test_weights_that_are_not_finite(folder):
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"][0] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"not finite, model.norm.weight first"):
        load(folder)


def test_code_beside_the_weights_is_never_run(folder, monkeypatch):
    (folder / "foreign.py").write_text("from pathlib import Path\nPath('ran').touch()\nclass Evil: ...\n")
    change(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["foreign.Evil", None]}, tokenizer_class="Evil")
    monkeypatch.chdir(folder)
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    with suppress(ValueError):  # refused or read without it
        load(folder)
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("machine", "message"),
    [
        ({"device": "nix"}, "device is 'nix'"),
        ({"engine": "fp8"}, "engine is 'fp8'"),
        ({"threads": 0}, "threads is 0; it must be a whole number from 1"),
        ({"source": 5}, "source is 5; it must be a folder or a hub id"),
    ],
)
def test_impossible_machines_are_refused_before_loading(monkeypatch, machine, message):
    monkeypatch.setattr("model.pipeline.load_model", None)
    with pytest.raises(ValueError, match=message):
        TokenShufflePipeline.from_pretrained(**machine)


def test_neither_folder_nor_hub_id():
    with pytest.raises(ValueError, match="neither a folder nor a hub id"):
        load("no/such/place")


def test_hash_follows_the_weights(folder):
    before = checkpoint_hash(folder)
    assert before == checkpoint_hash(folder)
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    assert checkpoint_hash(folder) != before
