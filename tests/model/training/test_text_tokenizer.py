"""A plural is the noun that training knows and an ending, and nothing else is cut."""

import pytest
from transformers import PreTrainedTokenizerFast

from model.pipeline import WEIGHTS
from model.training.captions import plural
from model.training.text_tokenizer import load_or_train
from model.training.vocabulary import CONCEPTS

IRREGULAR = {"person", "knife", "butterfly", "cactus", "strawberry"}


@pytest.fixture(scope="module", params=["new", "shipped"])
def tokenizer(request) -> PreTrainedTokenizerFast:
    folder = WEIGHTS if request.param == "shipped" else request.getfixturevalue("vocabulary")
    return PreTrainedTokenizerFast.from_pretrained(folder)


@pytest.mark.parametrize("name", [name for name in CONCEPTS if name not in IRREGULAR and plural(name) != name])
def test_a_regular_plural_begins_with_its_noun(tokenizer, name):
    noun, several = tokenizer.tokenize(name), tokenizer.tokenize(plural(name))
    assert several[: len(noun)] == noun
    assert several[len(noun) :] in (["s"], ["es"])


@pytest.mark.parametrize("word", ["scissors", "skis", "bus", "octopus", "tennis racket", "sports ball"])
def test_a_word_that_merely_ends_like_a_plural_stays_whole(tokenizer, word):
    assert tokenizer.tokenize(word)[-1] not in ("s", "es")
    assert "s" not in tokenizer.tokenize(word)


def test_text_comes_back(tokenizer):
    text = "a photo of four wine glasses on a blue background"
    assert tokenizer.decode(tokenizer.encode(text)).strip() == text


def test_a_run_folder_keeps_its_vocabulary(tokenizer, tmp_path, monkeypatch):
    tokenizer.save_pretrained(tmp_path)
    monkeypatch.setattr("model.training.text_tokenizer.train_text_tokenizer", None)  # training again would fail
    assert load_or_train(tmp_path).tokenize("three apples") == tokenizer.tokenize("three apples")
