"""Checkpoints that are foreign, partial or damaged are refused by name; nothing is ever unpickled."""

import json

import pytest
import torch
from conftest import tiny_pipeline
from safetensors.torch import load_file, save_file

from model import ImageTokenizer, TokenShufflePipeline
from model.checkpoint import checkpoint_hash
from model.image_tokenizer import ImageTokenizerConfig


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
    ("machine", "message"),
    [
        ({"device": "nix"}, "device is 'nix'"),
        ({"engine": "fp8"}, "engine is 'fp8'"),
        ({"threads": 0}, "threads is 0; it must be a whole number from 1"),
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
