"""Where tokens stand, and the rotation (RoPE) that tells attention about it.

Every token has coordinates, one axis ("sequence", the paper) or two ("axial": row and column in units of
original codes), and queries and keys may differ. Axial queries carry the coordinates of the window that they
predict and keys their own, so that attention sees the offset from context to target, which windows of every
size and images of every shape share. Prompts end at a fixed place, so left padding changes nothing.
"""

import torch
from torch import Tensor

Rotation = tuple[Tensor, Tensor]  # cos and sin, each broadcastable to [B, heads, L, head_dim]


def prompt_coordinates(length: int, kind: str, device: torch.device | None = None) -> Tensor:
    """Float [T, axes], ending at 0 (sequence) or on the diagonal at (-1, -1) (axial)."""
    steps = torch.arange(1 - length, 1, device=device, dtype=torch.float32).unsqueeze(1)
    return steps if kind == "sequence" else (steps - 1).expand(-1, 2)


def window_coordinates(height: int, width: int, window: int, kind: str, device: torch.device | None = None) -> Tensor:
    """Float [windows, axes] for a grid of height × width codes: 1, 2, ... or the centres of the windows."""
    if kind == "sequence":
        count = (height // window) * (width // window)
        return torch.arange(1, count + 1, device=device, dtype=torch.float32).unsqueeze(1)
    centre = (window - 1) / 2
    rows = torch.arange(0, height, window, device=device, dtype=torch.float32) + centre
    columns = torch.arange(0, width, window, device=device, dtype=torch.float32) + centre
    return torch.cartesian_prod(rows, columns)


def query_coordinates(prompt: Tensor, windows: Tensor, kind: str) -> Tensor:
    """[T + N, axes] from keys' coordinates [T, axes] and [N, axes]: axial queries stand on their target.

    The last prompt token predicts window 0, window n predicts window n + 1; the last one predicts no window
    and stays where it is.
    """
    if kind == "sequence" or not len(windows):
        return torch.cat((prompt, windows))
    return torch.cat((prompt[:-1], windows, windows[-1:]))


def angles(coordinates: Tensor, head_dim: int, theta: float) -> Tensor:
    """Of coordinates [L, axes], one per channel pair [L, head_dim / 2]: each axis turns an equal share of the pairs."""
    pairs = head_dim // 2 // coordinates.shape[-1]
    exponents = torch.arange(pairs, device=coordinates.device, dtype=torch.float32) / pairs
    return (coordinates.unsqueeze(-1) * theta**-exponents).flatten(-2)


def rotation(coordinates: Tensor, head_dim: int, theta: float) -> Rotation:
    """Cos and sin as [L, head_dim] float32, in Llama's layout (pair i is channels i and i + half)."""
    turned = angles(coordinates, head_dim, theta).repeat(1, 2)
    return turned.cos(), turned.sin()


def rotate(x: Tensor, turn: Rotation) -> Tensor:
    """Rotate [..., L, head_dim] in x's own dtype."""
    cos, sin = turn[0].to(x.dtype), turn[1].to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin
