"""`python -m model generate`: pictures with their records, and refusals before anything is drawn."""

import json

import pytest
from PIL import Image

from model.__main__ import main
from tests.model.conftest import tiny_pipeline


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    tiny_pipeline({"width": 64, "height": 64, "guidance_scale": 3.0}).save_pretrained(folder)
    return str(folder)


def test_every_picture_comes_with_its_record(weights, tmp_path, capsys):
    output = tmp_path / "cat.png"
    options = [
        "--seed",
        "3",
        "--num-images",
        "2",
        "--guidance-schedule",
        "custom",
        "--guidance-points",
        "[[0, 1], [1, 4]]",
    ]
    assert main(["generate", "a cat", "--weights", weights, "--output", str(output), *options]) == 0
    for index, path in enumerate((output, tmp_path / "cat-1.png")):
        assert Image.open(path).size == (64, 64)
        record = json.loads(path.with_suffix(".json").read_text())
        assert (record["prompt"], record["seed"], record["image"]) == ("a cat", 3, index)
        assert record["guidance_points"] == [[0, 1], [1, 4]]
    assert "untrained" not in capsys.readouterr().err
    assert main(["generate", "a cat", "--weights", weights, "--output", str(output), "--shuffle-window", "4"]) == 0
    assert "untrained size or window" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--output", "no/such/folder/cat.png"], "its folder must exist"),
        (["--output", "cat.xyz"], "it must be a file that ends in .png"),
        (["--weights", "no/such/folder"], "neither a folder nor a hub id"),
        (["--device", "nix"], "device is 'nix'"),
        (["--width", "100"], "width is 100"),
    ],
)
def test_bad_values_are_messages_and_nothing_is_drawn(weights, tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("model.decoder.Decoder.start", None)
    assert main(["generate", "a cat", "--weights", weights, *options]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("options", [["--threads", "0"], ["--guidance-points", "[1"], ["--guidance-schedule", "steep"]])
def test_options_that_cannot_be_read_stop_the_command(weights, options):
    with pytest.raises(SystemExit):
        main(["generate", "a cat", "--weights", weights, *options])
