"""Art comes out of the package as it is drawn there, once."""

import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image

from model.training import art
from model.training.vocabulary import CONCEPTS


@pytest.fixture
def package(tmp_path):
    """The archive as npm packs it, with a green circle on the left for every icon."""
    circle = {"body": '<circle cx="8" cy="16" r="8" fill="#00ff00"/>'}
    icons = json.dumps({"icons": {concept.icon: circle for concept in CONCEPTS.values()}}).encode()
    member = tarfile.TarInfo("package/icons.json")
    member.size = len(icons)
    with tarfile.open(tmp_path / "fluent-emoji.tgz", "w:gz") as tar:
        tar.addfile(member, io.BytesIO(icons))
    return tmp_path


def test_every_concept_is_drawn_and_drawn_once(package, monkeypatch):
    monkeypatch.setattr(art, "RASTER_PX", 64)
    art.draw_all(package)
    drawn = sorted(package.glob("*.png"))
    assert {path.stem for path in drawn} == {concept.icon for concept in CONCEPTS.values()}
    pixels = np.array(Image.open(drawn[0]))
    assert pixels.shape == (64, 64, 4)
    assert pixels[32, 16].tolist() == [0, 255, 0, 255] and pixels[32, 48, 3] == 0
    (package / "fluent-emoji.tgz").unlink()  # fetching again would fail
    art.draw_all(package)


def test_a_missing_drawing_names_the_command(monkeypatch, tmp_path):
    monkeypatch.setenv("TOKEN_SHUFFLE_CACHE", str(tmp_path))
    art.raster.cache_clear()
    with pytest.raises(FileNotFoundError, match=r"python -m model\.training\.art"):
        art.raster("apple")
    art.raster.cache_clear()
