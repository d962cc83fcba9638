"""Token-shuffle and token-unshuffle (arXiv 2504.17789, section 3.2): s×s codes become one fused token and back.

Shuffle: every code is compressed d → d/s², the codes of a window are concatenated in raster order, and
residual MLP blocks mix them. Unshuffle mirrors it: blocks, split, expand. Nothing is permuted besides the
space-to-depth move, so window (r, c) covers codes [r·s:(r+1)·s, c·s:(c+1)·s].
"""

import torch.nn.functional as F
from torch import Tensor, nn


def gather_windows(grid: Tensor, window: int) -> Tensor:
    """[B, H, W, ...] -> [B, (H/s)(W/s), s², ...]: windows in raster order, codes in raster order inside."""
    batch, height, width = grid.shape[:3]
    if height % window or width % window:
        raise ValueError(f"a grid of {height}x{width} codes does not divide into windows of {window}x{window}")
    tail = grid.shape[3:]
    split = grid.reshape(batch, height // window, window, width // window, window, *tail)
    return split.transpose(2, 3).reshape(batch, -1, window * window, *tail)


def scatter_windows(windows: Tensor, height: int, width: int) -> Tensor:
    """[B, (H/s)(W/s), s², ...] -> [B, H, W, ...], the inverse of `gather_windows`."""
    batch, tail = windows.shape[0], windows.shape[3:]
    window = round(windows.shape[2] ** 0.5)
    split = windows.reshape(batch, height // window, width // window, window, window, *tail)
    return split.transpose(2, 3).reshape(batch, height, width, *tail)


def linear(inputs: int, outputs: int, std: float | None = None) -> nn.Linear:
    """A bias-free linear layer; `std` overrides the model's default initial deviation."""
    layer = nn.Linear(inputs, outputs, bias=False)
    layer.init_std = std
    return layer


class RMSNorm(nn.RMSNorm):
    """RMS norm in the dtype of its input, so that the fused kernel also runs under autocast."""

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight.to(x.dtype), self.eps)


class ResidualMLP(nn.Module):
    """x + W2 silu(W1 rmsnorm(x)): mixes the codes of one window. [..., D] -> [..., D]."""

    def __init__(self, width: int, eps: float = 1e-6):
        super().__init__()
        self.norm = RMSNorm(width, eps=eps)
        self.up = linear(width, width)
        self.down = linear(width, width, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(F.silu(self.up(self.norm(x))))


class TokenShuffle(nn.Module):
    """[B, H, W, D] -> [B, (H/s)(W/s), D]; `fuse` does the same for windows that are already gathered.

    Args:
        hidden_size: D of the language model.
        window: s, the side of a window; s=1 is the identity and has no parameters.
        num_blocks: residual MLP blocks after the concatenation.
        code_width: channels per code inside the window, D/s² (the paper) when None. Where s²·code_width is
            not D, one more linear map (`merge`) brings the concatenation to D.
    """

    def __init__(self, hidden_size: int, window: int, num_blocks: int = 2, code_width: int | None = None):
        super().__init__()
        self.window = window
        width = _code_width(hidden_size, window, code_width)
        if window == 1:
            return
        self.compress = linear(hidden_size, width, std=hidden_size**-0.5)
        joined = window**2 * width
        self.merge = _bridge(joined, hidden_size)
        self.blocks = nn.Sequential(*(ResidualMLP(hidden_size) for _ in range(num_blocks)))

    def fuse(self, windows: Tensor) -> Tensor:
        """[..., s², D] -> [..., D]."""
        if self.window == 1:
            return windows.squeeze(-2)
        return self.blocks(self.merge(self.compress(windows).flatten(-2)))

    def forward(self, grid: Tensor) -> Tensor:
        return self.fuse(gather_windows(grid, self.window))


class TokenUnshuffle(nn.Module):
    """[B, (H/s)(W/s), D] -> [B, H, W, D], the mirror of `TokenShuffle`; `split` stays with windows."""

    def __init__(self, hidden_size: int, window: int, num_blocks: int = 2, code_width: int | None = None):
        super().__init__()
        self.window = window
        self.code_width = _code_width(hidden_size, window, code_width)
        if window == 1:
            return
        self.blocks = nn.Sequential(*(ResidualMLP(hidden_size) for _ in range(num_blocks)))
        self.spread = _bridge(hidden_size, window**2 * self.code_width)
        self.expand = linear(self.code_width, hidden_size, std=self.code_width**-0.5)

    def split(self, fused: Tensor) -> Tensor:
        """[..., D] -> [..., s², D]."""
        if self.window == 1:
            return fused.unsqueeze(-2)
        codes = self.spread(self.blocks(fused)).unflatten(-1, (self.window**2, self.code_width))
        return self.expand(codes)

    def forward(self, fused: Tensor, height: int, width: int) -> Tensor:
        return scatter_windows(self.split(fused), height, width)


def _code_width(hidden_size: int, window: int, code_width: int | None) -> int:
    if window < 1:
        raise ValueError(f"shuffle window is {window}; it must be at least 1")
    if code_width is None and hidden_size % window**2:
        raise ValueError(f"hidden_size {hidden_size} is no multiple of {window**2} (window {window} squared)")
    return code_width or hidden_size // window**2


def _bridge(inputs: int, outputs: int) -> nn.Module:
    return nn.Identity() if inputs == outputs else linear(inputs, outputs, std=inputs**-0.5)
