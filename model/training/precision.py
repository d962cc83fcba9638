"""What the hardware multiplies well."""

import torch


def mixed_precision(kind: str = "auto") -> str:
    """Accelerate's ``mixed_precision`` for a recipe's ``precision``; ``auto`` is bf16 where the hardware has it, else ``no``.

    CPUs without bf16 instructions emulate it, far slower than float32.
    """
    if kind != "auto":
        return kind
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "no"
    return "bf16" if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported() else "no"
