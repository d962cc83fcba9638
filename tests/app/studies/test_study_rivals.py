"""Pictures of another system: brought in once, rated blind, counted apart from the rating model."""

import argparse
import csv
import shutil
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest
from arena_world import PROMPTS, png

from app.arena import arena
from app.results import view as results_view
from app.results.view import Wish
from app.studies import cache as study_cache
from app.studies import commands
from app.studies import panel as study_panel
from app.studies.rivals import LIST, bring_in
from app.study.ratings import rate
from app.study.tables import rival_table
from storage import preferences
from storage.errors import WrongState


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "rival", [("one.png", PROMPTS[0]), ("two.png", PROMPTS[1])])


def write(folder, rows):
    folder.mkdir(exist_ok=True)
    for number, (name, _) in enumerate(rows):
        (folder / name).write_bytes(png(900 + number, 96))
    with open(folder / LIST, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file", "prompt"), *rows])
    return folder


def pairs(services, study):
    return [c for c in [each.comparison for each in services.store.coverage(study.id)] if c.factor == "system"]


def test_every_setting_of_the_prompt_meets_the_rival_once(services, study, folder):
    assert bring_in(services, study, "Other", folder) == 12  # 2 prompts x 2 sizes x 3 windows
    assert bring_in(services, study, "Other", folder) == 12 and len(pairs(services, study)) == 12
    rivals = [g for g in services.store.study_generations(study.id) if g.source == "rival"]
    assert len(rivals) == 2 and {g.settings["checkpoint"] for g in rivals} == {"Other"} and rivals[0].window is None


def test_a_rival_without_a_window_leaves_the_names_of_windows_alone(services, study, folder):
    bring_in(services, study, "Other", folder)
    found = study_cache.material(services, study.id)
    assert {str(level) for level in found.pairs["window_a"].dropna()} == {"1", "2", "4"}
    assert found.coding.levels["window"] == [1, 2, 4] and "Other" not in found.coding.levels["checkpoint"]


def test_rival_votes_count_for_the_rival_and_not_for_the_ratings(services, study, folder):
    bring_in(services, study, "<b>Other</b>", folder)
    services.store.record_consent(arena.rater_of(services, "x").id)
    rater = arena.rater_of(services, "x").id
    for number, pair in enumerate(pairs(services, study)[:8]):
        given = services.store.open_assignment(
            rater,
            study.id,
            pair.id,
            left_side="ab"[number % 2],
            criteria=study.criteria,
            propensity=1.0,
            expires_at=study.created_at.replace(year=2100),
        )
        services.store.record_vote(given.id, rater, "flaws", "a" if number < 6 else "both_bad")
    found = study_cache.material(services, study.id)
    (row,) = rival_table(found.votes).itertuples()
    assert (row.system, row.criterion, row.n, row.share) == ("<b>Other</b>", "flaws", 8, 7 / 8)
    assert row.low < row.share < row.high
    assert rate(found.votes, "flaws", coding=found.coding).n_votes == 0
    shown = results_view.view(services, Wish(study.id), found, None)
    battles = preferences.arena(services.store.votes_frame(study.id)).rows
    assert {(each["model_b"], "window=" in each["model_a"]) for each in battles} == {("<b>Other</b>", True)}
    assert "our picture won 88%" in shown.quality and "<b>Other" not in shown.quality


def test_raters_meet_rivals_in_the_arena(services, study, folder):
    bring_in(services, study, "Other", folder)
    services.store.record_consent(arena.rater_of(services, "x").id)
    wanted, met = {c.id for c in pairs(services, study)}, set()
    while (given := arena.next_pair(services, study, "x")) is not None and not wanted & met:
        for criterion in given.criteria:
            arena.vote(services, "x", {"assignment": given.id, "criterion": criterion, "answer": "left"})
        met.add(given.comparison.id)
    assert wanted & met


@pytest.mark.parametrize(
    ("rows", "text"), [([("one.png", "an unknown text")], "none of the study"), ([], "columns file and prompt")]
)
def test_bad_lists_are_refused_and_nothing_is_written(services, study, tmp_path, rows, text):
    with pytest.raises(ValueError, match=text):
        bring_in(services, study, "Other", write(tmp_path / "bad", rows))
    assert pairs(services, study) == []


def test_a_zip_brings_the_same_and_reaches_nothing_else_on_the_server(services, study, folder):
    packed = Path(shutil.make_archive(str(folder), "zip", folder.parent, folder.name)).read_bytes()
    assert study_panel.brought(services, study.id, "Other", packed).endswith("12 pairs against Other")
    private = services.store.images.path(services.store.study_generations(study.id)[0].image)
    write(folder, [("one.png", PROMPTS[0])])
    (folder / LIST).write_text(f"file,prompt\n{private},{PROMPTS[0]}\n")
    packed = Path(shutil.make_archive(str(folder), "zip", folder)).read_bytes()
    for data, text in ((packed, "no file"), (b"no zip", "no zip"), (None, "give a zip")):
        with pytest.raises(Exception, match=text):
            study_panel.brought(services, study.id, "Other", data)
    assert len(pairs(services, study)) == 12


def test_an_encrypted_or_damaged_zip_is_refused(services, study, folder):
    packed = Path(shutil.make_archive(str(folder), "zip", folder)).read_bytes()
    damaged = bytearray(packed)
    start = packed.index(b"PK\x03\x04") + 60
    damaged[start : start + 40] = bytes(40)
    for data in (encrypted(packed), bytes(damaged)):
        with pytest.raises(gr.Error, match=r"without a password|damaged"):
            study_panel.brought(services, study.id, "Other", data)
    assert pairs(services, study) == []


def encrypted(packed):
    """The zip with the flag of a password on every entry, in its own header and in the directory."""
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        head, *entries = packed.split(signature)
        entries = [each[: flags - 4] + bytes([each[flags - 4] | 1]) + each[flags - 3 :] for each in entries]
        packed = signature.join([head, *entries])
    return packed


@pytest.mark.parametrize("damage", ["words", "cut off", "broken chunk"])
def test_what_is_no_picture_is_refused_before_anything_is_written(services, study, folder, damage):
    whole = (folder / "two.png").read_bytes()
    broken = whole[:200] + b"x" * 4 + whole[204:]
    (folder / "two.png").write_bytes({"words": b"words", "cut off": whole[: len(whole) // 2]}.get(damage, broken))
    with pytest.raises(ValueError, match="no picture"):
        bring_in(services, study, "Other", folder)
    assert not [g for g in services.store.study_generations(study.id) if g.source == "rival"]


def test_a_folder_without_a_list_is_refused_and_so_is_a_name_that_no_file_can_have(services, study, folder):
    (folder / LIST).write_text(f"file,prompt\n{'x' * 5000},{PROMPTS[0]}\n")
    with pytest.raises(ValueError, match="no file"):
        bring_in(services, study, "Other", folder)
    (folder / LIST).unlink()
    with pytest.raises(ValueError, match=f"no {LIST}"):
        bring_in(services, study, "Other", folder)


def test_a_command_says_which_file_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    parser = argparse.ArgumentParser()
    commands.add_to(parser.add_subparsers(dest="command"))
    wanted = parser.parse_args(
        ["create", "a study", "--prompts", str(tmp_path / "missing.txt"), "--schedules", "constant 2"]
    )
    monkeypatch.setattr(commands, "build_services", lambda *_, **__: SimpleNamespace(close=lambda: None))
    with pytest.raises(SystemExit, match=r"missing\.txt"):
        commands.run(wanted)


def test_missing_files_long_names_and_closed_studies_are_refused(services, study, folder):
    with pytest.raises(ValueError, match="1 to 60"):
        bring_in(services, study, " ", folder)
    (folder / "one.png").unlink()
    with pytest.raises(ValueError, match="no file"):
        bring_in(services, study, "Other", folder)
    with pytest.raises(WrongState, match="closed"):
        bring_in(services, services.store.set_study_state(study.id, "closed"), "Other", folder)
