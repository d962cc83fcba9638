"""Fréchet distance and reconstruction figures against known answers."""

import numpy as np
import pytest
import torch

from model.evaluation.frechet import frechet_distance
from model.evaluation.reconstruction import psnr, ssim_map


def test_frechet_distance_agrees_with_the_matrix_root():
    from scipy.linalg import sqrtm

    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(60, 5)), rng.normal(1.0, 2.0, size=(40, 5)) @ rng.normal(size=(5, 5))
    ca, cb = np.cov(a.T), np.cov(b.T)
    wanted = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(ca + cb - 2 * sqrtm(ca @ cb).real)
    assert frechet_distance(torch.tensor(a), torch.tensor(b)) == pytest.approx(wanted, rel=1e-8)


def test_frechet_distance_of_a_set_to_itself_is_zero_even_with_few_pictures():
    a = torch.randn(10, 50, generator=torch.Generator().manual_seed(0))
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_needs_two_pictures():
    with pytest.raises(ValueError, match="1 and 3"):
        frechet_distance(torch.zeros(1, 4), torch.zeros(3, 4))


def test_psnr_of_a_known_error():
    assert psnr(torch.full((4, 4), 0.01)) == pytest.approx(20)


def test_ssim_is_one_for_equal_pictures_and_falls_with_noise():
    generator = torch.Generator().manual_seed(0)
    picture = torch.rand(40, 40, generator=generator)
    noise = torch.randn(40, 40, generator=generator)
    assert ssim_map(picture, picture).mean() == pytest.approx(1, abs=1e-4)
    assert ssim_map(picture, picture).shape == (30, 30)
    little, much = (ssim_map(picture, picture + level * noise).mean() for level in (0.05, 0.5))
    assert 0.9 < little < 1
    assert much < 0.6


def test_ssim_of_flat_pictures_is_the_luminance_term():
    a, b = torch.full((20, 20), 0.5), torch.full((20, 20), 0.25)
    wanted = (2 * 0.5 * 0.25 + 1e-4) / (0.5**2 + 0.25**2 + 1e-4)
    assert ssim_map(a, b).mean() == pytest.approx(wanted, rel=1e-3)
