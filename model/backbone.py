"""The Llama blocks: attention, SwiGLU, pre-norm block. Parameter names are Llama's."""

import torch.nn.functional as F
from torch import Tensor, nn

from model.positions import Rotation, rotate
from model.shuffle import RMSNorm, linear

QK_NORM_EPS = 1e-6


class Attention(nn.Module):
    """Causal self-attention with grouped keys; queries and keys may carry different coordinates."""

    def __init__(self, hidden_size: int, heads: int, kv_heads: int, head_dim: int, qk_norm: bool, residual_std: float):
        super().__init__()
        self.head_dim, self.qk_norm, self.grouped = head_dim, qk_norm, heads != kv_heads
        self.q_proj = linear(hidden_size, heads * head_dim)
        self.k_proj = linear(hidden_size, kv_heads * head_dim)
        self.v_proj = linear(hidden_size, kv_heads * head_dim)
        self.o_proj = linear(heads * head_dim, hidden_size, std=residual_std)

    def forward(self, x: Tensor, queries: Rotation, keys: Rotation, mask: Tensor | None) -> Tensor:
        """x [B, L, D]; mask is bool [B, 1, L, L] (True = may look), or None for plain causal attention."""
        q, k, v = (self._heads(project(x)) for project in (self.q_proj, self.k_proj, self.v_proj))
        if self.qk_norm:
            q, k = (F.rms_norm(x, (self.head_dim,), eps=QK_NORM_EPS) for x in (q, k))
        q, k = rotate(q, queries), rotate(k, keys)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None, enable_gqa=self.grouped)
        return self.o_proj(mixed.transpose(1, 2).flatten(2))

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)


class MLP(nn.Module):
    """SwiGLU: [..., D] -> [..., D]."""

    def __init__(self, hidden_size: int, intermediate_size: int, residual_std: float):
        super().__init__()
        self.gate_proj = linear(hidden_size, intermediate_size)
        self.up_proj = linear(hidden_size, intermediate_size)
        self.down_proj = linear(intermediate_size, hidden_size, std=residual_std)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Block(nn.Module):
    """One pre-norm Llama block. [B, L, D] -> [B, L, D]."""

    def __init__(
        self,
        hidden_size: int,
        intermediate_size: int,
        heads: int,
        kv_heads: int,
        head_dim: int,
        qk_norm: bool,
        eps: float,
        residual_std: float,
    ):
        super().__init__()
        self.input_layernorm = RMSNorm(hidden_size, eps=eps)
        self.self_attn = Attention(hidden_size, heads, kv_heads, head_dim, qk_norm, residual_std)
        self.post_attention_layernorm = RMSNorm(hidden_size, eps=eps)
        self.mlp = MLP(hidden_size, intermediate_size, residual_std)

    def forward(self, x: Tensor, queries: Rotation, keys: Rotation, mask: Tensor | None = None) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), queries, keys, mask)
        return x + self.mlp(self.post_attention_layernorm(x))
