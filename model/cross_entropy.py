"""Cross-entropy and z-loss of a linear head whose logits never exist at once.

At 2048 px an image has 16,384 codes; their fp32 logits over 16k codes are 1 GiB, and their gradient again.
Here the rows go through the head in chunks, and because the gradient of the logits is known as soon as they
are (softmax minus one-hot), each chunk leaves only the gradients of its hidden rows and of the head behind.
No second pass over the head is needed, so this is also faster than checkpointing.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK_BYTES = 8 << 20  # fp32 logits alive at a time: small enough for a processor's cache
GPU_CHUNK_BYTES = 512 << 20  # large enough to keep a GPU busy
HeadLoss = tuple[Tensor, Tensor, Tensor]


def head_loss(
    hidden: Tensor, head: Tensor, targets: Tensor, z_weight: float = 0.0, shares: Tensor | None = None
) -> HeadLoss:
    """Means over rows: cross-entropy + z_weight · log²Z (differentiable), cross-entropy alone, log²Z alone.

    Args:
        hidden: [rows, D]; without rows all three are 0.
        head: [classes, D], the rows of the output head that compete.
        targets: int64 [rows].
        z_weight: weight of the squared log-partition (PaLM, Chameleon: 1e-5).
        shares: float32 [rows], how much each row counts in the sums; None: 1 / rows each, the plain mean.
    """
    if shares is None:
        shares = torch.full((len(hidden),), 1 / max(len(hidden), 1), device=hidden.device)
    if torch.is_autocast_enabled(hidden.device.type):
        dtype = torch.get_autocast_dtype(hidden.device.type)
        hidden, head = hidden.to(dtype), head.to(dtype)
    return _HeadLoss.apply(hidden, head, targets, z_weight, shares)


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx, hidden: Tensor, head: Tensor, targets: Tensor, z_weight: float, shares: Tensor) -> HeadLoss:
        grad_hidden = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        grad_head = torch.zeros_like(head, dtype=torch.float32) if ctx.needs_input_grad[1] else None
        entropy = torch.zeros((), dtype=torch.float32, device=hidden.device)
        squares = torch.zeros_like(entropy)
        chunk = CHUNK_BYTES if hidden.device.type == "cpu" else GPU_CHUNK_BYTES
        rows, step = len(hidden), max(1, chunk // (4 * len(head)))
        with torch.autocast(hidden.device.type, enabled=False):
            for start in range(0, rows, step):
                part = slice(start, start + step)
                logits = F.linear(hidden[part], head).float()
                log_z = logits.logsumexp(-1)
                entropy += shares[part] @ (log_z - logits.gather(1, targets[part, None]).squeeze(1))
                squares += shares[part] @ log_z.square()
                if grad_hidden is not None or grad_head is not None:
                    slope = _logit_gradient(logits, log_z, targets[part], z_weight).mul_(shares[part, None])
                    _add_gradients(slope.to(hidden.dtype), hidden[part], head, part, grad_hidden, grad_head)
        ctx.save_for_backward(grad_hidden, None if grad_head is None else grad_head.to(head.dtype))
        ctx.mark_non_differentiable(entropy, squares)
        return entropy + z_weight * squares, entropy, squares

    @staticmethod
    def backward(ctx, upstream: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        return *(None if g is None else g * upstream.to(g.dtype) for g in ctx.saved_tensors), None, None, None


def _logit_gradient(logits: Tensor, log_z: Tensor, targets: Tensor, z_weight: float) -> Tensor:
    """d(cross-entropy + z_weight · log²Z)/d logits per row, overwriting `logits`."""
    slope = logits.sub_(log_z[:, None]).exp_().mul_(1 + 2 * z_weight * log_z[:, None])
    return slope.scatter_add_(1, targets[:, None], -torch.ones_like(log_z)[:, None])


def _add_gradients(
    slope: Tensor, hidden: Tensor, head: Tensor, part: slice, grad_hidden: Tensor | None, grad_head: Tensor | None
) -> None:
    """Carry the chunk's logit gradient [rows, classes] on to its hidden rows and to the head."""
    if grad_hidden is not None:
        torch.mm(slope, head, out=grad_hidden[part])
    if grad_head is not None:
        grad_head += slope.t() @ hidden
