"""Pictures as people see them ↔ pixels as networks do."""

import numpy as np
import torch
from torch import Tensor


def from_bytes(pictures: np.ndarray, device: torch.device | str | None = None) -> Tensor:
    """uint8 [..., H, W, 3] -> float32 [..., 3, H, W] in [-1, 1]; bytes travel, not floats."""
    return torch.as_tensor(pictures, device=device).movedim(-1, -3).float() / 127.5 - 1


def to_bytes(values: Tensor) -> Tensor:
    """[-1, 1] of any shape -> uint8."""
    return (
        (values.float() + 1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)
    )  # in place: half the time of 2048 px
