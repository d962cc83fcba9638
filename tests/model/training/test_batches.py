"""What the backbone reads beside what it has to predict."""

import torch

from model.training.batches import foreign_windows


def test_foreign_windows_are_whole_and_of_the_next_picture():
    torch.manual_seed(0)
    ids = torch.arange(3)[:, None, None].expand(3, 32, 32)
    context = foreign_windows(ids, 4, 0.25)
    assert torch.equal(foreign_windows(ids, 4, 0.0), ids)
    windows = context.unfold(1, 4, 4).unfold(2, 4, 4).flatten(3)
    assert (windows == windows[..., :1]).all() and 0.15 < (context != ids).float().mean() < 0.35
    assert ((context == ids) | (context == ids.roll(1, 0))).all()
