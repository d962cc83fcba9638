"""Logits -> codes: temperature, top-k, top-p, and a draw by inverse CDF from one uniform number per code.

Everything stays on the device and nothing waits for it. The running sum goes in the order of the codes, not
of their probabilities, so the draw itself needs no sorting.
"""

import torch
from torch import Tensor

BELOW_ONE = 1 - 3 * 2**-24  # times any float32, this rounds to less than it


def probabilities(
    logits: Tensor, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> Tensor:
    """[..., V] -> float32 weights [..., V], zero for filtered codes (not normalised again).

    Args:
        temperature: divides the logits; 0 keeps the best code only.
        top_k: keep the k best codes (and those tied with the k-th); 0 or None: all of them.
        top_p: then keep the smallest set of best codes that holds this share of the remaining probability; 1 or
            None: all of them.
    """
    logits = logits.float()
    if temperature == 0:
        return (logits == logits.amax(-1, keepdim=True)).float()
    p = torch.softmax(logits if temperature == 1 else logits / temperature, dim=-1)
    if top_k and top_k < p.shape[-1]:
        p = _at_least(p, p.topk(top_k, dim=-1).values[..., -1:])
    if top_p is not None and top_p < 1:
        p = _at_least(p, _nucleus_edge(p, top_p))
    return p


def draw(weights: Tensor, uniform: Tensor) -> Tensor:
    """Inverse CDF: weights [..., V] (any positive sum) and uniform [...] in [0, 1) -> ids [...]."""
    running = weights.cumsum(-1)
    # Any closer to 1, rounding could lift u · total onto the total itself, past every code that has a weight.
    goal = uniform.clamp(max=BELOW_ONE).unsqueeze(-1) * running[..., -1:]
    return torch.searchsorted(running, goal, right=True).squeeze(-1)


def sample(logits: Tensor, uniform: Tensor, temperature: float, top_k: int | None, top_p: float | None) -> Tensor:
    """logits [..., V] and uniform [...] -> ids int64 [...]."""
    return draw(probabilities(logits, temperature, top_k, top_p), uniform)


def _at_least(p: Tensor, edge: Tensor) -> Tensor:
    return p * (p >= edge)


def _nucleus_edge(p: Tensor, share: float) -> Tensor:
    """Smallest probability inside the nucleus, [..., 1]."""
    best = p.sort(dim=-1, descending=True).values
    running = best.cumsum(-1)
    inside = (running - best) < share * running[..., -1:]  # what stands before a code is still short of the share
    return best.gather(-1, inside.sum(-1, keepdim=True) - 1)
