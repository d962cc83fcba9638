"""Weights prepared for decoding, where a matrix meets two rows rather than thousands.

| engine | CPU                                                         | CUDA                      |
|--------|-------------------------------------------------------------|---------------------------|
| fp32   | operands swapped (W xᵀ) for few rows, 4x faster than linear | linear                    |
| bf16   | oneDNN, weights reordered once                              | linear                    |
| int8   | weights rounded per output channel, bf16 activations        | the same                  |

Beyond a few rows int8 loses to bf16 on a CPU, so that engine then multiplies the same rounded weights in floating
point. What rounding costs the shipped weights stands in docs/performance.md.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

ENGINES = ("fp32", "bf16", "int8")
FEW_ROWS = 4
INT8_INPUTS = 32  # the int8 kernel reads past the end of rows that are no multiple of this
Packed = Callable[[Tensor], Tensor]  # [rows, inputs] in the engine's activation type -> [rows, outputs]


def default_engine(device: torch.device) -> str:
    """The fastest that is exact enough: int8 on a CPU, where a step waits for weights, bf16 elsewhere."""
    return "int8" if device.type == "cpu" else "bf16"


def activation_dtype(engine: str) -> torch.dtype:
    if engine not in ENGINES:
        raise ValueError(f"engine is {engine!r}; it must be one of {', '.join(ENGINES)}")
    return torch.float32 if engine == "fp32" else torch.bfloat16


def pack(weight: Tensor, engine: str) -> Packed:
    """A function x -> x Wᵀ for weight [outputs, inputs], which must already be on its device."""
    weight = weight.detach()
    if engine == "int8" and weight.shape[1] % INT8_INPUTS == 0:
        return _pack_int8(weight)
    return _pack_float(weight.to(activation_dtype(engine)).contiguous())


def weight_bytes(engine: str, parameters: int) -> int:
    """Bytes that `parameters` weights take in memory traffic."""
    return parameters * {"fp32": 4, "bf16": 2, "int8": 1}[engine]


def arithmetic(device: torch.device) -> str:
    """What the order of sums depends on besides the engine: the instructions of a CPU, the kind of another device."""
    if device.type == "cpu":
        return torch.backends.cpu.get_cpu_capability().lower() + ("_bf16" if _has_onednn_bf16() else "")
    return torch.cuda.get_device_name(device).replace(" ", "_") if device.type == "cuda" else device.type


def _has_onednn_bf16() -> bool:
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def _pack_float(weight: Tensor) -> Packed:
    if weight.device.type != "cpu":
        return lambda x: F.linear(x, weight)
    if weight.dtype == torch.bfloat16 and _has_onednn_bf16():
        return _pack_onednn(weight)
    return lambda x: torch.mm(weight, x.t()).t().contiguous() if len(x) <= FEW_ROWS else F.linear(x, weight)


def _pack_onednn(weight: Tensor) -> Packed:
    packed = torch.ops.mkldnn._reorder_linear_weight(weight, FEW_ROWS)
    apply = torch.ops.mkldnn._linear_pointwise
    return lambda x: apply(x, packed, None, "none", [], "")


def _pack_many(weight: Tensor) -> Packed:
    """For bf16 activations; in fp32 where bf16 products would be emulated."""
    if weight.device.type != "cpu" or _has_onednn_bf16():
        return _pack_float(weight.to(torch.bfloat16))
    single = _pack_float(weight.float())
    return lambda x: single(x.float()).to(torch.bfloat16)


def _pack_int8(weight: Tensor) -> Packed:
    scale = weight.float().abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / 127
    rounded = (weight / scale).round().to(torch.int8).contiguous()
    many = _pack_many(rounded * scale)
    scale = scale.squeeze(1).to(torch.bfloat16)
    return lambda x: torch._weight_int8pack_mm(x.contiguous(), rounded, scale) if len(x) <= FEW_ROWS else many(x)
