"""What the backbone reads beside what it has to predict, and the mean of what it loses."""

from types import SimpleNamespace

import pytest
import torch

from model.training.batches import foreign_windows, mean_loss


def test_foreign_windows_are_whole_and_of_the_next_picture():
    torch.manual_seed(0)
    ids = torch.arange(3)[:, None, None].expand(3, 32, 32)
    context = foreign_windows(ids, 4, 0.25)
    assert torch.equal(foreign_windows(ids, 4, 0.0), ids)
    windows = context.unfold(1, 4, 4).unfold(2, 4, 4).flatten(3)
    assert (windows == windows[..., :1]).all() and 0.15 < (context != ids).float().mean() < 0.35
    assert ((context == ids) | (context == ids.roll(1, 0))).all()


def loses(values: list[float]) -> tuple[float, float]:
    """`mean_loss` of a stand-in model that loses these values, one a sample."""

    def model(values, **_):
        return SimpleNamespace(image_loss=values.mean())

    def collate(samples):
        return {"values": torch.tensor(samples)}

    model.device, collate.window = "cpu", 2
    return mean_loss(model, collate, values)


def test_every_sample_counts_the_same():
    mean, error = loses([0.0] * 16 + [9.0])  # batches of 8, 8 and 1
    assert mean == pytest.approx(9 / 17)
    shares, losses = torch.tensor([8, 8, 1]) / 17, torch.tensor([0.0, 0.0, 9.0])
    assert error == pytest.approx(((shares * (losses - mean)).square().sum() * 3 / 2).sqrt().item())
    mean, error = loses([1.0] * 8 + [2.0] * 8)  # equal batches: the usual formula
    assert (mean, error) == pytest.approx((1.5, 0.5))


def test_one_sample_has_no_standard_error():
    with pytest.raises(ValueError, match="there are 1 samples; a mean loss with its standard error needs two"):
        loses([1.0])
