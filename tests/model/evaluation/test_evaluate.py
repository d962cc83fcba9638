"""The command draws, judges and reports; a tiny random model stands in for the generator."""

import json
from pathlib import Path
from unittest.mock import Mock

import pytest

from model.__main__ import main
from model.evaluation import evaluate as command
from model.evaluation.geneval import COUNTS, read_prompts
from model.evaluation.judge import Judge, JudgeNetwork
from model.training.vocabulary import CONCEPTS

FIGURES = Path(__file__).parents[3] / "docs" / "figures"
# The tiny model reads 24 bytes.
SHORT = [prompt for prompt in read_prompts() if len(prompt.text) <= 24]


@pytest.fixture
def blind_judge():
    """A judge that never saw a picture."""
    return Judge(JudgeNetwork(len(CONCEPTS)), list(CONCEPTS), 0.3)


def test_cells_are_the_trained_ones(pipe):
    assert command.cells(pipe, None, None) == [(2, "128")]
    assert command.cells(pipe, 2, None) == [(2, "128")]
    with pytest.raises(ValueError, match=r"window 4 and size None; trained .*\(2, '128'\)"):
        command.cells(pipe, 4, None)


def test_wide_and_tall_cells_go_by_their_own_size(pipe, monkeypatch):
    cells = [
        {"window": 2, "size": size, "min_pixels": 64 * 96, "max_pixels": 64 * 96}
        for size in ("96x64", "64x96", "64x96")
    ]
    monkeypatch.setattr(pipe, "supported_cells", lambda: cells)
    assert command.cells(pipe, None, None) == [(2, "64x96"), (2, "96x64")]
    (_, pictures, _), *_ = command.draw(pipe, SHORT[:1], 2, "96x64", images=1, batch=1, seed=0)
    assert pictures[0].size == (96, 64)


def test_a_cell_is_measured_and_reported(pipe, blind_judge):
    prompts = SHORT[:12]
    figures, sheet = command.measure_cell(pipe, blind_judge, prompts, 2, 64, images=2, batch=8, seed=3, features=None)
    assert figures["trained"] and figures["images_per_prompt"] == 2
    assert [len(v) for v in figures["verdicts"].values()] == [2] * 12
    assert figures["scores"]["mean"]["all"]["n"] == 12
    assert sheet.width > command.SHEET_PX * command.SHEET_PER_CATEGORY
    text = command.report([json.loads(json.dumps(figures))])
    assert "not comparable with published GenEval" in text
    assert "### window 2, 64 px\n" in text
    assert f"{pipe.decoder.numerics}, batches of 8, seed 3." in text


def test_saved_figures_are_reported_again_with_the_small_set_apart(capsys, tmp_path):
    """The shipped weights' own: docs/training.md quotes the line of each part."""
    assert main(["evaluate", "--report", str(FIGURES / "evaluation-full.json")]) == 0
    whole, small, rest = (line for line in capsys.readouterr().out.splitlines() if line.startswith("| 2 | 512"))
    verdicts = json.loads((FIGURES / "evaluation-full.json").read_text())[0]["verdicts"]
    for line, count in ((whole, 553), (small, 240), (rest, 313)):
        assert f"n={count} |" in line
    chosen = [verdicts[p.text] for p in read_prompts(240) if p.category == "single_object"]
    share = sum(map(sum, chosen)) / sum(map(len, chosen))
    assert small.startswith("| 2 | 512, small set |") and f"| {share:.2f} [" in small
    for text in ("[]", "{}", "no JSON", '[{"window": 2}]'):
        (tmp_path / "other.json").write_text(text)
        assert main(["evaluate", "--report", str(tmp_path / "other.json")]) == 2
        assert "holds no figures" in capsys.readouterr().err


def test_the_docs_show_the_shares_that_were_measured():
    def share(value: float) -> str:
        return f"{value:.2f}".removeprefix("0")

    docs = (FIGURES.parent / "training.md").read_text()
    for result in json.loads((FIGURES / "evaluation.json").read_text()):
        rows = command.rates(result)
        mean = rows["mean"]["all"]
        shares = [rows[category]["all"] for category in COUNTS] + [rows["mean"][part] for part in ("seen", "held-out")]
        cells = [
            result["size"].replace("x", " × "),
            str(result["window"]),
            f"{share(mean.value)} [{share(mean.low)}, {share(mean.high)}]",
            *(share(rate.value) for rate in shares),
        ]
        assert f"| {' | '.join(cells)} |" in docs


def test_what_could_fail_after_drawing_comes_first(pipe, blind_judge, monkeypatch, tmp_path):
    drawing = Mock()
    monkeypatch.setattr(command.Judge, "load", lambda: blind_judge)
    monkeypatch.setattr(command, "draw", drawing)
    monkeypatch.setattr(command, "draw_scene", Mock(side_effect=FileNotFoundError("no drawing")))
    asked = {"window": 2, "size": "64", "prompts": 240, "images": 1, "batch": 8, "seed": 0}
    monkeypatch.setattr(command, "Lite2Features", lambda: lambda pictures: None)
    with pytest.raises(FileNotFoundError, match="no drawing"):
        command.evaluate(pipe, **asked, frechet=True, json_file=tmp_path / "a" / "b.json", sheets=None)
    assert (tmp_path / "a").is_dir()
    monkeypatch.setattr(command, "Lite2Features", Mock(side_effect=ModuleNotFoundError("no weights")))
    with pytest.raises(ModuleNotFoundError, match="no weights"):
        command.evaluate(pipe, **asked, frechet=True, json_file=None, sheets=None)
    drawing.assert_not_called()


def test_pictures_repeat_with_the_seed(pipe):
    prompts = SHORT[:3]

    def drawn(seed):
        return [p.tobytes() for _, pictures, _ in command.draw(pipe, prompts, 2, 64, 1, 2, seed) for p in pictures]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_a_prompt_gets_the_same_pictures_in_any_batch_and_company(pipe):
    def drawn(prompts, batch):
        found = command.draw(pipe, prompts, 2, 64, 2, batch, seed=0)
        return {prompts[i].text: [p.tobytes() for p in pictures] for i, pictures, _ in found}

    alone = drawn(SHORT[:3], 2)
    assert drawn(SHORT[:3], 6) == alone
    assert drawn(SHORT[1:4], 4)[SHORT[1].text] == alone[SHORT[1].text]


def test_a_wrong_number_of_prompts_ends_the_command(pipe, monkeypatch, capsys):
    monkeypatch.setattr("model.pipeline.TokenShufflePipeline.from_pretrained", lambda *_, **__: pipe)
    assert main(["evaluate", "--prompts", "7"]) == 2
    assert "240 and 553" in capsys.readouterr().err
