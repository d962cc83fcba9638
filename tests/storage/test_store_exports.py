"""Exports keep ties, leave identities at home, cannot be executed, and load where they are meant to load."""

import csv
import io
import json

import pyarrow.parquet as pq
import pytest
from PIL import Image
from rows import row_counts
from storage_world import OWNER, png

from storage import exports
from storage.tabular import safe_cell

EVIL = '=HYPERLINK("http://evil","x")'


def read_csv(path):
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def voted(arena):
    """One vote of each answer by five raters, a swapped repeat, an excluded one."""
    for number, answer in enumerate(("a", "b", "both_good", "both_bad", "cannot_tell", "a")):
        rater = arena.store.get_or_create_rater(f"{number}" * 32)
        given = arena.assign(rater)
        vote = arena.store.record_vote(given.id, rater.id, "alignment", answer)
    arena.store.exclude_many([vote.id], "fast", "200 ms")
    repeat = arena.assign(rater, repeat_of=given.id)
    arena.store.record_vote(repeat.id, rater.id, "alignment", "b")
    return arena


def tables(arena, tmp_path):
    exports.write(exports.study_tables(arena.store, arena.study.id), tmp_path, "parquet")
    return {path.stem: pq.read_table(path).to_pylist() for path in tmp_path.glob("*.parquet")}


def test_ties_are_in_every_format(voted, tmp_path):
    found = tables(voted, tmp_path / "out")
    assert [row["answer"] for row in found["long"]] == ["a", "b", "both_good", "both_bad", "cannot_tell", "a", "b"]
    assert [row["winner"] for row in found["arena"]] == ["model_a", "model_b", "tie", "tie (bothbad)"]
    assert [(row["tie"], row["label"]) for row in found["dpo"]] == [
        (False, 1.0),
        (False, 1.0),
        (True, 0.5),
        (True, 0.5),
    ]
    assert [(row["label_0"], row["label_1"]) for row in found["pickapic"]] == [(1, 0), (0, 1), (0.5, 0.5), (0.5, 0.5)]
    assert [row["rank"] for row in found["image_reward"]] == [1, 2, 2, 1, 1, 1, 1, 1]


def test_the_audit_says_what_was_set_aside_and_why(voted, tmp_path):
    (row,) = tables(voted, tmp_path / "out")["exclusions"]
    assert (row["rule"], row["reason"], row["lifted_at"]) == ("fast", "200 ms", None)


def test_chosen_is_what_was_chosen(voted, tmp_path):
    found = tables(voted, tmp_path / "out")
    chose_a, chose_b = found["dpo"][:2]
    assert chose_a["chosen"]["bytes"] == png(1) == chose_b["rejected"]["bytes"]
    assert chose_b["chosen"]["bytes"] == png(2) and json.loads(chose_b["chosen_settings"])["window"] == 2
    assert [row["best_image_uid"] for row in found["pickapic"]] == [voted.a.id, voted.b.id, "tie", "tie"]
    assert Image.open(io.BytesIO(found["pickapic"][0]["jpg_1"])).format == "JPEG"
    assert "window=1" in found["arena"][0]["model_a"] and "window=2" in found["arena"][0]["model_b"]


def test_the_long_table_says_what_is_left_out_elsewhere(voted, tmp_path):
    rows = tables(voted, tmp_path / "out")["long"]
    assert [row["excluded"] for row in rows] == [None] * 5 + ["fast", None]
    assert json.loads(rows[5]["exclusions"]) == ["fast"]
    assert rows[6]["repeat_of"] == rows[5]["assignment"]


@pytest.mark.parametrize("name", ["long", "arena", "dpo", "pickapic", "image_reward"])
def test_every_format_loads_with_datasets(voted, tmp_path, name, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    folder = exports.write(exports.study_tables(voted.store, voted.study.id), tmp_path / "out", "datasets")
    loaded = datasets.load_dataset(str(folder), name, split="train", cache_dir=str(tmp_path / "cache"))
    assert len(loaded) == {"long": 7, "image_reward": 8}.get(name, 4)
    if name == "dpo":
        assert loaded[1]["chosen"].size == (40, 24) and loaded[1]["chosen"].getpixel((0, 0)) == (2, 0, 7)


def test_deleted_pictures_are_empty_but_their_votes_stay(voted, tmp_path):
    voted.store.delete_generation(voted.a.id, OWNER)
    found = tables(voted, tmp_path / "out")
    assert found["dpo"][0]["chosen"] is None and found["dpo"][0]["rejected"]["bytes"] == png(2)
    assert found["pickapic"][0]["jpg_0"] is None and len(found["long"]) == 7


@pytest.mark.parametrize("form", exports.FORMATS)
def test_everything_goes_out_without_identities(voted, tmp_path, form):
    voted.store.submit_job(OWNER, {"prompt": "x"}, request_key="my-request-key")
    folder = exports.write(exports.everything(voted.store), tmp_path / "out", form)
    written = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    for secret in (OWNER, "0" * 32, voted.study.invite, "my-request-key"):
        assert secret.encode() not in written
    if form == "csv":
        rows = {path.stem: read_csv(path) for path in folder.glob("*.csv")}
        counts = row_counts(voted.store)
        expected = {**{name: count for name, count in counts.items() if name != "journal_mark"}, "pictures": 2}
        assert {name: len(found) for name, found in rows.items()} == expected
        assert rows["vote"][2]["answer"] == "both_good" and json.loads(rows["setting"][0]["values"])["scale"] == 7.5


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", " =", "＝", "\r"])
def test_text_that_a_spreadsheet_would_run_is_quoted(start):
    assert safe_cell(start + "1+1") == "'" + start + "1+1"


def test_numbers_and_plain_text_stay(store):
    assert [safe_cell(value) for value in (-1.5, 3, None, True, "a=b")] == [-1.5, 3, None, True, "a=b"]


def test_formulas_in_prompts_do_not_reach_a_spreadsheet(store, generate, tmp_path):
    generate(EVIL)
    folder = exports.write(exports.everything(store), tmp_path / "out", "csv")
    (row,) = read_csv(folder / "generation.csv")
    assert row["prompt"] == "'" + EVIL and row["seed"] == str(2**40)
    folder = exports.write(exports.everything(store), tmp_path / "exact", "parquet")
    assert pq.read_table(folder / "generation.parquet").to_pylist()[0]["prompt"] == EVIL


def test_unknown_formats_are_refused(tmp_path):
    with pytest.raises(ValueError, match="xlsx"):
        exports.write([], tmp_path, "xlsx")


def test_an_empty_study_still_has_its_columns(arena, tmp_path):
    exports.write(exports.study_tables(arena.store, arena.study.id), tmp_path, "csv")
    assert "window_a" in (tmp_path / "long.csv").read_text("utf-8-sig")
    assert tables(arena, tmp_path / "parquet")["dpo"] == []
