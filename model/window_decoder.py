"""One window's way in and out while decoding: codes -> fused token, and hidden state -> s² drawn codes.

Two things are precomputed per checkpoint. What depends on a code alone is a table over the codebook. And maps
that follow each other without anything in between are one matrix: unshuffle's expansion, the correction of
the window head and the image head are all linear, so the head scores code_width channels of all places at once,
and window_head_width channels at each, instead of the hidden size. Guidance mixes just before that, which equals the paper's mix of logits, once for
both branches.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.packed_layers import Cache, PackedMLPs, complex_rotation, packed_block, qkv_matrix
from model.packing import Packed, activation_dtype, pack
from model.transformer import TokenShuffleForImageGeneration
from model.window_head import HEAD_DIM, WindowHead, window_coordinates_inside

# (place, logits [n, codes]) -> codes [n], or all places at once: temperature, noise and known codes are the
# caller's business
Choose = Callable[[int | slice, Tensor], Tensor]


class WindowDecoder:
    """Shuffle, unshuffle, window head and image head for one window size, packed."""

    def __init__(self, model: TokenShuffleForImageGeneration, window: int, engine: str):
        self.window, self.dtype = window, activation_dtype(engine)
        self.inside = None
        self.codes = _code_embeddings(model)
        image_head = model.image_head.detach().float()
        if window == 1:
            self.head = pack(image_head, engine)
            return
        shuffle, unshuffle = model.shuffles[str(window)], model.unshuffles[str(window)]
        self.mix_in, self.mix_out = PackedMLPs(shuffle.blocks, engine), PackedMLPs(unshuffle.blocks, engine)
        self.merge, self.spread = _pack_bridge(shuffle.merge, engine), _pack_bridge(unshuffle.spread, engine)
        expand = unshuffle.expand.weight.detach().float()
        if model.window_head is not None:
            self.inside = InsideDecoder(model.window_head, self.codes, expand, window, engine)
            self.correction = pack(image_head @ self.inside.to_hidden, engine)
        self.head = pack(image_head @ expand, engine)
        self.codes = F.linear(self.codes, shuffle.compress.weight.float())

    def fuse(self, codes: Tensor) -> Tensor:
        """int64 [n, s²] -> fused tokens float32 [n, D]."""
        joined = F.embedding(codes, self.codes).flatten(1)
        if self.window == 1:
            return joined
        return self.mix_in(self.merge(joined.to(self.dtype)).float())

    def draw(self, hidden: Tensor, images: int, weight: Tensor, choose: Choose) -> Tensor:
        """Hidden states [R, D] (R = images, or twice that when guided) -> codes [images, s²]."""
        if self.window == 1:
            return choose(0, self._score(self.head, guide(hidden, images, weight))).unsqueeze(1)
        spread = self.spread(self.mix_out(hidden).to(self.dtype)).float()
        states = spread.view(len(hidden), self.window**2, -1)
        guided = guide(states, images, weight)
        logits = self._score(self.head, guided.flatten(0, 1)).unflatten(0, guided.shape[:2])
        if self.inside is None:
            return choose(slice(None), logits)
        return self._draw_in_turn(states, logits, weight, choose)

    def _score(self, head: Packed, states: Tensor) -> Tensor:
        """[rows, channels] -> logits float32 [rows, image codes]."""
        return head(states.to(self.dtype)).float()

    def _draw_in_turn(self, states: Tensor, logits: Tensor, weight: Tensor, choose: Choose) -> Tensor:
        """Draw place after place, `logits` [n, s², codes] corrected by what was drawn before."""
        rows, cache = self.inside.start(states)
        drawn: list[Tensor] = []
        for place in range(self.window**2):
            inner = self.inside.step(rows[place], drawn[-1] if drawn else None, cache, place)
            correction = self._score(self.correction, guide(inner, len(logits), weight))
            drawn.append(choose(place, correction.add_(logits[:, place])))
        return torch.stack(drawn, dim=1)


class InsideDecoder:
    """The causal window head with a cache of its own: s² tiny steps per window, in as few kernels as possible.

    What enters its block is a sum, what the state of a place says plus what the code before says, and queries,
    keys and values are linear in that sum up to its norm. So both summands bring their projections along, rows
    [input | q | k | v]: the codes' from a table, the states' from one product for the whole window.
    """

    def __init__(self, head: WindowHead, codes: Tensor, expand: Tensor, window: int, engine: str):
        self.dtype, self.places, self.width = activation_dtype(engine), window**2, head.norm.weight.numel()
        self.block = packed_block(head.block, engine, head.norm.eps)
        self.unit, qkv = self.block.unit, qkv_matrix(head.block, self.block.unit).float()
        inputs = F.linear(head.code_norm(codes), head.from_code.weight.float())
        self.codes = torch.cat((inputs, F.linear(inputs, qkv)), dim=1)
        from_state = head.from_hidden.weight.float() @ expand
        self.from_state = pack(torch.cat((from_state, qkv @ from_state)), engine)
        self.to_hidden = head.to_hidden.weight.float() * self.unit.input_scale(head.norm.weight)
        queries, keys = window_coordinates_inside(self.places, codes.device)
        rotations = (complex_rotation(at, HEAD_DIM, head.rope_theta) for at in (queries, keys))
        self.rotations = self.block.rotations(*rotations).unbind(0)

    def start(self, states: Tensor) -> tuple[Tensor, Cache]:
        """States [R, s², code_width] -> rows of all places [s², R, 4 w] and an empty cache."""
        inputs = self.from_state(states.transpose(0, 1).flatten(0, 1).to(self.dtype)).float()
        shape = (len(states), 2 * self.block.kv_heads, self.places, HEAD_DIM)
        return inputs.unflatten(0, (self.places, -1)), Cache(inputs.new_empty(shape))

    def step(self, rows: Tensor, previous: Tensor | None, cache: Cache, place: int) -> Tensor:
        """Rows [R, 4 w] and the codes drawn one place before [n] -> normed state [R, w]."""
        if previous is not None:
            branches = rows.view(-1, len(previous), 4 * self.width)
            rows = (branches + F.embedding(previous, self.codes)).view(rows.shape)
        return self.unit(self.block.step_projected(rows, self.rotations[place], cache, place))


def guide(states: Tensor, images: int, weight: Tensor) -> Tensor:
    """[cond..., uncond...] -> u + w (c - u), [images, ...]; unchanged when there are no unconditional rows."""
    if len(states) == images:
        return states
    return torch.lerp(states[images:], states[:images], weight)


def _code_embeddings(model: TokenShuffleForImageGeneration) -> Tensor:
    """float32 [image codes, D]."""
    return model.model.embed_tokens.weight[model.config.text_vocab_size :].detach().float()


def _pack_bridge(bridge: nn.Module, engine: str) -> Packed:
    return pack(bridge.weight, engine) if isinstance(bridge, nn.Linear) else (lambda x: x)
