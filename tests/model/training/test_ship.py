"""A checkpoint is put together from its parts, with the words that its captions held."""

import json

import pytest
import torch

from model import ImageTokenizer, TokenShufflePipeline
from model.image_tokenizer import ImageTokenizerConfig
from model.pipeline import WEIGHTS
from model.training.shards import codes_digest
from model.training.ship import ship, vocabulary
from model.training.vocabulary import COLOURS, CONCEPTS
from tests.model.conftest import tiny_pipeline


@pytest.fixture
def parts(tmp_path):
    """A generator's export and an image tokenizer."""
    pipe = tiny_pipeline()
    pipe.model.save_pretrained(tmp_path / "export")
    pipe.tokenizer.save_pretrained(tmp_path / "export")
    pipe.image_tokenizer.save_pretrained(tmp_path / "pixels")
    return pipe, tmp_path / "export", tmp_path / "pixels"


def test_what_is_shipped_draws_what_the_parts_draw(parts, tmp_path):
    pipe, generator, pixels = parts
    out = tmp_path / "weights"
    ship(generator, pixels, out)
    shipped = TokenShufflePipeline.from_pretrained(out)
    rounded = {name: p.to(torch.bfloat16).float() for name, p in pipe.model.named_parameters()}
    assert all(torch.equal(p, rounded[name]) for name, p in shipped.model.named_parameters())
    assert json.loads((out / "vocabulary.json").read_text()) == vocabulary()


def test_shipping_again_keeps_tuned_settings_and_leaves_no_old_shard(parts, tmp_path):
    _, generator, pixels = parts
    out = tmp_path / "weights"
    ship(generator, pixels, out)
    (out / "model-00009-of-00009.safetensors").write_bytes(b"old")
    (out / "generation_config.json").write_text('{"temperature": 0.5}')
    ship(generator, pixels, out)
    assert not (out / "model-00009-of-00009.safetensors").exists()
    assert TokenShufflePipeline.from_pretrained(out).defaults == {"temperature": 0.5}


def test_parts_with_other_codes_are_refused(parts, tmp_path):
    _, generator, _ = parts
    ImageTokenizer(ImageTokenizerConfig(codebook_size=32, channels=(8, 8, 8))).save_pretrained(tmp_path / "other")
    with pytest.raises(ValueError, match="has 32 codes, the generator 64"):
        ship(generator, tmp_path / "other", tmp_path / "weights")


def test_another_tokenizer_of_as_many_codes_is_refused(parts, tmp_path):
    pipe, generator, pixels = parts
    pipe.model.config.image_codes = codes_digest(pipe.image_tokenizer)
    pipe.model.save_pretrained(generator)
    ship(generator, pixels, tmp_path / "weights")
    pipe.image_tokenizer.codebook.neg_()
    pipe.image_tokenizer.save_pretrained(pixels)
    with pytest.raises(ValueError, match=r"the image tokenizer's codes are .*; the generator learned"):
        ship(generator, pixels, tmp_path / "weights")


def test_the_shipped_words_are_those_of_the_code():
    words = json.loads((WEIGHTS / "vocabulary.json").read_text())
    assert words["objects"] == list(CONCEPTS) and words["colours"] == list(COLOURS)
    assert set(words["words"]) <= set(vocabulary()["words"])  # further ones joined since
