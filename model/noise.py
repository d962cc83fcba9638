"""The randomness of a picture: one number per code position, a pure function of (seed, image, row, column).

Philox-4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3") in 64-bit integer operations, so
that every device gives the same bits. Nothing depends on the order of drawing, which is what keeps a picture
the same alone or in a batch, streamed or not, and its kept surroundings the same under inpainting.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

ROUNDS = 10
MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
WEYL = 0x9E3779B9, 0xBB67AE85
LOW = 0xFFFFFFFF


def philox(counter: Tensor, key: tuple[Tensor | int, Tensor | int]) -> Tensor:
    """Philox-4x32-10: counter int64 [..., 4] of 32-bit words, key two words -> int64 [..., 4] of 32-bit words."""
    a, b, c, d = counter.unbind(-1)
    k0, k1 = key
    for _ in range(ROUNDS):
        # 32 x 32 -> 64 bits; int64 wraps around, but its bits are the right ones
        first, second = a * MULTIPLIERS[0], c * MULTIPLIERS[1]
        a, b, c, d = _high(second) ^ b ^ k0, second & LOW, _high(first) ^ d ^ k1, first & LOW
        k0, k1 = (k0 + WEYL[0]) & LOW, (k1 + WEYL[1]) & LOW
    return torch.stack((a, b, c, d), dim=-1)


def code_noise(
    keys: Sequence[tuple[int, int]], height: int, width: int, device: torch.device | str | None = None
) -> Tensor:
    """Uniform numbers in [0, 1), float32 [len(keys), height, width], for (seed, image index) pairs."""
    seeds, images = torch.tensor(keys, dtype=torch.int64, device=device).reshape(-1, 2, 1, 1).unbind(1)
    rows = torch.arange(height, device=device).reshape(1, -1, 1)
    columns = torch.arange(width, device=device).reshape(1, 1, -1)
    counter = torch.stack(torch.broadcast_tensors(images, rows, columns, torch.zeros_like(images)), dim=-1)
    words = philox(counter, (seeds & LOW, _high(seeds)))
    return (words[..., 0] >> 8).float() / 2**24


def _high(x: Tensor) -> Tensor:
    return (x >> 32) & LOW
