"""The causal window head: a very small language model over the s² codes of one window.

The paper draws the codes of a window independently given the fused hidden state, which blurs large windows
(its known weak spot). Here one small causal block sees, at place i, the unshuffled hidden state of place i and
the code drawn at place i-1, and corrects the hidden state before the head. Its cost does not touch the
backbone's number of steps.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from model.backbone import Block
from model.positions import Rotation, rotation
from model.shuffle import RMSNorm, linear

HEAD_DIM = 32
FEED_FORWARD = 2  # intermediate width over width


class WindowHead(nn.Module):
    """Corrects hidden states [R, s², D] given the window's own codes; place i sees codes 0..i-1 only."""

    def __init__(self, hidden_size: int, width: int, rope_theta: float, eps: float, residual_std: float):
        super().__init__()
        if width % HEAD_DIM:
            raise ValueError(f"window_head_width is {width}; it must be a multiple of {HEAD_DIM}")
        self.rope_theta = rope_theta
        self.from_hidden = linear(hidden_size, width, std=hidden_size**-0.5)
        self.from_code = linear(hidden_size, width, std=hidden_size**-0.5)
        self.code_norm = RMSNorm(hidden_size, eps=eps)
        heads = width // HEAD_DIM
        self.block = Block(width, FEED_FORWARD * width, heads, heads, HEAD_DIM, True, eps, residual_std)
        self.norm = RMSNorm(width, eps=eps)
        self.to_hidden = linear(width, hidden_size, std=residual_std)

    def forward(self, hidden: Tensor, codes: Tensor) -> Tensor:
        """hidden and code embeddings [R, s², D] -> corrected hidden [R, s², D]."""
        previous = self.from_code(self.code_norm(codes[:, :-1]))
        x = self.from_hidden(hidden) + F.pad(previous, (0, 0, 1, 0))
        queries, keys = self.rotations(hidden.shape[1], hidden.device)
        with sdpa_kernel(SDPBackend.MATH):  # fused kernels are made for long sequences, and slow for s² places
            x = self.block(x, queries, keys)
        return hidden + self.to_hidden(self.norm(x))

    def rotations(self, places: int, device: torch.device) -> tuple[Rotation, Rotation]:
        queries, keys = window_coordinates_inside(places, device)
        return rotation(queries, HEAD_DIM, self.rope_theta), rotation(keys, HEAD_DIM, self.rope_theta)


def window_coordinates_inside(places: int, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Float [s², 2] for queries, which stand on the place they decode, and keys, on that of the code they carry."""
    side = torch.arange(round(places**0.5), device=device, dtype=torch.float32)
    spots = torch.cartesian_prod(side, side)
    return spots, torch.cat((spots.new_full((1, 2), -1.0), spots[:-1]))
