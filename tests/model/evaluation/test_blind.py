"""The reader's sheets tell nothing of the verdicts, and the comparison counts both kinds of disagreement."""

import json

import pytest

from model.evaluation import blind
from model.evaluation.geneval import read_prompts
from model.evaluation.judge import Judge, JudgeNetwork
from model.training.vocabulary import CONCEPTS

ROWS = [
    {"verdict": verdict, "category": category}
    for verdict, category in ((True, "colors"), (True, "colors"), (False, "colors"), (False, "counting"))
]


def test_agreement_and_both_kinds_of_disagreement():
    text = blind.compare(ROWS, {0, 2})
    assert "agreement 0.50 [" in text and "n=4" in text
    assert "the reader accepts 2, the judge 2" in text
    assert "reader only: [2]" in text and "judge only: [1]" in text
    assert "colors: 0.33 [" in text and "counting: 1.00 [" in text and "single_object" not in text


def test_a_number_that_no_picture_has_is_refused():
    with pytest.raises(ValueError, match=r"no pictures \[4\]; there are 0 to 3"):
        blind.compare(ROWS, {4})


def test_sheets_are_the_same_whatever_the_judge_says(pipe, monkeypatch, tmp_path):
    short = [prompt for prompt in read_prompts() if len(prompt.text) <= 24][:20]
    monkeypatch.setattr(blind, "tuning_prompts", lambda each: list(short))
    monkeypatch.setattr(Judge, "load", classmethod(lambda cls: cls(JudgeNetwork(len(CONCEPTS)), list(CONCEPTS), 0.3)))
    for verdict in (True, False):
        monkeypatch.setattr(blind, "is_correct", lambda *_, verdict=verdict: verdict)
        blind.draw_blind(tmp_path / str(verdict), pipe, window=2, size=64, seed=3)
    names = ["sheet-0.png", "sheet-1.png"]
    for name in names:
        one, other = ((tmp_path / folder / name).read_bytes() for folder in ("True", "False"))
        assert one == other
    validation = json.loads((tmp_path / "True" / "verdicts.json").read_text())
    assert (validation["checkpoint"], validation["seed"]) == (pipe.checkpoint, 3)
    rows = validation["pictures"]
    assert len(rows) == 20 and all(row["verdict"] for row in rows)
    assert sorted(row["text"] for row in rows) == sorted(prompt.text for prompt in short)
    assert [row["text"] for row in rows] != [prompt.text for prompt in short]
