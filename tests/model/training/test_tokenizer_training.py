"""The codebook's moving averages, the rotation trick, and a tokenizer that learns."""

import argparse

import pytest
import torch
import torch.nn.functional as F
from accelerate import Accelerator

from model.image_tokenizer import ImageTokenizer
from model.training.tokenizer import Codebook, SceneCrops, TokenizerTrainer, rotate_to
from tests.model.conftest import tiny_image_tokenizer


def unit(*shape: int) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(0)), dim=-1)


def test_rotation_gives_the_code_and_keeps_the_gradients_length():
    latents, codes = unit(20, 8).requires_grad_(), unit(40, 8)[20:]
    rotated = rotate_to(latents, codes)
    assert torch.allclose(rotated, codes, atol=1e-5)
    upstream = torch.randn(20, 8)
    rotated.backward(upstream)
    assert torch.allclose(latents.grad.norm(dim=-1), upstream.norm(dim=-1), atol=1e-4)


def test_codes_follow_their_latents_and_idle_ones_restart():
    codes = unit(4, 8).clone()
    book = Codebook(codes, decay=0.5, idle_steps=3)
    target = unit(9, 8)[8]
    for _ in range(8):
        book.update(codes, target.expand(16, 8).clone(), torch.zeros(16, dtype=torch.long))
    assert torch.allclose(codes[0], target, atol=0.05)
    assert torch.allclose(codes[1:], target.expand(3, 8), atol=0.05)  # restarted on the only latent there is


def test_a_codebooks_statistics_lie_where_its_codes_do():
    book = Codebook(torch.empty(4, 8, device="meta"))
    assert {tensor.device.type for tensor in book.state_dict().values()} == {"meta"}


def test_crops_repeat_with_the_seed(few_crops, painted_art):
    first, again, other = (next(iter(SceneCrops(seed))) for seed in ("0-0", "0-0", "0-7"))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_several_processes_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Accelerator, "num_processes", 2)
    with pytest.raises(ValueError, match="started as 2 processes"):
        trainer(tmp_path)


@pytest.fixture
def few_crops(monkeypatch):
    """The first batch comes at once, not after a hundred scenes."""
    monkeypatch.setattr("model.training.tokenizer.BUFFER_CROPS", 32)


def trainer(folder, **changes) -> TokenizerTrainer:
    given = {
        "out": str(folder),
        "minutes": 0.05,
        "crops": None,
        "batch": 4,
        "lr": 1e-3,
        "codebook_size": 64,
        "code_dim": 4,
        "continuous_steps": 1,
        "perceptual": 0.0,
        "seed": 0,
        "decoder_of": None,
    }
    return TokenizerTrainer(argparse.Namespace(**given | changes))


def test_a_short_run_improves_resumes_and_saves(tmp_path, few_crops, painted_art):
    def run(minutes: float) -> TokenizerTrainer:
        leg = trainer(tmp_path, minutes=minutes)
        leg.train()
        return leg

    first = run(0.05)
    second = run(first.seconds / 60 + 0.05)  # a busy machine may be slow
    assert second.step > first.step
    saved = ImageTokenizer.from_pretrained(tmp_path / "image_tokenizer").eval()
    assert torch.allclose(saved.codebook.norm(dim=-1), torch.ones(64), atol=1e-4)
    assert saved.mean_colors.abs().sum() > 0
    ids = saved.encode(torch.zeros(1, 3, 64, 32))
    assert ids.shape == (1, 4, 2) and saved.decode(ids).shape == (1, 3, 64, 32)


def test_a_run_of_crops_is_as_long_on_any_machine(tmp_path, few_crops, painted_art):
    run = trainer(tmp_path, crops=14, minutes=0.0)
    run.train()
    assert run.step * 4 == 16  # whole batches
    again = trainer(tmp_path, crops=20)
    again.train()
    assert again.step * 4 == 20  # resumed


def test_the_decoder_alone_goes_on_with_the_same_codes(tmp_path, few_crops, painted_art):
    tiny_image_tokenizer().save_pretrained(tmp_path / "finished")
    trainer(tmp_path / "leg", decoder_of=str(tmp_path / "finished")).train()
    before, after = (
        ImageTokenizer.from_pretrained(tmp_path / name).eval() for name in ("finished", "leg/image_tokenizer")
    )
    pixels = torch.rand(1, 3, 64, 64) * 2 - 1
    ids = before.encode(pixels)
    assert torch.equal(after.encode(pixels), ids) and torch.equal(after.codebook, before.codebook)
    assert not torch.equal(after.decode(ids), before.decode(ids))
