"""Weights prepared for decoding, where a matrix meets two rows rather than thousands.

| engine | CPU                                                         | CUDA                      |
|--------|-------------------------------------------------------------|---------------------------|
| fp32   | operands swapped (W xᵀ) for few rows, 4x faster than linear | linear                    |
| bf16   | oneDNN, weights reordered once                              | linear                    |
| int8   | weights rounded per output channel, bf16 activations        | the same                  |
| native | the same weights, int16 activations, native.c compiled here | not there                 |

Beyond a few rows int8 loses to floating point on a CPU, so these engines then multiply the same rounded weights in
it. What rounding costs the shipped weights stands in docs/performance.md.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from model import native

ENGINES = ("fp32", "bf16", "int8", "native")
FEW_ROWS = 4
NATIVE_ROWS = 16
INT8_INPUTS = 32  # the int8 kernel reads past the end of rows that are no multiple of this
Packed = Callable[[Tensor], Tensor]  # [rows, inputs] in the engine's activation type -> [rows, outputs]


def usable_engines(device: torch.device) -> tuple[str, ...]:
    """Those of ENGINES that run here: "native" wants a CPU and a C compiler that takes native.c."""
    return ENGINES if device.type == "cpu" and native.compiles() else ENGINES[:-1]


def lasting_engine(device: torch.device) -> str:
    """The fastest for a process that lives long enough to be worth compiling."""
    return "native" if "native" in usable_engines(device) else default_engine(device)


def default_engine(device: torch.device) -> str:
    """The fastest that is exact enough and compiles nothing: int8 on a CPU, where a step waits for weights, else bf16."""
    return "int8" if device.type == "cpu" else "bf16"


def check_engine(engine: str, device: torch.device) -> None:
    """ValueError where an engine does not exist or does not run on the device; compiles what it needs."""
    activation_dtype(engine)
    if engine == "native":
        if device.type != "cpu":
            raise ValueError(f"engine is 'native', which is for a CPU; the device is {device.type}")
        native.library()


def activation_dtype(engine: str) -> torch.dtype:
    if engine not in ENGINES:
        raise ValueError(f"engine is {engine!r}; it must be one of {', '.join(ENGINES)}")
    return torch.float32 if engine in ("fp32", "native") else torch.bfloat16


def pack(weight: Tensor, engine: str) -> Packed:
    """A function x -> x Wᵀ for weight [outputs, inputs], which must already be on its device."""
    weight = weight.detach()
    if weight.shape[1] % INT8_INPUTS == 0:
        if engine == "int8":
            return _pack_int8(weight)
        if engine == "native":
            return NativeProduct(weight)
    return _pack_float(weight.to(activation_dtype(engine)).contiguous())


def weight_bytes(engine: str, parameters: int) -> int:
    """Bytes that `parameters` weights take in memory traffic."""
    return parameters * {"fp32": 4, "bf16": 2, "int8": 1, "native": 1}[engine]


def arithmetic(device: torch.device, engine: str) -> str:
    """What the order of sums depends on besides the engine: the instructions of a CPU, the kind of another device."""
    if engine == "native":
        return f"{torch.backends.cpu.get_cpu_capability().lower()}_{native.library().digest}"
    if device.type == "cpu":
        return torch.backends.cpu.get_cpu_capability().lower() + ("_bf16" if _has_onednn_bf16() else "")
    return torch.cuda.get_device_name(device).replace(" ", "_") if device.type == "cuda" else device.type


class NativeProduct:
    """x -> x Wᵀ by `product` of native.c, for few rows, and for many in floating point; weight [outputs, inputs]."""

    def __init__(self, weight: Tensor):
        self.rounded, scale = _round(weight)
        self.many = _pack_float(self.rounded * scale)
        self.scale, self.product = scale.squeeze(1), native.library().product
        self.outputs, self.inputs = weight.shape

    def __call__(self, x: Tensor) -> Tensor:
        if len(x) > NATIVE_ROWS:
            return self.many(x)
        x, y = x.contiguous(), x.new_empty(len(x), self.outputs)
        matrix = self.rounded.data_ptr(), self.scale.data_ptr()
        self.product(len(x), x.data_ptr(), *matrix, y.data_ptr(), self.inputs, self.outputs)
        return y


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
    rounded, scale = _round(weight)
    many = _pack_many(rounded * scale)
    scale = scale.squeeze(1).to(torch.bfloat16)
    return lambda x: torch._weight_int8pack_mm(x.contiguous(), rounded, scale) if len(x) <= FEW_ROWS else many(x)


def _round(weight: Tensor) -> tuple[Tensor, Tensor]:
    """[outputs, inputs] -> int8 of the same shape, and what to multiply its rows by, float32 [outputs, 1]."""
    scale = weight.float().abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / 127
    return (weight / scale).round().to(torch.int8).contiguous(), scale
