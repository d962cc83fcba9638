"""The generator's trainer: it learns, resumes, exports what the pipeline loads, and scales to processes."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from PIL import Image
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from model import TokenShuffleForImageGeneration, TokenShufflePipeline, preset
from model.checkpoint import load_tokenizer
from model.costs import training_flops
from model.prompt import END_OF_IMAGE, special_tokens
from model.settings import check_shape, sides
from model.training.generator import SHEET_PROMPTS, GeneratorTrainer
from model.training.precision import mixed_precision
from model.training.shards import codes_digest, write_shards
from tests.model.conftest import save_llama, tiny_image_tokenizer, tiny_model, tiny_tokenizer

ROOT = Path(__file__).parents[3]
RECIPES = sorted((ROOT / "model/training/configs").glob("*.json"))


def arguments(recipe: Path, shards: Path, out: Path, samples: int, init: Path | None = None):
    """A leg of so many samples, four a step."""
    return argparse.Namespace(
        config=str(recipe),
        shards=str(shards),
        out=str(out),
        samples=samples,
        minutes=None,
        init=init and str(init),
        image_tokenizer=None,
        model={},
        workers=0,
    )


def without_chance(recipe: Path) -> dict:
    """Every window is scored, so that a batch has one loss; returns the recipe, rewritten so."""
    values = json.loads(recipe.read_text())
    values["cells"] = [cell | {"repeat_fraction": 1.0} for cell in values["cells"]]
    recipe.write_text(json.dumps(values))
    return values


@pytest.fixture
def new_run(vocabulary, tmp_path) -> Callable[[str], Path]:
    """Makes a run folder that has its text tokenizer already."""
    return lambda name: shutil.copytree(vocabulary, tmp_path / name, dirs_exist_ok=True)


def losses(folder: Path, *windows: int) -> list[float]:
    """Of every step, or of those of some windows."""
    rows = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    return [row["image_loss"] for row in rows if not windows or row["window"] in windows]


def test_learns_resumes_and_exports(recipe, shards, new_run):
    out = new_run("leg")
    GeneratorTrainer(arguments(recipe, shards, out, 120)).train()
    first = GeneratorTrainer(arguments(recipe, shards, out, 120))
    steps, seconds = first.step, first.seconds
    assert steps == 30 and first.fraction == 1
    curve = losses(out, 2)
    assert sum(curve[-4:]) / 4 < sum(curve[:4]) / 4 - 0.3
    last = json.loads((out / "log.jsonl").read_text().splitlines()[-1])
    flops = sum(n * training_flops(first.bare.config, 4, 4, window) for (_, window), n in first.samples.items())
    assert last["gflop_per_second"] == pytest.approx(flops / seconds / 1e9, rel=0.01, abs=6e-4)

    longer = GeneratorTrainer(arguments(recipe, shards, out, 132))
    longer.train()
    assert longer.step == 33

    exported = TokenShuffleForImageGeneration.from_pretrained(out / "export")
    assert exported.config.image_codes == codes_digest(tiny_image_tokenizer())
    cells = {(cell["size"], cell["window"]): cell for cell in exported.config.trained_cells}
    assert set(cells) == {(64, 1), (64, 2)}
    assert sum(cell["samples"] for cell in cells.values()) == 4 * longer.step
    assert all(0 < cell["loss"] < 5 for cell in cells.values())
    for (size, window), cell in cells.items():
        loss, error = longer.held_out_loss(exported, size, window)
        assert cell["loss"] == pytest.approx(loss, rel=0.16)  # bf16
        assert cell["loss_error"] == pytest.approx(error, abs=0.01) and 0 < error < 0.5


def test_micro_batches_and_recomputed_activations_change_nothing(recipe, shards, new_run):
    values = without_chance(recipe)
    curves, calls = [], []
    for name, more in (("whole", {}), ("parts", {"micro_batch": 3})):  # three of four, then one
        changed = {"gradient_checkpointing": bool(more), "cells": [cell | more for cell in values["cells"]]}
        recipe.write_text(json.dumps(values | changed))
        AcceleratorState._reset_state(reset_partial_state=True)
        trainer = GeneratorTrainer(arguments(recipe, shards, new_run(name), 24))
        trainer.bare.model.layers[0].register_forward_pre_hook(lambda *_, name=name: calls.append(name))
        trainer.train()
        curves.append(losses(trainer.folder))
    assert curves[0] == pytest.approx(curves[1], abs=2e-4) and len(curves[0]) == 6
    assert (calls.count("whole"), calls.count("parts")) == (6, 24)  # two parts, each forward twice


def wait_for_steps(running: subprocess.Popen, log: Path) -> None:
    while not log.exists() or log.read_text().count("\n") < 3:
        assert running.poll() is None, running.stderr.read()
        time.sleep(0.05)


def test_a_signal_saves_and_the_log_has_no_step_twice(recipe, shards, new_run):
    out = new_run("leg")
    command = [sys.executable, "-m", "model.training.generator", "--config", recipe, "--shards", shards, "--out", out]
    running = subprocess.Popen([*command, "--minutes", "5"], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    log = out / "log.jsonl"
    wait_for_steps(running, log)
    running.send_signal(signal.SIGTERM)
    _, message = running.communicate(timeout=200)
    last = json.loads(log.read_text().splitlines()[-1])["step"]
    assert running.returncode == 1 and f"saved at step {last};" in message
    assert not (out / "export").exists()

    with log.open("a") as file:  # steps made after a checkpoint, lost by a kill
        file.write(json.dumps({"step": last + 1}) + "\n")
    resumed = GeneratorTrainer(arguments(recipe, shards, out, 4 * (last + 2)))
    assert resumed.step == last
    resumed.train()
    assert [json.loads(row)["step"] for row in log.read_text().splitlines()] == list(range(1, last + 3))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_group_saves_with_workers_too(recipe, shards, new_run, number):
    out = new_run("leg")
    command = [sys.executable, "-m", "model.training.generator", "--config", recipe, "--shards", shards, "--out", out]
    command += ["--minutes", "5", "--workers", "1"]
    running = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait_for_steps(running, out / "log.jsonl")
    os.killpg(running.pid, number)
    _, message = running.communicate(timeout=200)
    assert running.returncode == 1 and "saved at step" in message and (out / "checkpoint.pt").exists()


def test_what_the_export_needs_is_asked_for_at_the_start(recipe, shards, new_run, tmp_path):
    shutil.copytree(shards / "64", tmp_path / "shards" / "64")
    with pytest.raises(FileNotFoundError, match="64-held-out"):
        GeneratorTrainer(arguments(recipe, tmp_path / "shards", new_run("leg"), 4))


def test_a_run_killed_before_its_first_checkpoint_leaves_no_steps_in_the_log(recipe, shards, new_run):
    out = new_run("leg")
    lost = json.dumps({"step": 1, "window": 2, "image_loss": 9.0}) + "\n"
    (out / "log.jsonl").write_text(lost + lost[:9])  # the last row was cut by the kill
    GeneratorTrainer(arguments(recipe, shards, out, 4)).train()
    assert [json.loads(row)["step"] for row in (out / "log.jsonl").read_text().splitlines()] == [1]


def test_a_cell_of_no_weight_needs_no_scenes(recipe, shards, new_run):
    values = json.loads(recipe.read_text())
    values["cells"].append(values["cells"][0] | {"size": 96, "weight": 0, "claimed": False})
    recipe.write_text(json.dumps(values))
    GeneratorTrainer(arguments(recipe, shards, new_run("leg"), 4)).train()


def test_a_single_scene_to_measure_is_refused(recipe, shards, new_run, tmp_path):
    shutil.copytree(shards / "64", tmp_path / "shards" / "64")
    write_shards(tmp_path / "shards" / "64-held-out", tiny_image_tokenizer(), 64, 64, count=1, test=True)
    with pytest.raises(ValueError, match="64-held-out holds one scene"):
        GeneratorTrainer(arguments(recipe, tmp_path / "shards", new_run("leg"), 4))


def test_codes_of_another_tokenizer_than_the_weights_learned_are_refused(recipe, shards, new_run, tmp_path):
    first = GeneratorTrainer(arguments(recipe, shards, new_run("one"), 4))
    first.bare.config.image_codes = "0123456789abcdef"
    first.export()
    AcceleratorState._reset_state(reset_partial_state=True)
    with pytest.raises(ValueError, match=r"the shards hold codes of .*; these weights learned 0123456789abcdef's"):
        GeneratorTrainer(arguments(recipe, shards, tmp_path / "two", 4, init=tmp_path / "one" / "export"))
    other = tmp_path / "shards"
    shutil.copytree(shards / "64", other / "64")
    pixels = tiny_image_tokenizer()
    pixels.codebook.neg_()
    write_shards(other / "64-held-out", pixels, 64, 64, count=2, test=True)
    AcceleratorState._reset_state(reset_partial_state=True)
    with pytest.raises(ValueError, match=r"codes of different image tokenizers: .*'64-held-out'"):
        GeneratorTrainer(arguments(recipe, other, tmp_path / "three", 4))


def test_batches_that_processes_cannot_share_are_refused(recipe, shards, new_run, monkeypatch):
    monkeypatch.setattr("accelerate.Accelerator.num_processes", 3)
    with pytest.raises(ValueError, match="batch is 4; it must be a multiple of the 3 processes"):
        GeneratorTrainer(arguments(recipe, shards, new_run("leg"), 4))


def test_a_new_leg_goes_on_counting(recipe, shards, new_run, tmp_path):
    GeneratorTrainer(arguments(recipe, shards, new_run("one"), 16)).train()
    before = TokenShuffleForImageGeneration.from_pretrained(tmp_path / "one" / "export").config.trained_cells
    leg = GeneratorTrainer(arguments(recipe, shards, tmp_path / "two", 16, init=tmp_path / "one" / "export"))
    leg.train()
    after = TokenShuffleForImageGeneration.from_pretrained(tmp_path / "two" / "export").config.trained_cells
    assert sum(c["samples"] for c in after) == sum(c["samples"] for c in before) + 4 * leg.step

    shutil.copytree(
        tmp_path / "two" / "export", tmp_path / "one" / "export", dirs_exist_ok=True
    )  # shipped to where it began
    AcceleratorState._reset_state(reset_partial_state=True)
    resumed = GeneratorTrainer(arguments(recipe, shards, tmp_path / "two", 32, init=tmp_path / "one" / "export"))
    resumed.train()
    after = TokenShuffleForImageGeneration.from_pretrained(tmp_path / "two" / "export").config.trained_cells
    assert sum(c["samples"] for c in after) == sum(c["samples"] for c in before) + 32


def test_a_new_leg_takes_losses_from_its_recipe_and_weights_from_the_leg_before(recipe, shards, new_run, tmp_path):
    values = json.loads(recipe.read_text())
    values["model"]["z_loss_weight"] = 0.0  # the first stages of the paper
    recipe.write_text(json.dumps(values))
    first = GeneratorTrainer(arguments(recipe, shards, new_run("one"), 4))
    first.export()
    recipe.write_text(json.dumps(values | {"model": {"z_loss_weight": 1e-5}}))
    AcceleratorState._reset_state(reset_partial_state=True)
    second = GeneratorTrainer(arguments(recipe, shards, tmp_path / "two", 4, init=tmp_path / "one" / "export"))
    assert (first.bare.config.z_loss_weight, second.bare.config.z_loss_weight) == (0.0, 1e-5)
    third = arguments(recipe, shards, tmp_path / "three", 4, init=tmp_path / "one" / "export")
    third.model = {"z_loss_weight": 1e-4}  # as on the command line
    AcceleratorState._reset_state(reset_partial_state=True)
    assert GeneratorTrainer(third).bare.config.z_loss_weight == 1e-4
    for name, parameter in second.bare.named_parameters():
        assert torch.equal(parameter, first.average[name].to(torch.bfloat16).float())


def test_a_llama_goes_on_with_its_own_tokenizer(recipe, shards, tmp_path):
    save_llama(tmp_path / "llama", vocab_size=520)
    own = {"image_vocab_size": 64, "shuffle_windows": (1, 2), "max_text_tokens": 64}
    start, special = tmp_path / "start", special_tokens()
    TokenShuffleForImageGeneration.from_llama(tmp_path / "llama", **own).save_pretrained(start)
    words = Tokenizer(models.WordLevel({chr(33 + n): n for n in range(520)}, unk_token="!"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words)
    tokenizer.add_tokens(special, special_tokens=True)
    tokenizer.save_pretrained(start)
    before = {path.name: path.read_bytes() for path in start.iterdir()}
    recipe.write_text(json.dumps(json.loads(recipe.read_text()) | {"model": {}}))
    trainer = GeneratorTrainer(arguments(recipe, shards, tmp_path / "leg", 8, init=start))
    trainer.train()
    assert trainer.tokenizer.pad_token_id is None
    assert trainer.bare.config.end_of_image_id == 520 + special.index(END_OF_IMAGE)
    assert {path.name: path.read_bytes() for path in start.iterdir()} == before
    exported = TokenShuffleForImageGeneration.from_pretrained(tmp_path / "leg" / "export")
    TokenShufflePipeline(exported, tiny_image_tokenizer(), load_tokenizer(tmp_path / "leg" / "export"))


def test_a_start_without_weights_or_their_tokenizer_is_refused(recipe, shards, tmp_path):
    start = tmp_path / "mistyped"
    leg = arguments(recipe, shards, tmp_path / "leg", 4, init=start)
    with pytest.raises(ValueError, match=r"init is '.*mistyped'; .* has no config\.json"):
        GeneratorTrainer(leg)
    assert not start.exists()
    recipe.write_text(json.dumps(json.loads(recipe.read_text()) | {"model": {}}))
    tiny_model().save_pretrained(start)
    with pytest.raises(ValueError, match=r"has no tokenizer\.json"):
        GeneratorTrainer(leg)
    tiny_tokenizer().save_pretrained(start)
    with pytest.raises(ValueError, match="the tokenizer has ids up to 519; the model knows 300"):
        GeneratorTrainer(leg)


def test_a_sheet_shows_every_fixed_prompt(recipe, shards, new_run, tmp_path):
    tiny_image_tokenizer().save_pretrained(tmp_path / "pixels")
    recipe.write_text(
        json.dumps(json.loads(recipe.read_text()) | {"save_seconds": 0})
    )  # at every step, of which is one
    given = arguments(recipe, shards, new_run("leg"), 4)
    given.image_tokenizer = str(tmp_path / "pixels")
    trainer = GeneratorTrainer(given)
    trainer.train()
    averaged = trainer.averaged()
    assert averaged.lm_head.weight is averaged.model.embed_tokens.weight
    assert all(p.data_ptr() == trainer.average[name].data_ptr() for name, p in averaged.named_parameters())  # no copy
    (sheet,) = (tmp_path / "leg" / "sheets").glob("*.webp")
    assert Image.open(sheet).size == (64 * len(SHEET_PROMPTS), 64)


def test_an_unclaimed_cell_keeps_its_samples_and_counts_as_untrained(recipe, shards, new_run, tmp_path):
    values = json.loads(recipe.read_text())
    values["cells"][1]["claimed"] = False
    recipe.write_text(json.dumps(values))
    GeneratorTrainer(arguments(recipe, shards, new_run("one"), 40)).train()
    recipe.write_text(json.dumps(values | {"cells": values["cells"][:1]}))  # the next leg leaves it out
    AcceleratorState._reset_state(reset_partial_state=True)
    leg = GeneratorTrainer(arguments(recipe, shards, tmp_path / "two", 8, init=tmp_path / "one" / "export"))
    leg.train()
    model = TokenShuffleForImageGeneration.from_pretrained(tmp_path / "two" / "export")
    known = {cell["window"]: cell for cell in model.config.trained_cells}
    assert known[1]["claimed"] is False and known[1]["samples"] > 0
    assert known[1]["samples"] + known[2]["samples"] == 48
    pipe = TokenShufflePipeline(model, tiny_image_tokenizer(), leg.tokenizer)
    assert [cell["window"] for cell in pipe.supported_cells()] == [2]
    assert pipe.is_trained(64, 64, 2) and not pipe.is_trained(64, 64, 1)


def test_wide_pictures_read_by_workers_are_claimed_with_their_aspect(recipe, shards, new_run, tmp_path):
    for name, test in (("96x64", False), ("96x64-held-out", True)):
        write_shards(tmp_path / "shards" / name, tiny_image_tokenizer(), *sides("96x64"), count=32, test=test)
    values = json.loads(recipe.read_text())
    values["cells"] = [{**values["cells"][0], "size": "96x64"}]
    recipe.write_text(json.dumps(values))
    given = arguments(recipe, tmp_path / "shards", new_run("leg"), 16)
    given.workers = 2
    GeneratorTrainer(given).train()
    (cell,) = TokenShuffleForImageGeneration.from_pretrained(tmp_path / "leg" / "export").config.trained_cells
    assert (cell["min_pixels"], cell["max_pixels"], cell["max_aspect"]) == (96 * 64, 96 * 64, 1.5)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipes_name_models_and_cells_that_exist(path, recipe):
    shipped, known = json.loads(path.read_text()), json.loads(recipe.read_text())
    assert set(shipped) - {"model", "foreign", "gradient_checkpointing", "save_seconds"} == set(known) - {"model"}
    config = preset(shipped["preset"], **shipped.get("model", {}))
    for cell in shipped["cells"]:
        assert set(cell) - {"claimed", "micro_batch"} == set(known["cells"][0])
        check_shape(*sides(cell["size"]), cell["window"], config)


def in_two_processes(program: str, meeting_file: Path, *options: object, **environment: str) -> None:
    """Runs a program of this folder twice, as rank 0 and 1."""
    meeting_file.unlink(missing_ok=True)
    environment |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    environment |= {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MEETING_FILE": str(meeting_file)}
    command = [sys.executable, str(Path(__file__).with_name(program)), *map(str, options)]
    processes = [
        subprocess.Popen(command, cwd=ROOT, env=os.environ | environment | {"RANK": rank, "LOCAL_RANK": rank})
        for rank in "01"
    ]
    try:
        assert [process.wait(timeout=400) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()  # the other waits for one that failed


@pytest.mark.timeout(900)
def test_two_processes_get_the_single_process_loss(recipe, shards, new_run, tmp_path):
    """The same global batch, split over two CPU processes, gives the same losses."""
    without_chance(recipe)
    alone, split = new_run("alone"), new_run("split")
    GeneratorTrainer(arguments(recipe, shards, alone, 32)).train()
    options = ["--config", recipe, "--shards", shards, "--out", split, "--samples", 32]
    in_two_processes("replicated_on_cpu.py", tmp_path / "meeting", *options)
    assert losses(split) == pytest.approx(losses(alone), abs=2e-3) and len(losses(alone)) == 8


@pytest.mark.timeout(900)
def test_sharded_processes_get_the_same_losses_and_any_number_goes_on(recipe, shards, new_run, monkeypatch, tmp_path):
    monkeypatch.setattr("model.training.optimizers.has_bf16", lambda: True)  # slow where emulated, but Muon it is
    values = without_chance(recipe) | {"optimizer": "muon"}
    recipe.write_text(json.dumps(values))
    alone = new_run("alone")
    GeneratorTrainer(arguments(recipe, shards, alone, 16)).train()
    values["cells"] = [cell | {"micro_batch": 1} for cell in values["cells"]]
    recipe.write_text(json.dumps(values | {"gradient_checkpointing": True}))
    sharded = new_run("sharded")
    fsdp = {
        "ACCELERATE_USE_FSDP": "true",
        "FSDP_VERSION": "2",
        "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
        "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT",
    }
    for samples in (12, 20):  # the second goes on from the first
        options = ["--config", recipe, "--shards", shards, "--out", sharded, "--samples", samples]
        in_two_processes("sharded_on_cpu.py", tmp_path / "meeting", *options, **fsdp)
    assert losses(sharded)[:3] == pytest.approx(losses(alone)[:3], abs=2e-3)  # who goes on sees fresh scenes
    AcceleratorState._reset_state(reset_partial_state=True)
    gathered = GeneratorTrainer(arguments(recipe, shards, sharded, 20))
    assert gathered.step == json.loads((sharded / "log.jsonl").read_text().splitlines()[-1])["step"] == 5
    exported = TokenShuffleForImageGeneration.from_pretrained(sharded / "export", dtype=torch.bfloat16)
    for name, parameter in exported.named_parameters():
        assert torch.equal(parameter, gathered.average[name].to(torch.bfloat16))


@pytest.mark.parametrize(
    ("avx512", "amx", "expected"), [(False, False, "no"), (True, False, "bf16"), (False, True, "bf16")]
)
def test_precision_follows_the_cpu(monkeypatch, avx512, amx, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert mixed_precision("auto") == expected
    assert mixed_precision("bf16") == "bf16"
    with pytest.raises(ValueError, match="precision is 'fp16'; it must be one of"):
        mixed_precision("fp16")
