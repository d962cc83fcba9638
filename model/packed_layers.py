"""The layers of the model in the form that decoding wants: packed matrices and caches written in place.

Three identities save kernels without approximating anything. A norm's weight belongs to the matrix after it.
A rotation is a complex product once the channels of a rotary pair are neighbours, and takes the attention
scale along. And x / rms(x) = √d · x / hypot(|x|, √(d · eps)), whose √d again goes into the matrix: PyTorch's
own RMS norm takes six small kernels on a CPU, this three.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.backbone import QK_NORM_EPS, Block
from model.native import Block as NativeParts
from model.native import library
from model.packing import NATIVE_ROWS, NativeProduct, activation_dtype, pack
from model.positions import angles


class UnitRows:
    """x [..., D] -> x / rms(x) / √D, rows of length one; what RMS norm multiplies by besides is `input_scale`."""

    def __init__(self, width: int, eps: float, device: torch.device):
        self.width = width
        self.floor = torch.tensor((width * eps) ** 0.5, device=device)

    def __call__(self, x: Tensor) -> Tensor:
        return x / self.length(x, self.floor)

    def length(self, x: Tensor, floor: Tensor) -> Tensor:
        """What to divide x [..., D] by, [..., 1]; for c · x instead of x the floor is c times as high."""
        return torch.hypot(torch.linalg.vector_norm(x, dim=-1, keepdim=True), floor)

    def input_scale(self, norm_weight: Tensor) -> Tensor:
        """[D], to be multiplied into the inputs of the matrix that follows: the norm's weight, and √D."""
        return norm_weight.detach().float() * self.width**0.5


def complex_rotation(coordinates: Tensor, head_dim: int, theta: float) -> Tensor:
    """`positions.rotation` as complex64 [L, head_dim / 2]."""
    turned = angles(coordinates, head_dim, theta)
    return torch.polar(torch.ones_like(turned), turned)


@dataclass
class Cache:
    """Keys and, behind them, values of one block in one tensor, [rows, 2 · kv heads, length, head_dim]."""

    both: Tensor

    def write(self, position: Tensor, both: Tensor) -> None:
        self.both.index_copy_(2, position, both.to(self.both.dtype))

    def until(self, end: int) -> tuple[Tensor, Tensor]:
        """Keys and values of positions 0..end - 1, [rows, kv heads, end, head_dim] each."""
        return self.both.narrow(2, 0, end).chunk(2, dim=1)

    def rows(self, count: int) -> "Cache":
        return Cache(self.both[:count])


class PackedBlock:
    """A Llama block with packed weights; runs one token per row, or a whole prompt."""

    def __init__(self, block: Block, engine: str, eps: float):
        attention, mlp = block.self_attn, block.mlp
        self.head_dim, self.qk_norm, self.dtype = attention.head_dim, attention.qk_norm, activation_dtype(engine)
        self.heads = attention.q_proj.out_features // self.head_dim
        self.kv_heads = attention.k_proj.out_features // self.head_dim
        self.middle, device = mlp.down_proj.in_features, mlp.down_proj.weight.device
        self.unit = UnitRows(attention.q_proj.in_features, eps, device)
        self.unit_heads = UnitRows(self.head_dim, QK_NORM_EPS, device)
        between = self.unit.input_scale(block.post_attention_layernorm.weight)
        self.qkv = pack(qkv_matrix(block, self.unit), engine)
        self.out = pack(attention.o_proj.weight, engine)
        self.gate_up = pack(torch.cat((mlp.gate_proj.weight, mlp.up_proj.weight)) * between, engine)
        self.down = pack(mlp.down_proj.weight, engine)

    def rotations(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Rotations complex [L, head_dim / 2] each -> [L, heads + kv heads, head_dim / 2], scale included."""
        # 1/√d of attention; where the norm left out √d for queries and for keys, times d
        scale = self.head_dim**0.5 if self.qk_norm else self.head_dim**-0.5
        queries, keys = (scale * queries).unsqueeze(1), keys.unsqueeze(1)
        return torch.cat((queries.expand(-1, self.heads, -1), keys.expand(-1, self.kv_heads, -1)), dim=1)

    def step(
        self, x: Tensor, rotations: Tensor, cache: Cache, position: Tensor, span: int, mask: Tensor | None
    ) -> Tensor:
        """One token per row: x [R, D], rotations [heads + kv heads, head_dim / 2].

        position: the token's, int64 [1]. span: positions 0..span - 1 are attended to.
        mask: added to scores [R, 1, 1, span].
        """
        q, both = self._project(x, rotations)
        cache.write(position, both.unsqueeze(2))
        return self.look(x, q, cache, span, mask)

    def step_projected(self, joined: Tensor, rotations: Tensor, cache: Cache, position: int) -> Tensor:
        """The same for rows [x | q | k | v] whose q, k and v come from x as it was before the norm -> [R, D]; with qk_norm."""
        x, heads = joined[:, : self.unit.width], joined[:, self.unit.width :].view(len(joined), -1, self.head_dim)
        qk, v = heads.split((self.heads + self.kv_heads, self.kv_heads), dim=1)
        length = self.unit.length(x, self.unit.floor).unsqueeze(2)
        norm = self.unit_heads  # of what `length` still has to divide
        rotated = rotate_pairs(qk / norm.length(qk, norm.floor * length), rotations)
        q, k = rotated.split((self.heads, self.kv_heads), dim=1)
        keys, values = cache.both.select(2, position).chunk(2, dim=1)
        keys.copy_(k)
        torch.div(v, length, out=values)
        return self.look(x, q, cache, position + 1)

    def look(self, x: Tensor, q: Tensor, cache: Cache, span: int, mask: Tensor | None = None) -> Tensor:
        """All of a step that follows the cache: rotated queries [R, heads, head_dim] -> [R, D]."""
        keys, values = cache.until(span)
        # query heads of a group lie side by side: to attention they are queries of one head
        q = q.to(keys.dtype).reshape(len(x), self.kv_heads, -1, self.head_dim)
        mixed = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask, scale=1.0)
        return self._finish(x, mixed.reshape(len(x), -1))

    def prompt(self, x: Tensor, rotations: Tensor, cache: Cache, start: int, mask: Tensor | None) -> Tensor:
        """Many tokens per row, at positions start..start + L - 1: x [R, L, D].

        rotations: [L, heads + kv heads, head_dim / 2].
        mask: bool [1 or R, 1, L, start + L], True = may look; None: plain causal, from the very start only.
        """
        rows, length, _ = x.shape
        parts = self._project(x.flatten(0, 1), rotations.repeat(rows, 1, 1))
        q, both = (part.unflatten(0, (rows, length)).transpose(1, 2) for part in parts)
        cache.both[:, :, start : start + length] = both
        keys, values = cache.until(start + length)
        mixed = F.scaled_dot_product_attention(
            q.to(keys.dtype),
            keys,
            values,
            attn_mask=mask,
            is_causal=mask is None,
            scale=1.0,
            enable_gqa=self.heads != self.kv_heads,
        )
        return self._finish(x.flatten(0, 1), mixed.transpose(1, 2).flatten(2).flatten(0, 1)).view_as(x)

    def _project(self, x: Tensor, rotations: Tensor) -> tuple[Tensor, Tensor]:
        """[rows, D] -> rotated q [rows, heads, head_dim], and what the cache holds [rows, 2 kv heads, head_dim], float32."""
        projected = self.qkv(self.unit(x).to(self.dtype)).float().view(len(x), -1, self.head_dim)
        rotated = projected.narrow(1, 0, self.heads + self.kv_heads)
        if self.qk_norm:
            rotated.div_(self.unit_heads.length(rotated, self.unit_heads.floor))
        rotated.view(torch.complex64).mul_(rotations)
        return projected.split((self.heads, 2 * self.kv_heads), dim=1)

    def _finish(self, x: Tensor, mixed: Tensor) -> Tensor:
        """Output projection and SwiGLU with their residuals; x stays float32."""
        x = x + self.out(mixed.to(self.dtype))
        gate, up = self.gate_up(self.unit(x).to(self.dtype)).split(self.middle, dim=1)
        return x.add_(self.down(F.silu(gate).mul_(up)))


class NativeBlock(PackedBlock):
    """The same with a step that is one call of native.c, for few rows and matrices that it can multiply."""

    def __init__(self, block: Block, engine: str, eps: float):
        super().__init__(block, engine, eps)
        packed = {name: getattr(self, name) for name in ("qkv", "out", "gate_up", "down")}
        self.most_rows = NATIVE_ROWS if all(isinstance(p, NativeProduct) for p in packed.values()) else 0
        if not self.most_rows:
            return
        self.library, head_floor = library(), float(self.unit_heads.floor) if self.qk_norm else -1.0
        sizes = self.unit.width, self.heads, self.kv_heads, self.head_dim, self.middle
        matrices = (product.rounded.data_ptr() for product in packed.values())
        scales = (product.scale.data_ptr() for product in packed.values())
        self.parts = NativeParts(*sizes, float(self.unit.floor), head_floor, *matrices, *scales)

    def step(
        self, x: Tensor, rotations: Tensor, cache: Cache, position: Tensor, span: int, mask: Tensor | None
    ) -> Tensor:
        if len(x) > self.most_rows:
            return super().step(x, rotations, cache, position, span, mask)
        x, rotations, y = x.contiguous(), rotations.contiguous(), x.new_empty(x.shape)
        written = cache.both.data_ptr(), cache.both.shape[2], position.data_ptr(), span
        self.library.step(
            self.parts, len(x), x.data_ptr(), rotations.data_ptr(), *written, *_mask_pointer(mask), y.data_ptr()
        )
        return y

    def step_projected(self, joined: Tensor, rotations: Tensor, cache: Cache, position: int) -> Tensor:
        if len(joined) > self.most_rows:
            return super().step_projected(joined, rotations, cache, position)
        joined, y = joined.contiguous(), joined.new_empty(len(joined), self.unit.width)
        written = cache.both.data_ptr(), cache.both.shape[2], position
        self.library.step_projected(
            self.parts, len(joined), joined.data_ptr(), rotations.data_ptr(), *written, y.data_ptr()
        )
        return y


def packed_block(block: Block, engine: str, eps: float) -> PackedBlock:
    return (NativeBlock if engine == "native" else PackedBlock)(block, engine, eps)


class PackedMLPs:
    """The residual MLP blocks of a shuffle or unshuffle: [rows, D] -> [rows, D]."""

    def __init__(self, blocks: nn.Sequential, engine: str):
        self.dtype = activation_dtype(engine)
        self.layers = []
        for block in blocks:
            unit = UnitRows(block.up.in_features, block.norm.eps, block.up.weight.device)
            up = pack(block.up.weight * unit.input_scale(block.norm.weight), engine)
            self.layers.append((unit, up, pack(block.down.weight, engine)))

    def __call__(self, x: Tensor) -> Tensor:
        for unit, up, down in self.layers:
            x = x + down(F.silu(up(unit(x).to(self.dtype))))
        return x


def qkv_matrix(block: Block, unit: UnitRows) -> Tensor:
    """Queries, keys and values of `unit(x)` as one matrix [(heads + 2 kv heads) · head_dim, D]."""
    attention = block.self_attn
    q, k = (_pairs_together(p.weight, attention.head_dim) for p in (attention.q_proj, attention.k_proj))
    return torch.cat((q, k, attention.v_proj.weight)) * unit.input_scale(block.input_layernorm.weight)


def rotate_pairs(x: Tensor, rotations: Tensor) -> Tensor:
    """Rotate neighbouring channels of [..., head_dim] by complex [..., head_dim / 2]."""
    return (x.view(torch.complex64) * rotations).view(torch.float32)


def _mask_pointer(mask: Tensor | None) -> tuple[int | None, int]:
    """What native.c takes of a mask [R, 1, 1, span]: where it starts, and from one row to the next."""
    return (None, 0) if mask is None else (mask.data_ptr(), mask.stride(0))


def _pairs_together(weight: Tensor, head_dim: int) -> Tensor:
    """Reorder the outputs [heads · head_dim, D] so that channels i and i + half of a head become neighbours.

    Queries and keys are reordered alike, which leaves their products as they were.
    """
    return weight.unflatten(0, (-1, 2, head_dim // 2)).transpose(1, 2).flatten(0, 2)
