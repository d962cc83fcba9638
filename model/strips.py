"""Networks over maps that are too large for one pass: strip by strip, with the numbers of one pass.

A convolution's output depends on rows within its reach, so a strip with that margin gives what the whole map would.
A group norm depends on the whole map, but only through a mean and a deviation, which all strips together tell before
any of them is normed. So nothing is approximated, and there is no seam.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

Layer = Callable[[Tensor], Tensor]


def cut(x: Tensor, places: int, reach: int, scale: int = 1) -> Iterator[tuple[slice, Tensor, slice]]:
    """Strips of about `places` places, each with the rows of the result that it gives, and where these lie in its own.

    x: [..., H, W]; the result has `scale` times as many rows. No row of it may depend on a row of x farther than
    `reach` away. A strip is a copy that still holds what it needs of the rows above, so it may be written into x.
    """
    height, width = x.shape[-2:]
    rows = max(1, places // width)
    above = x[..., :0, :]
    for top in range(0, height, rows):
        bottom, margin = min(top + rows, height), above.shape[-2]
        here = x[..., top : bottom + reach, :]
        strip = torch.cat((above, here), dim=-2) if margin else here.clone()  # an empty part would undo channels-last
        known = margin + bottom - top
        above = strip[..., max(0, known - reach) : known, :]
        yield slice(scale * top, scale * bottom), strip, slice(scale * margin, scale * known)


def strips(run: Layer, x: Tensor, places: int, reach: int, scale: int = 1) -> Iterator[tuple[slice, Tensor]]:
    """`run(x)` in strips as :func:`cut` makes them, each with the rows that it belongs to."""
    for rows, strip, inside in cut(x, places, reach, scale):
        yield rows, run(strip)[..., inside, :]


def fill(out: Tensor, pieces: Iterator[tuple[slice, Tensor]]) -> Tensor:
    """Write strips into `out`, which may be the map that they are computed from."""
    for rows, piece in pieces:
        out[..., rows, :] = piece
    return out


def frozen_norm(norm: nn.GroupNorm, pieces: Iterator[tuple[slice, Tensor]]) -> Layer:
    """`norm` with the mean and deviation of all strips [B, C, rows, W] together."""
    parts, sizes = [], []
    for _, piece in pieces:
        groups = piece.unflatten(1, (norm.num_groups, -1)).flatten(2).float()
        parts.append(torch.stack(torch.var_mean(groups, dim=-1, correction=0)))
        sizes.append(groups.shape[-1])
    variances, means = torch.stack(parts, dim=1)  # [strips, B, groups] each
    shares = (torch.tensor(sizes, device=means.device) / sum(sizes))[:, None, None]
    mean = (shares * means).sum(0)
    variance = (shares * (variances + (means - mean).square())).sum(0)
    inverse, mean = (
        x.repeat_interleave(norm.num_channels // norm.num_groups, dim=1)
        for x in (torch.rsqrt(variance + norm.eps), mean)
    )
    scale = inverse * norm.weight
    shift = norm.bias - mean * scale
    scale, shift = (x.to(norm.weight.dtype)[..., None, None] for x in (scale, shift))
    return lambda x: torch.addcmul(shift, x, scale)
