"""The pipeline from prompt to picture: equal in every way of calling it, and strict about what it is given."""

import gc
import json
import re
import weakref

import numpy as np
import pytest
import torch
from PIL import Image

from model import TokenShufflePipeline
from model.costs import decoder_code_parameters, mixing_parameters
from model.packed_layers import Cache
from model.packing import usable_engines
from tests.model.conftest import tiny_pipeline


@pytest.mark.parametrize("window", [1, 2, 4])
def test_a_call_gives_pictures_tokens_timings_and_settings(pipe, window):
    out = pipe("two red apples", width=192, height=64, shuffle_window=window, seed=3, num_images=2)
    assert [image.size for image in out.images] == [(192, 64)] * 2
    assert out.tokens.shape == (2, 4, 12) and out.tokens.dtype == torch.int64
    assert out.tokens.min() >= 0 and out.tokens.max() < 64
    assert set(out.timings) == {"prompt", "codes", "picture", "total"}
    assert not torch.equal(out.tokens[0], out.tokens[1])


@pytest.mark.parametrize("window", [1, 2, 4])
def test_stream_single_and_batch_are_equal(pipe, window):
    arguments = {"shuffle_window": window, "seed": 5}
    batch = pipe("a cat", num_images=3, **arguments)
    single = pipe("a cat", **arguments)
    *_, last = pipe.stream("a cat", **arguments)
    assert torch.equal(last.result.tokens, single.tokens)
    assert torch.equal(batch.tokens[:1], single.tokens)
    assert single.images[0].tobytes() == last.result.images[0].tobytes() == batch.images[0].tobytes()


def test_int8_is_the_default_on_a_cpu():
    assert tiny_pipeline(engine=None).decoder.engine == "int8"


@pytest.mark.parametrize("engine", usable_engines(torch.device("cpu")))
def test_every_engine_streams_what_it_draws_at_once(engine):
    pipe = tiny_pipeline({"width": 128, "height": 128}, engine=engine)
    first, again = pipe("a cat", seed=5), pipe("a cat", seed=5)
    *_, last = pipe.stream("a cat", seed=5)
    assert torch.equal(first.tokens, again.tokens) and torch.equal(first.tokens, last.result.tokens)


def test_prompts_of_unequal_length_in_one_batch_equal_single_calls(pipe):
    prompts = ["a cat", "a blue dog on the left"]
    both = pipe(prompts, seed=1)
    for i, prompt in enumerate(prompts):
        assert torch.equal(both.tokens[i : i + 1], pipe(prompt, seed=1).tokens)


def test_each_prompt_may_have_a_seed_of_its_own(pipe):
    prompts = ["a cat", "a blue dog on the left"]
    both = pipe(prompts, seed=[4, 9], num_images=2)
    for i, (prompt, seed) in enumerate(zip(prompts, (4, 9))):
        assert torch.equal(both.tokens[2 * i : 2 * i + 2], pipe(prompt, seed=seed, num_images=2).tokens)
    record = json.loads(json.dumps(both.settings))
    assert record["seed"] == [4, 9]
    assert torch.equal(both.tokens, pipe(record["prompt"], seed=record["seed"], num_images=2).tokens)
    one, two = pipe.plan(num_images=2), pipe.plan(prompts, seed=[4, 9], num_images=2)
    assert two["tokens"] == both.tokens.numel() == 2 * one["tokens"]
    assert two["flops"] == 2 * one["flops"] and two["steps"] == one["steps"]


def test_settings_replay_the_picture(pipe):
    first = pipe("a cat", temperature=0.9, top_k=30, top_p=0.9, guidance_range=(0.1, 0.8))
    record = json.loads(json.dumps(first.settings))
    again = pipe(record["prompt"], **{k: v for k, v in record.items() if k in pipe.validate().replay()})
    assert torch.equal(first.tokens, again.tokens)
    assert again.settings == first.settings
    assert len(record["guidance_weights"]) == 16 and record["numerics"].startswith("cpu-fp32")


def test_prompt_seed_guidance_and_negative_prompt_matter(pipe):
    base = pipe("a cat", seed=1).tokens
    for change in (
        {"seed": 2},
        {"guidance_scale": 6.0},
        {"negative_prompt": "a dog"},
        {"guidance_schedule": "constant"},
    ):
        assert not torch.equal(base, pipe("a cat", **{"seed": 1, **change}).tokens)
    assert not torch.equal(base, pipe("a dog", seed=1).tokens)


def test_stream_has_one_event_per_step_with_previews(pipe):
    events = list(pipe.stream("a cat", shuffle_window=2, seed=0))
    drawn = [event.step for event in events]
    assert drawn[:16] == list(range(1, 17)) and set(drawn[16:]) == {16}  # then the codes become a picture
    assert {event.total_steps for event in events} == {16}
    assert [int((event.tokens >= 0).sum()) for event in events] == [4 * step for step in drawn]
    assert all(event.result is None for event in events[:-1]) and events[-1].result is not None
    preview = events[0].preview(scale=4)[0]
    assert preview.size == (32, 32) and preview.getpixel((31, 31)) == (128, 128, 128)
    color = (pipe.image_tokenizer.mean_colors[events[0].tokens[0, 0, 0]] + 1) * 127.5
    assert preview.getpixel((0, 0)) == tuple(color.round().int().tolist())


def test_closing_the_stream_frees_the_caches(pipe, monkeypatch):
    born = []
    original = Cache.__init__

    def remember(self, both):
        original(self, both)
        born.append(weakref.ref(self))

    monkeypatch.setattr(Cache, "__init__", remember)
    stream = pipe.stream("a cat", seed=0)
    next(stream)
    assert any(ref() is not None for ref in born)
    gc.disable()  # freed at once, not some time later
    try:
        stream.close()
        assert all(ref() is None for ref in born)
    finally:
        gc.enable()


@pytest.mark.parametrize("window", [1, 2, 4])
def test_inpainting_keeps_known_codes_and_redraws_the_rest(pipe, window):
    first = pipe("a cat", seed=1, shuffle_window=window)
    mask = torch.zeros(8, 8, dtype=torch.bool)
    mask[1:4, 3:6] = True  # cuts through windows
    again = pipe("a dog", seed=2, shuffle_window=window, tokens=first.tokens, mask=mask)
    assert torch.equal(again.tokens[0][~mask], first.tokens[0][~mask])
    assert not torch.equal(again.tokens[0][mask], first.tokens[0][mask])
    nothing = pipe("a cat", seed=1, shuffle_window=window, tokens=first.tokens, mask=mask)
    assert torch.equal(nothing.tokens, first.tokens)  # same noise and context: the same codes again


def test_inpainting_starts_where_the_mask_does(pipe):
    first = pipe("a cat", seed=1, shuffle_window=2)
    mask = torch.zeros(8, 8, dtype=torch.bool)
    mask[5, 2] = True  # window 9 of 16, counted from 0
    events = list(pipe.stream("a cat", seed=1, shuffle_window=2, tokens=first.tokens, mask=mask))
    assert torch.equal(events[0].tokens[0][~mask], first.tokens[0][~mask])  # what is kept is seen from the start
    assert list(dict.fromkeys(event.step for event in events)) == list(range(10, 17))
    assert torch.equal(events[-1].result.tokens, first.tokens)


def test_unconditional_rows_leave_when_no_weight_needs_them(pipe, monkeypatch):
    seen = []
    original = Cache.write
    monkeypatch.setattr(Cache, "write", lambda self, *a: (seen.append(len(self.both)), original(self, *a))[1])
    arguments = {"shuffle_window": 1, "width": 64, "height": 64, "guidance_schedule": "constant", "seed": 1}
    early = pipe("a cat", guidance_range=(0.0, 0.5), **arguments)
    assert set(seen) == {1, 2} and seen[-1] == 1
    points = [(0.0, 3.0), (0.5, 3.0), (0.5001, 1.0), (0.999, 1.0), (1.0, 1.0001)]  # guided to the last step
    arguments["guidance_schedule"] = "custom"
    assert torch.equal(early.tokens, pipe("a cat", guidance_points=points, **arguments).tokens)
    seen.clear()
    pipe("a cat", **{**arguments, "guidance_schedule": "constant", "guidance_scale": 1.0})
    assert set(seen) == {1}


def test_tuned_defaults_apply_per_window():
    pipe = tiny_pipeline({"width": 64, "height": 64, "temperature": 0.8, "windows": {"4": {"temperature": 0.5}}})
    assert pipe.validate().temperature == 0.8
    assert pipe.validate(shuffle_window=4).temperature == 0.5
    assert pipe.validate(shuffle_window=4, temperature=1.1).temperature == 1.1


def test_untrained_sizes_are_told_apart(pipe):
    assert pipe.supported_cells()[0]["window"] == 2
    assert pipe("a cat", width=128, height=128, shuffle_window=2).settings["trained"] is True
    assert pipe("a cat", width=128, height=128, shuffle_window=4).settings["trained"] is False
    assert pipe.is_trained(96, 96, 2) and not pipe.is_trained(32, 32, 2)
    assert not pipe.is_trained(256, 64, 2)  # as many pixels, but only squares were seen
    pipe.config.trained_cells[0]["max_aspect"] = 2.0
    assert pipe.is_trained(64, 128, 2) and not pipe.is_trained(256, 64, 2)
    del pipe.config.trained_cells[0]["max_aspect"]


def test_plan_counts_steps_and_grows_with_size(pipe):
    small, large = (pipe.plan(width=size, height=size, shuffle_window=2) for size in (64, 128))
    assert small["steps"] == 4 and large["steps"] == 16 and large["tokens"] == 64
    assert large["flops"] > 4 * small["flops"]
    numbers = 2 * 2 * 4 * 8  # keys and values, layers, heads, head_dim
    assert large["kv_bytes"] == 2 * (16 + 24) * numbers * 4  # both branches, prompt at its longest, float32
    unguided, three = pipe.plan(guidance_scale=1.0), pipe.plan(num_images=3)
    assert unguided["kv_bytes"] == large["kv_bytes"] / 2 and three["kv_bytes"] == 3 * large["kv_bytes"]
    assert three["flops"] == 3 * large["flops"]
    shared = 16 * mixing_parameters(pipe.config, 2) + 64 * decoder_code_parameters(pipe.config, 2)[1]
    assert 2 * unguided["flops"] - large["flops"] == 2 * shared  # branches share their codes, and are scored as one


@pytest.mark.parametrize(
    "guidance",
    [
        {"guidance_schedule": "custom", "guidance_points": [[0, 1], [1, 1]]},
        {"guidance_range": [0.4, 0.6]},  # none of the four steps
    ],
)
def test_plan_prices_the_branches_that_are_drawn(pipe, guidance):
    shape = {"width": 64, "height": 64, "shuffle_window": 2}
    assert pipe.plan(**shape, **guidance) == pipe.plan(**shape, guidance_scale=1.0)
    assert pipe("a cat", **shape, **guidance).settings["numerics"].endswith("-b1")


def test_numerics_name_all_that_decides_the_sums(pipe):
    assert pipe("a cat", width=64, height=64).settings["numerics"].endswith("-b2")
    assert pipe("a cat", width=64, height=64, num_images=2, guidance_scale=1.0).settings["numerics"].endswith("-b2")
    assert pipe("a cat", width=64, height=64, num_images=2).settings["numerics"].endswith("-b4")
    device, engine, instructions, threads, version = pipe.decoder.numerics.split("-")
    assert (device, engine, threads) == ("cpu", "fp32", f"t{torch.get_num_threads()}")
    assert instructions.startswith(torch.backends.cpu.get_cpu_capability().lower())
    assert torch.__version__.startswith(version.removeprefix("torch"))


def test_threads_are_those_asked_for():
    before = torch.get_num_threads()
    pipe = tiny_pipeline({"width": 64, "height": 64})
    pipe.threads = before + 1
    try:
        assert f"-t{before + 1}-" in pipe("a cat").settings["numerics"]
    finally:
        torch.set_num_threads(before)


def test_threads_are_set_before_a_first_call_is_timed(tmp_path):
    before = torch.get_num_threads()
    tiny_pipeline().save_pretrained(tmp_path)
    try:
        TokenShufflePipeline.from_pretrained(tmp_path, threads=before + 1)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


def test_a_pipeline_of_parts_checks_its_machine_and_defaults():
    with pytest.raises(ValueError, match="unknown setting 'top_q'"):
        tiny_pipeline({"top_q": 1})
    parts = tiny_pipeline()
    with pytest.raises(ValueError, match="threads is 0; it must be a whole number from 1"):
        TokenShufflePipeline(parts.model, parts.image_tokenizer, parts.tokenizer, threads=0)


def test_encode_undoes_a_picture_size(pipe):
    assert pipe.encode([Image.new("RGB", (64, 32), "red")]).shape == (1, 2, 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 100}, r"width is 100; with shuffle_window=2 it must be a multiple of 32"),
        ({"height": 96, "shuffle_window": 4}, r"height is 96; with shuffle_window=4 it must be a multiple of 64"),
        ({"width": 0}, "width is 0"),
        ({"width": 64.5}, "width is 64.5; with shuffle_window=2 it must be a multiple of 32"),
        ({"width": 4096}, "width is 4096; .* up to 2048, the longest side that the prompt has a token for"),
        ({"width": 512, "height": 512}, "512x512 is 262144 pixels; this checkpoint allows 65536"),
        ({"shuffle_window": 8}, r"shuffle_window is 8; this checkpoint has \[1, 2, 4\]"),
        ({"guidance_schedule": "steep"}, "guidance_schedule is 'steep'"),
        ({"guidance_scale": 0.0}, "guidance_scale is 0.0"),
        ({"temperature": -1.0}, "temperature is -1.0; it must be a number from 0 to 5"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"top_k": 65}, "top_k is 65; it must be a whole number from 0 to 64"),
        ({"top_p": 0.0}, "top_p is 0.0"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": [-1]}, "seed is -1"),
        ({"seed": [1, 2]}, "seed holds 2 numbers; it must be one number, or one for each of 1 prompts"),
        ({"num_images": 0}, "num_images is 0"),
        ({"negative_prompt": "x" * 100}, "negative_prompt has 100 tokens; at most 24 are allowed"),
        ({"width": 10**400}, "width is 1000"),
        ({"width": "64"}, "width is '64'; it must be a number"),
        ({"shuffle_window": True}, "shuffle_window is True"),
        ({"seed": float("inf")}, "seed is inf"),
        ({"guidance_scale": "7"}, "guidance_scale is '7'; it must be between 1 and 30"),
        ({"ramp_end": "x"}, "ramp_end is 'x'"),
        ({"negative_prompt": 5}, "negative_prompt is 5; it must be a text"),
        ({"guidance_range": "ab"}, "guidance_range is 'ab'"),
        ({"guidance_range": ((0, 1), (0, 1))}, "guidance_range is "),
        ({"guidance_schedule": "custom", "guidance_points": [1, 2]}, "it must be a list of .fraction, weight. pairs"),
        ({"guidance_schedule": "custom", "guidance_points": 5}, "guidance_points is 5"),
        ({"steps": 5}, "unknown setting 'steps'"),
        ({"tokens": torch.zeros(8, 8)}, "tokens and mask belong together"),
        ({"tokens": torch.zeros(4, 4), "mask": torch.zeros(8, 8)}, r"tokens has shape \(4, 4\)"),
        ({"tokens": torch.full((8, 8), 64), "mask": torch.zeros(8, 8)}, "tokens to keep range from 64 to 64"),
        ({"tokens": torch.full((8, 8), 1.5), "mask": torch.zeros(8, 8)}, "tokens to keep hold fractions"),
        ({"tokens": "abc", "mask": torch.zeros(8, 8)}, "tokens is a str that is no array"),
        ({"tokens": torch.zeros(8, 8).to_sparse(), "mask": torch.zeros(8, 8)}, "tokens is a torch.sparse_coo tensor"),
        ({"tokens": torch.zeros(8, 8, device="meta"), "mask": torch.zeros(8, 8)}, "it must be a dense one with data"),
        ({"temperature": 1e-39}, "temperature is 1e-39; it must be 0 .* or at least 0.01"),
        ({"guidance_range": (0, 10**400)}, "guidance_range is .* must be made of numbers"),
        ({"negative_prompt": "\ud800"}, "negative_prompt is .* UTF-8"),
    ],
)
def test_bad_settings_raise_before_any_work(pipe, arguments, message):
    with pytest.raises(ValueError, match=message):
        pipe.stream("a cat", **arguments)  # not even one step was asked for


def test_numbers_of_browsers_and_numpy_are_plain_ones(pipe):
    plain = pipe("a cat", width=64, height=96, shuffle_window=2, top_k=9, num_images=1, seed=7, temperature=1)
    other = pipe(
        "a cat",
        width=64.0,
        height=np.int64(96),
        shuffle_window=2.0,
        top_k=np.int32(9),
        num_images=1.0,
        seed=7.0,
        temperature=np.float32(1),
    )
    assert torch.equal(plain.tokens, other.tokens)
    assert json.dumps(plain.settings) == json.dumps(other.settings).replace('"temperature": 1.0', '"temperature": 1')


@pytest.mark.parametrize("prompt", ["", "   ", [], ["a cat", ""], None, 3])
def test_empty_prompts_are_refused(pipe, prompt):
    with pytest.raises(ValueError, match="prompt is"):
        pipe.stream(prompt)


def test_lone_surrogates_are_refused(pipe):
    with pytest.raises(ValueError, match=r"prompt is .* UTF-8"):
        pipe.stream("\ud800 cat")


def test_overlong_prompt_is_refused(pipe):
    with pytest.raises(ValueError, match="prompt has 30 tokens; at most 24 are allowed"):
        pipe.stream("x" * 30)


def test_an_inpaintings_record_is_not_that_of_a_plain_picture(pipe):
    shape = {"width": 64, "height": 64, "shuffle_window": 2, "seed": 7}
    plain = pipe("a cat", **shape)
    mask = torch.arange(4)[:, None].expand(4, 4) >= 2
    kept = pipe("a cat", **shape, tokens=plain.tokens[0], mask=mask)
    other = pipe("a cat", **shape, tokens=plain.tokens[0].flip(0), mask=mask)
    assert "kept" not in plain.settings and kept.settings["kept"]["codes"] == 8
    assert kept.settings["kept"]["sha256"] != other.settings["kept"]["sha256"]
    assert kept.settings["numerics"] == plain.settings["numerics"] + "-k2"  # two windows read in one pass


def test_numerics_say_how_long_other_prompts_made_a_row(pipe):
    alone, beside = pipe("a cat", width=64, height=64), pipe(["a cat", "a dog and a cat"], width=64, height=64)
    assert re.search(r"-b\d+$", alone.settings["numerics"]) and re.search(r"-b\d+x\d+$", beside.settings["numerics"])


def test_plain_calls_work_on_every_checkpoint():
    few = tiny_pipeline({}, shuffle_windows=(1, 4), max_pixels=96 * 96).validate()
    assert (few.shuffle_window, few.width, few.height) == (1, 96, 96)
    tuned = tiny_pipeline({"guidance_schedule": "custom", "guidance_points": [[0, 1], [1, 3]]})
    assert tuned.validate().guidance_points and tuned.validate(guidance_schedule="linear").guidance_points is None
    with pytest.raises(ValueError, match="negative_prompt has 100 tokens"):
        tiny_pipeline({"negative_prompt": "x" * 100})


def test_save_and_load_draws_the_same(tmp_path):
    pipe = tiny_pipeline({"width": 64, "height": 64, "temperature": 0.7})
    pipe.save_pretrained(tmp_path, dtype=torch.float32)
    again = TokenShufflePipeline.from_pretrained(tmp_path, engine="fp32")
    assert torch.equal(pipe("a cat", seed=1).tokens, again("a cat", seed=1).tokens)
    assert again.validate().temperature == 0.7 and len(again.checkpoint) == 16
    assert again("a cat", seed=1).settings["checkpoint"] == again.checkpoint
