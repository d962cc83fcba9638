"""What the hardware multiplies well."""

import torch

PRECISIONS = ("auto", "bf16", "no")


def mixed_precision(kind: str = "auto") -> str:
    """Accelerate's ``mixed_precision`` for a recipe's ``precision``; ``auto`` is bf16 where the hardware has it, else ``no``.

    CPUs without bf16 instructions emulate it, far slower than float32. ValueError for others: in fp16 the gradients of
    the head's logits, which are formed before the loss is scaled up, vanish.
    """
    if kind not in PRECISIONS:
        raise ValueError(f"precision is {kind!r}; it must be one of {PRECISIONS}")
    return kind if kind != "auto" else "bf16" if has_bf16() else "no"


def has_bf16() -> bool:
    """Whether the GPU, or the CPU where there is none, has instructions for bf16."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
