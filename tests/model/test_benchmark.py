"""The benchmark command on a tiny checkpoint: every number is there and means what it says."""

import json

import pytest
import torch

from model import benchmark
from model.__main__ import main
from model.benchmark import OurLoop, TransformersLoop
from model.config import preset
from model.costs import backbone_parameters
from model.packing import usable_engines
from tests.model.conftest import tiny_model, tiny_pipeline


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, value in (("ROUNDS", 1), ("STEPS", 2), ("SIDE", 8), ("STREAMED_BYTES", 1 << 20)):
        monkeypatch.setattr(benchmark, name, value)
    tiny_pipeline().save_pretrained(tmp_path)
    return tmp_path


def test_json_has_every_number(folder, capsys):
    assert main(["benchmark", "--weights", str(folder), "--threads", "1", "--json"]) == 0
    numbers = json.loads(capsys.readouterr().out)
    assert numbers["engine"] == "int8" and numbers["threads"] == 1 and numbers["clock"] == "processor"
    step = numbers["step"]
    assert set(step["milliseconds"]) == {"transformers", *usable_engines(torch.device("cpu"))}
    assert all(value > 0 for value in step["milliseconds"].values())
    ratio = step["milliseconds"]["transformers"] / step["milliseconds"]["fp32"]
    assert step["times_faster_than_transformers"]["fp32"] == pytest.approx(ratio)
    assert step["floor_milliseconds"]["fp32"] == pytest.approx(4 * step["floor_milliseconds"]["int8"])
    assert {window: row["steps"] for window, row in numbers["windows"].items()} == {"1": 64, "2": 16, "4": 4}


def test_rounding_is_small_but_there(folder):
    errors = benchmark.rounding(tiny_model())
    assert 0 < errors["bf16"]["spread"] < 0.03 and 0 < errors["int8"]["spread"] < 0.04
    assert all(0 < error["nats"] < 0.1 for error in errors.values())


def test_table_for_people(folder, capsys):
    assert main(["benchmark", "--weights", str(folder), "--threads", "1", "--engine", "fp32"]) == 0
    printed = capsys.readouterr().out
    for part in (
        "transformers loop, fp32",
        "this decoder, int8",
        "whole decode loop",
        "codes to picture",
        "peak resident",
    ):
        assert part in printed


def test_a_preset_is_timed_with_random_weights(folder, capsys):
    assert main(["benchmark", "--weights", "small", "--threads", "1", "--json"]) == 0
    numbers = json.loads(capsys.readouterr().out)
    assert numbers["weights"].startswith("random (preset small")
    assert numbers["backbone_parameters"] == backbone_parameters(preset("small"))


def test_a_gpu_is_waited_for_before_and_after_what_is_timed(monkeypatch):
    """A GPU's kernels are only launched when a call returns: without waiting, a picture takes no time."""
    gpu, events = torch.device("cuda"), []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: events.append(device))
    assert benchmark.best_seconds(lambda: events.append("work"), gpu, rounds=2) >= 0
    assert events == ["work", *2 * [gpu, "work", gpu]]


def test_both_loops_do_the_same_work():
    """Same weights, same number of keys after the same number of steps."""
    model = tiny_model(text_vocab_size=300)
    theirs, ours = TransformersLoop(model), OurLoop(model, "fp32")
    for _ in range(3):
        theirs(), ours()
    assert theirs.cache.get_seq_length() == ours.run.prompt_length + ours.run.step == benchmark.PROMPT + 3
    for layer, block in zip(theirs.model.layers, model.model.layers):
        assert torch.equal(layer.mlp.up_proj.weight, block.mlp.up_proj.weight)


def test_unknown_weights_are_an_error_message(capsys):
    assert main(["benchmark", "--weights", "no/such/folder"]) == 2
    assert "neither a folder nor a hub id" in capsys.readouterr().err
