"""The report stands alone: figures, methods, votes that `datasets` can read."""

import argparse
from types import SimpleNamespace

import pandas as pd
from arena_world import finish_practice, make_services, make_study
from test_results import sit

from app.results.report import pairs_text, training_text, write_report
from app.results.text import _verdict_text
from app.studies import commands


def test_one_command_writes_page_methods_and_parquet(tmp_path):
    services = make_services(tmp_path)
    study = make_study(services.store, name="<i>odd</i>", contrasts=("window=4",))
    for number in range(3):
        sit(services, study, f"visitor {number}", 8, number)
    finish_practice(services, study, "visitor 0")
    page = write_report(services, study, tmp_path / "report").read_text(encoding="utf-8")
    assert page.count("plotly-graph-div") >= 6 and "<i>odd" not in page and "window=4" in page
    assert "src=" not in page.split("</script>")[-1]  # nothing is loaded from elsewhere
    methods = (tmp_path / "report" / "methods.md").read_text(encoding="utf-8")
    assert "72 votes" in methods and "3 of 3 were answered right at the first try" in methods and "window=4" in methods
    assert len(pd.read_parquet(tmp_path / "report" / "long.parquet")) == 72
    services.close()


def test_one_command_writes_every_format(tmp_path, monkeypatch, capsys):
    services = make_services(tmp_path)
    study = make_study(services.store)
    sit(services, study, "x", 3)
    services.close()
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    parser = argparse.ArgumentParser()
    commands.add_to(parser.add_subparsers(dest="command"))
    commands.run(parser.parse_args(["export", study.name, str(tmp_path / "out"), "--form", "csv"]))
    names = {path.stem for path in (tmp_path / "out").iterdir()}
    assert names == {"long", "arena", "dpo", "pickapic", "image_reward", "exclusions"}


def test_training_is_said_in_words():
    cells = [
        {"size": "576x448", "window": 2, "max_pixels": 258048, "samples": 33792, "loss": 0.15},
        {"checkpoint": "old", "window": 4, "max_pixels": 512**2},
    ]
    assert training_text(cells) == (
        "576x448 px, s=2: 33,792 samples, held-out loss 0.15; old, 512 px, s=4: how long is not recorded"
    )
    assert training_text([]) == "not recorded"


def test_rivals_are_no_controls():
    pairs = pd.DataFrame({"kind": pd.Categorical(["matched", "matched", "identical", "degraded", "free"])})
    assert pairs_text(pairs).startswith("5, of which controls 2,") and pairs_text(pairs).endswith("system 1")
    assert pairs_text(pairs[:3]) == "3, of which controls 1"


def test_a_study_that_used_its_information_is_not_called_open():
    row = SimpleNamespace(claim="primary", decided=False, finished=True, look=5, votes_left=0, capacity=9, n=9)
    assert _verdict_text(row).startswith("not decided; all planned information is used")
    assert _verdict_text(SimpleNamespace(**vars(row) | {"finished": False, "look": 3})).startswith("open, 3 of 5")
