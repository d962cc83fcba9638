"""Noise and draws: known answers of the generator, filters by hand, frequencies."""

import pytest
import torch

from model.noise import code_noise, philox
from model.sampling import draw, probabilities, sample


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        # known answers of the Random123 library
        ([0] * 4, (0, 0), [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, (0xFFFFFFFF, 0xFFFFFFFF), [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            (0xA4093822, 0x299F31D0),
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_philox_known_answers(counter, key, expected):
    assert philox(torch.tensor(counter), key).tolist() == expected


def test_noise_depends_on_seed_image_and_position_only():
    small = code_noise([(7, 0)], 4, 4)
    large = code_noise([(7, 1), (7, 0), (8, 0)], 6, 9)
    assert torch.equal(large[1, :4, :4], small[0])
    assert not torch.equal(large[0], large[1]) and not torch.equal(large[1], large[2])
    assert not torch.equal(code_noise([(7 + 2**32, 0)], 4, 4), small)  # all 53 bits of a seed count


def test_noise_is_uniform():
    noise = code_noise([(1, 0)], 128, 128)
    assert noise.min() >= 0 and noise.max() < 1
    counts = torch.histc(noise, 16, 0, 1)
    expected = 128 * 128 / 16
    assert ((counts - expected).square() / expected).sum() < 37.7  # chi-square, 15 degrees of freedom, p = .001


def test_draw_walks_the_running_sum():
    weights = torch.tensor([0.0, 2.0, 0.0, 1.0, 1.0, 0.0]).repeat(6, 1)
    uniform = torch.tensor([0.0, 0.49, 0.5, 0.74, 0.75, 1 - 2**-24])
    assert draw(weights, uniform).tolist() == [1, 1, 3, 3, 4, 4]


def test_codes_without_weight_are_never_drawn():
    weights = torch.rand(2000, 37)
    weights[:, ::2] = 0
    for edge in (0.0, 1 - 2**-24):
        ids = draw(weights, torch.full((2000,), edge))
        assert (weights.gather(1, ids[:, None]) > 0).all()


def test_frequencies_follow_the_softmax():
    logits = torch.tensor([1.0, 0.0, -1.0, 2.0])
    uniform = code_noise([(3, 0)], 128, 128).flatten()
    ids = sample(logits.expand(len(uniform), -1), uniform, 0.7, None, None)
    wanted = torch.softmax(logits / 0.7, 0)
    assert torch.allclose(ids.bincount() / len(ids), wanted, atol=0.02)


def test_top_k_and_top_p():
    logits = torch.tensor([0.5, 0.2, 0.2, 0.06, 0.04]).log()
    kept = lambda **filters: probabilities(logits, **filters).nonzero().flatten().tolist()  # noqa: E731
    assert kept(top_k=1) == [0] and kept(top_k=4) == [0, 1, 2, 3] and kept(top_k=9) == kept(top_k=0) == [0, 1, 2, 3, 4]
    assert kept(top_k=2) == [0, 1, 2]  # tied with the second
    assert kept(top_p=0.4) == [0] and kept(top_p=0.6) == [0, 1, 2] and kept(top_p=0.93) == [0, 1, 2, 3]
    assert kept(top_p=1.0) == [0, 1, 2, 3, 4]
    assert kept(top_k=4, top_p=0.5) == [0]  # of the mass that top-k leaves, one code holds half


def test_temperature_zero_takes_the_best():
    logits = torch.randn(5, 30)
    assert torch.equal(sample(logits, torch.rand(5), 0.0, None, None), logits.argmax(-1))
