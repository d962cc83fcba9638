"""The VQGAN networks of LlamaGen (arXiv 2406.06525), f16 with 16,384 codes: the tokenizer that the paper uses.

Module names follow the public checkpoint's keys, so that its weights load as they are. Attention at
the coarsest size uses the fused kernel: at 2048 px a written-out map would have 16,384² entries.
"""

from collections.abc import Generator
from itertools import zip_longest

import torch.nn.functional as F
from torch import Tensor, nn

from model.strips import Layer, fill, frozen_norm, strips

RES_BLOCKS = 2
STRIP_PIXELS = 2**17  # 64 rows of a 2048 px picture


def group_norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(32, channels, eps=1e-6)


class ResnetBlock(nn.Module):
    """Two normed convolutions beside a shortcut: [B, C, H, W] → [B, C', H, W]."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.norm1, self.conv1 = group_norm(in_channels), nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.norm2, self.conv2 = group_norm(out_channels), nn.Conv2d(out_channels, out_channels, 3, padding=1)
        if in_channels != out_channels:
            self.nin_shortcut = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.normed_by(x, self.norm1, self.norm2)

    def normed_by(self, x: Tensor, norm1: Layer, norm2: Layer) -> Tensor:
        h = self.conv2(F.silu(norm2(self.first_half(x, norm1))))
        return h + (self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x)

    def first_half(self, x: Tensor, norm1: Layer) -> Tensor:
        return self.conv1(F.silu(norm1(x)))

    def in_strips(self, x: Tensor) -> Tensor:
        """`forward` in little memory: x becomes the result where it has room for it."""
        norm1 = frozen_norm(self.norm1, strips(lambda part: part, x, STRIP_PIXELS, reach=0))
        norm2 = frozen_norm(self.norm2, strips(lambda part: self.first_half(part, norm1), x, STRIP_PIXELS, reach=1))
        out = x.new_empty(len(x), self.conv2.out_channels, *x.shape[2:]) if hasattr(self, "nin_shortcut") else x
        return fill(out, strips(lambda part: self.normed_by(part, norm1, norm2), x, STRIP_PIXELS, reach=2))


class AttnBlock(nn.Module):
    """Single-head self-attention over all places of a map."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = group_norm(channels)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(channels, channels, 1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        # the fused kernel wants the channels of a place side by side
        q, k, v = (conv(h).flatten(2).transpose(1, 2).unsqueeze(1).contiguous() for conv in (self.q, self.k, self.v))
        mixed = F.scaled_dot_product_attention(q, k, v).squeeze(1).transpose(1, 2)
        return x + self.proj_out(mixed.reshape(x.shape))


class Downsample(nn.Module):
    """Halve both sides, padding only right and bottom."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Double both sides."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))

    def in_strips(self, x: Tensor) -> Tensor:
        """`forward` in little memory."""
        out = x.new_empty(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
        return fill(out, strips(self, x, STRIP_PIXELS // 4, reach=1, scale=2))


class Level(nn.Module):
    """Residual blocks of one size, each followed by attention if asked for, then a change of size."""

    def __init__(self, in_channels: int, out_channels: int, blocks: int, attention: bool):
        super().__init__()
        self.res = nn.ModuleList(
            ResnetBlock(in_channels if i == 0 else out_channels, out_channels) for i in range(blocks)
        )
        self.attn = nn.ModuleList(AttnBlock(out_channels) for _ in range(blocks if attention else 0))

    def stages(self) -> list[nn.Module]:
        """All parts in the order of their use."""
        blocks = [part for pair in zip_longest(self.res, self.attn) for part in pair if part is not None]
        return blocks + [getattr(self, name) for name in ("downsample", "upsample") if hasattr(self, name)]

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.stages():
            x = stage(x)
        return x


def middle(channels: int) -> nn.ModuleList:
    return nn.ModuleList([ResnetBlock(channels, channels), AttnBlock(channels), ResnetBlock(channels, channels)])


class LlamaGenEncoder(nn.Module):
    """[B, 3, H, W] → [B, z_channels, H/16, W/16] for five multipliers."""

    def __init__(self, channels: int, multipliers: tuple[int, ...], z_channels: int):
        super().__init__()
        widths = [channels * m for m in multipliers]
        self.conv_in = nn.Conv2d(3, channels, 3, padding=1)
        self.conv_blocks = nn.ModuleList()
        for index, (before, width) in enumerate(zip([channels, *widths], widths)):
            last = index == len(widths) - 1
            level = Level(before, width, RES_BLOCKS, attention=last)
            if not last:
                level.downsample = Downsample(width)
            self.conv_blocks.append(level)
        self.mid = middle(widths[-1])
        self.norm_out, self.conv_out = group_norm(widths[-1]), nn.Conv2d(widths[-1], z_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for module in (*self.conv_blocks, *self.mid):
            x = module(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class LlamaGenDecoder(nn.Module):
    """[B, z_channels, H/16, W/16] → [B, 3, H, W]; norms and attention see the whole picture."""

    def __init__(self, channels: int, multipliers: tuple[int, ...], z_channels: int):
        super().__init__()
        widths = [channels * m for m in reversed(multipliers)]
        self.conv_in = nn.Conv2d(z_channels, widths[0], 3, padding=1)
        self.mid = middle(widths[0])
        self.conv_blocks = nn.ModuleList()
        for index, (before, width) in enumerate(zip([widths[0], *widths], widths)):
            level = Level(before, width, RES_BLOCKS + 1, attention=index == 0)
            if index < len(widths) - 1:
                level.upsample = Upsample(width)
            self.conv_blocks.append(level)
        self.norm_out, self.conv_out = group_norm(widths[-1]), nn.Conv2d(widths[-1], 3, 3, padding=1)

    def in_one_pass(self, z: Tensor) -> Generator[None, None, Tensor]:
        """The pixels, with a pause after every block and level."""
        x = self.conv_in(z)
        for module in (*self.mid, *self.conv_blocks):
            x = module(x)
            yield
        return self.conv_out(F.silu(self.norm_out(x)))

    def in_strips(self, z: Tensor) -> Generator[None, None, Tensor]:
        """The same up to the rounding of its sums, never holding more than 1¼ maps of the picture's size.

        What has attention is small, 1/16 of the picture's sides, and takes one pass.
        Norms need all of a map before any of it, so the first half of every block is computed twice.
        """
        x = self.conv_in(z)
        for module in (*self.mid, self.conv_blocks[0]):
            x = module(x)
            yield
        for stage in (stage for level in self.conv_blocks[1:] for stage in level.stages()):
            x = stage.in_strips(x)
            yield
        norm_out = frozen_norm(self.norm_out, strips(lambda part: part, x, STRIP_PIXELS, reach=0))
        pixels = x.new_empty(len(x), self.conv_out.out_channels, *x.shape[2:])
        return fill(pixels, strips(lambda part: self.conv_out(F.silu(norm_out(part))), x, STRIP_PIXELS, reach=1))


class LlamaGenFromCode(nn.Sequential):
    """The 1 × 1 convolution from the code and the decoder: [B, code_dim, H/16, W/16] → [B, 3, H, W]."""

    one_pass_codes = 32**2  # 512 × 512 px

    def __init__(self, code_dim: int, channels: int, multipliers: tuple[int, ...], z_channels: int):
        super().__init__(nn.Conv2d(code_dim, z_channels, 1), LlamaGenDecoder(channels, multipliers, z_channels))

    def in_one_pass(self, codes: Tensor) -> Generator[None, None, Tensor]:
        return self[1].in_one_pass(self[0](codes))

    def in_strips(self, codes: Tensor) -> Generator[None, None, Tensor]:
        return self[1].in_strips(self[0](codes))


def rename(key: str) -> str | None:
    """A key of the public checkpoint → ours, or None for what only its training needs."""
    if key == "quantize.embedding.weight":
        return "codebook"
    for theirs, ours in (
        ("encoder.", "encoder.0."),
        ("quant_conv.", "encoder.1."),
        ("post_quant_conv.", "decoder.0."),
        ("decoder.", "decoder.1."),
    ):
        if key.startswith(theirs):
            return ours + key.removeprefix(theirs)
    return None
