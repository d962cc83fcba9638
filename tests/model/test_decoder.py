"""The fast decoder against a plain uncached forward pass: what it feeds to the draw are the same logits."""

from dataclasses import replace

import pytest
import torch

from model.decoder import Decoder, Run
from model.packing import usable_engines
from model.sampling import sample
from model.shuffle import gather_windows
from tests.model.conftest import make_plan, tiny_model

ENGINES = usable_engines(torch.device("cpu"))
ROUNDING = {"bf16": 0.03, "int8": 0.04, "native": 0.04}  # share of the logits' own spread


def decoded_logits(model, engine, plan, ahead=0):
    """Guided logits [steps - ahead, s², codes] of one image while its codes are forced, the first ones as known ahead."""
    seen = []

    def remember(logits, *rest):
        seen.append(logits.flatten(0, -2))
        return sample(logits, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("model.decoder.sample", remember)
        patch.setattr(Run, "_known_ahead", lambda run: ahead)
        run = Decoder(model, engine).start(plan)
        while run.step < run.steps:
            run.advance()
    assert torch.equal(run.tokens, plan.known)
    return torch.cat(seen).view(run.steps - ahead, plan.window**2, -1)


def plain_logits(model, plan):
    both = model(plan.prompt, plan.prompt_mask, plan.known.expand(2, -1, -1), plan.window, compute_loss=False).logits
    conditional, unconditional = gather_windows(both, plan.window)
    return unconditional + plan.weights[:, None, None] * (conditional - unconditional)


@pytest.mark.parametrize("window", [1, 2, 4])
@pytest.mark.parametrize("engine", ENGINES)
def test_equals_uncached_forward(window, engine, window_head, positions):
    model = tiny_model(window_head=window_head, positions=positions)
    plan = make_plan(window)
    wanted = plain_logits(model, plan)
    difference = decoded_logits(model, engine, plan) - wanted
    if engine == "fp32":
        assert difference.abs().max() < 1e-3
    else:
        assert difference.std() < ROUNDING[engine] * wanted.std()


def test_caches_are_as_long_as_the_picture_needs():
    run = Decoder(tiny_model(), "fp32").start(make_plan(2))
    assert {cache.both.shape[2] for cache in run.caches} == {6 + 16 - 1}  # the last window is never looked at


def test_window_eight(window_head):
    model = tiny_model(window_head=window_head, shuffle_windows=(1, 8))
    plan = make_plan(8, 16, 24)
    assert (decoded_logits(model, "fp32", plan) - plain_logits(model, plan)).abs().max() < 1e-3


@pytest.mark.parametrize(("height", "width"), [(4, 12), (12, 4), (4, 4)])
def test_every_shape_without_padding(height, width):
    model = tiny_model()
    plan = make_plan(4, height, width, padded=False)
    difference = decoded_logits(model, "fp32", plan) - plain_logits(model, plan)
    assert difference.abs().max() < 1e-3


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("chunk", [4, 5, 1024])
def test_windows_known_ahead_are_read_in_one_pass(monkeypatch, padded, chunk):
    monkeypatch.setattr("model.decoder.PREFILL", chunk)
    model = tiny_model()
    plan = make_plan(2, padded=padded)
    difference = decoded_logits(model, "fp32", plan, ahead=6) - plain_logits(model, plan)[6:]
    assert difference.abs().max() < 1e-3


@pytest.mark.parametrize(("drawn", "ahead"), [((0, 0), 0), ((1, 5), 2), ((7, 0), 12), ((7, 7), 15)])
def test_only_fully_known_windows_at_the_start_are_skipped(drawn, ahead):
    plan = make_plan(2)
    plan.known[0, drawn[0], drawn[1]] = -1
    run = Decoder(tiny_model(), "fp32").start(plan)
    assert run.step == ahead and torch.equal(run.tokens, plan.known)


def test_a_fully_known_picture_comes_back():
    plan = make_plan(2)
    run = Decoder(tiny_model(), "fp32").start(plan)
    assert run.step == 15  # the last step remains, so that every run ends the same way
    run.advance()
    assert torch.equal(run.tokens, plan.known)


def test_grouped_keys_without_tying():
    model = tiny_model(num_key_value_heads=2, tie_word_embeddings=False, qk_norm=False, code_width=None)
    plan = make_plan(2)
    difference = decoded_logits(model, "fp32", plan) - plain_logits(model, plan)
    assert difference.abs().max() < 1e-3


def test_unknown_engine_is_refused():
    with pytest.raises(ValueError, match="engine is 'fp8'; it must be one of fp32, bf16, int8, native"):
        Decoder(tiny_model(), "fp8")


def test_no_step_waits_for_the_device(monkeypatch):
    """Nothing of a step is read back to the host, which is what allows capturing it on a GPU."""
    model = tiny_model()
    run = Decoder(model, "fp32").start(replace(make_plan(2), known=None))

    def forbidden(*_):
        raise AssertionError("a decoding step read a tensor's value")

    for name in ("item", "tolist", "nonzero", "__bool__", "__int__", "__float__", "cpu", "numpy"):
        monkeypatch.setattr(torch.Tensor, name, forbidden)
    run.advance()
    run.advance()
