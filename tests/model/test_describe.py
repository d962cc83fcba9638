"""The paper's sizes and costs, from the configuration alone."""

import json
import time

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from model import TokenShuffleForImageGeneration, preset
from model.__main__ import main
from model.costs import (
    backbone_parameters,
    decoder_code_parameters,
    decoding_flops,
    forward_flops,
    head_parameters,
    image_flops,
    mixing_parameters,
    step_parameters,
    window_head_parameters,
    window_parameters,
)
from model.decoder import Decoder, Plan
from model.describe import cells, parameters

# (px, window, fused tokens, forward TFLOPs, attention share, KV MiB per branch): estimates for the 2.7B model
PAPER = [
    (512, 1, 1024, 4.8, 0.03, 240),
    (512, 2, 256, 1.2, 0.01, 60),
    (1024, 1, 4096, 20.6, 0.10, 960),
    (1024, 2, 1024, 4.8, 0.03, 240),
    (1024, 4, 256, 1.2, 0.01, 60),
    (2048, 1, 16384, 107, 0.31, 3840),
    (2048, 2, 4096, 20.6, 0.10, 960),
    (2048, 4, 1024, 4.8, 0.03, 240),
]


def test_paper_table_within_three_percent():
    rows = {(row["pixels"], row["window"]): row for row in cells(preset("paper-2.7b"))}
    for pixels, window, tokens, tflops, attention, kv in PAPER:
        row = rows[pixels, window]
        assert row["fused_tokens"] == tokens
        assert row["forward_tflops"] == pytest.approx(tflops, rel=0.03)
        assert row["attention_share"] == pytest.approx(attention, abs=0.005)
        assert row["kv_mib"] == pytest.approx(kv, rel=0.03)
    assert rows[1024, 2]["head_tflops"] == pytest.approx(0.41, rel=0.03)
    assert rows[2048, 2]["logits_mib"] == pytest.approx(1024, rel=0.03)


def test_paper_parameters_without_memory_in_seconds():
    started = time.thread_time()  # of a processor: what else runs on the machine does not count
    counts = parameters(preset("paper-2.7b"))
    assert time.thread_time() - started < 30
    assert counts["backbone"] == pytest.approx(2.265e9, rel=0.01)
    assert counts["backbone"] + counts["embedding"] == pytest.approx(2.7e9, rel=0.03)


def test_cost_formulas_count_the_real_matrices():
    config = preset("small")
    model = TokenShuffleForImageGeneration(config)

    def matrices(module):
        return sum(p.numel() for p in module.parameters() if p.ndim == 2)

    assert backbone_parameters(config) == matrices(model.model.layers)
    assert window_head_parameters(config) == matrices(model.window_head)
    assert head_parameters(config) == model.image_head.numel()
    for s in (2, 4):  # compress and expand meet every code of the window
        shared = 2 * model.shuffles[str(s)].compress.weight.numel()
        whole = matrices(model.shuffles[str(s)]) + matrices(model.unshuffles[str(s)])
        assert window_parameters(config, s) == whole - shared + s**2 * shared


@pytest.mark.parametrize("window", [1, 2, 4])
def test_flops_of_a_picture_are_those_that_pytorch_counts(window):
    config = preset("small")
    with torch.device("meta"):
        model = TokenShuffleForImageGeneration(config)
        prompt, image = torch.zeros(1, 1, dtype=torch.int64), torch.zeros(1, 32, 32, dtype=torch.int64)
        with FlopCounterMode(display=False) as counter:
            model(prompt, None, image, window, compute_loss=False)
    counts = {str(operation): flops for operation, flops in counter.get_flop_counts()["Global"].items()}
    attention = sum(flops for name, flops in counts.items() if "bmm" in name or "attention" in name)
    causal = sum(counts.values()) - attention / 2  # what a causal kernel leaves out
    assert image_flops(config, 32, 32, window) == pytest.approx(causal, rel=0.02), counts


@pytest.mark.parametrize("branches", [1, 2])
@pytest.mark.parametrize("window_head", ["independent", "causal"])
@pytest.mark.parametrize("window", [1, 2, 4])
def test_the_decoder_costs_what_is_claimed(window, window_head, branches):
    """FLOPs of matrix products that PyTorch counts in one step, attention apart."""
    config, side, steps = preset("small", window_head=window_head, text_vocab_size=32), 4 * window, 16
    decoder = Decoder(TokenShuffleForImageGeneration(config).eval(), "fp32")
    prompt = torch.zeros(branches, 1, dtype=torch.int64)
    weights, noise = torch.full((steps,), float(branches)), torch.rand(1, side, side)
    run = decoder.start(Plan(prompt, prompt + 1, side, side, window, weights, noise))
    with FlopCounterMode(display=False) as counter:
        run.advance()
    counted = sum(n for name, n in counter.get_flop_counts()["Global"].items() if str(name) == "aten.mm")
    attention = branches * (forward_flops(config, steps) - 2 * backbone_parameters(config) * steps)
    assert decoding_flops(config, side, side, window, branches) == steps * counted + attention

    inside, scored = decoder_code_parameters(config, window)  # of one code; a step has s² of them
    again = (window**2 - 1) * (branches * inside + scored)
    other_branch = (branches - 1) * (backbone_parameters(config) + mixing_parameters(config, window) + inside)
    assert step_parameters(config, window) == counted / 2 - again - other_branch, "every matrix is read once a step"


def test_command_prints_the_table(capsys):
    assert main(["describe", "paper-2.7b"]) == 0
    printed = capsys.readouterr().out
    assert "2,265" in printed and "4096" in printed.replace(",", "")


@pytest.mark.parametrize("content", [None, {"model_type": "llama"}])
def test_what_is_no_config_is_an_error_message(capsys, tmp_path, content):
    if content:
        (tmp_path / "config.json").write_text(json.dumps(content))
    assert main(["describe", str(tmp_path)]) == 2
    assert "error: " in capsys.readouterr().err
