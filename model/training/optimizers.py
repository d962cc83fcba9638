"""Which weights have which optimiser, and the learning rate over a leg."""

import warnings

import torch
from torch import nn

from model.training.precision import has_bf16

OUTER = ("embed_tokens", "lm_head")  # a row for each id, which Muon's orthogonal updates do not suit


def make_optimizers(model: nn.Module, kind: str, lr: float) -> list[torch.optim.Optimizer]:
    """``adamw`` for everything, or ``muon`` for the matrices inside and AdamW for embeddings, head and norms.

    PyTorch's Muon multiplies in bf16, which takes minutes a step where the hardware must emulate it: AdamW steps in there.
    """
    if kind not in ("adamw", "muon"):
        raise ValueError(f"optimizer is {kind!r}; it must be 'adamw' or 'muon'")
    if kind == "muon" and not has_bf16():
        warnings.warn("no bf16 instructions here, which Muon needs: AdamW trains the matrices too", stacklevel=2)
        kind = "adamw"
    inner, outer = [], []
    for name, parameter in model.named_parameters():
        is_inner = parameter.ndim == 2 and not any(owner in name for owner in OUTER)
        (inner if is_inner else outer).append(parameter)
    if kind == "muon":
        muon = torch.optim.Muon(inner, lr=lr, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")
        return [muon, torch.optim.AdamW(outer, lr=lr, betas=(0.9, 0.95), weight_decay=0.0)]
    groups = [{"params": inner, "weight_decay": 0.01}, {"params": outer, "weight_decay": 0.0}]
    return [torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.95))]


def rate(fraction: float, step: int, warmup_steps: int, decay_share: float) -> float:
    """Warm-up, stable, linear decay: the factor of the peak learning rate."""
    return min(1.0, (step + 1) / warmup_steps) * min(1.0, max(0.01, (1 - fraction) / max(decay_share, 1e-9)))
