"""What only a GPU can show: real CUDA graphs, and the numbers that a processor gives."""

import warnings
from dataclasses import replace

import pytest
import torch

from model.benchmark import finished, forced_logits, random_plan
from model.decoder import Decoder, Plan
from model.noise import code_noise
from tests.model.conftest import make_plan, tiny_model, tiny_pipeline

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")


def on_gpu(plan: Plan) -> Plan:
    return replace(
        plan, **{name: value.cuda() for name, value in vars(plan).items() if isinstance(value, torch.Tensor)}
    )


@pytest.mark.parametrize("window", [1, 2])
@pytest.mark.parametrize("padded", [False, True])
def test_graphs_draw_what_single_steps_draw(window, padded):
    plan = replace(
        make_plan(window, 8 * window, 8 * window, padded),
        known=None,
        noise=code_noise([(3, 0)], 8 * window, 8 * window),
    )
    decoder, plan = Decoder(tiny_model().cuda(), "fp32"), on_gpu(plan)
    assert decoder.graphed
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a graph that cannot be made warns
        graphed = finished(decoder, plan).tokens
    decoder.graphed = False
    assert torch.equal(graphed, finished(decoder, plan).tokens)


@pytest.mark.parametrize("window", [1, 2])
def test_logits_are_those_of_a_processor(window):
    model = tiny_model()
    plan = random_plan(model, window, side=8)
    decoder = Decoder(model, "fp32")
    codes = finished(decoder, plan).codes
    expected = forced_logits(decoder, plan, codes)
    found = forced_logits(Decoder(model.cuda(), "fp32"), on_gpu(plan), codes.cuda()).cpu()
    assert (found - expected).norm() / expected.norm() < 1e-4


def test_engines_agree():
    model = tiny_model().cuda()
    plan = random_plan(model, 2, side=8)
    codes = finished(Decoder(model, "fp32"), plan).codes
    exact, *rounded = (forced_logits(Decoder(model, engine), plan, codes) for engine in ("fp32", "bf16", "int8"))
    for logits in rounded:
        assert (logits - exact).std() / exact.std() < 0.05


def test_a_picture_comes_out():
    pipe = tiny_pipeline()
    pipe = type(pipe)(pipe.model.cuda(), pipe.image_tokenizer.cuda(), pipe.tokenizer)
    images = [pipe("a cat", width=64, height=64, shuffle_window=2, seed=1).images[0] for _ in range(2)]
    assert images[0].size == (64, 64) and images[0].tobytes() == images[1].tobytes()
