"""Checkpoints that are foreign, partial or damaged are refused by name; nothing is ever unpickled."""

import json

import pytest
import torch
from conftest import tiny_pipeline
from safetensors.torch import load_file, save_file

from model import TokenShufflePipeline
from model.checkpoint import checkpoint_hash


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


def test_neither_folder_nor_hub_id():
    with pytest.raises(ValueError, match="neither a folder nor a hub id"):
        load("no/such/place")


def test_hash_follows_the_weights(folder):
    before = checkpoint_hash(folder)
    assert before == checkpoint_hash(folder)
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    assert checkpoint_hash(folder) != before
