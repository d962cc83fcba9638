"""Fast cached decoding: the one loop behind pictures, previews, batches, benchmark and evaluation.

A step fuses the window drawn last, runs the blocks on one token per row, takes the state apart into s² codes,
guides, scores image codes only and draws. Rows are [conditional..., unconditional...] in one batch. Compared
with `TokenShuffleForImageGeneration.forward` nothing is approximated; what differs is bookkeeping:

- matrices are packed for few rows (packing.py), norms and rotations folded into them (packed_layers.py);
- maps that follow each other directly are one matrix, what depends on a code alone is a table, and guidance
  mixes what enters the head, which is linear, instead of logits (window_decoder.py);
- keys and values are written in place into caches of exactly the length of this image;
- windows that are known ahead (inpainting) are read with the prompt, not step by step.

All per-step inputs (rotations, noise, guidance weights, the step's own number) lie on the device and nothing is
read back, so that on a GPU a whole step is one CUDA graph (step_graphs.py).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from model.packed_layers import Cache, complex_rotation, packed_block
from model.packing import activation_dtype, arithmetic, check_engine, default_engine
from model.positions import prompt_coordinates, query_coordinates, window_coordinates
from model.sampling import sample
from model.shuffle import gather_windows, scatter_windows
from model.step_graphs import StepGraphs
from model.transformer import TokenShuffleForImageGeneration, causal_mask
from model.window_decoder import Choose, WindowDecoder

PREFILL = 1024  # tokens read at once, which bounds memory when most of a large picture is known


@dataclass
class Plan:
    """What one image batch of n images asks for; every tensor lies on the decoder's device.

    prompt [R, T] and prompt_mask [R, T]: R = 2n rows (conditional, then unconditional), or n unguided.
    weights: guidance weight of every step [steps]. noise: [n, H, W] in [0, 1).
    known: codes to keep [n, H, W], -1 where a code is to be drawn; None: draw everything.
    """

    prompt: Tensor
    prompt_mask: Tensor
    height: int
    width: int
    window: int
    weights: Tensor
    noise: Tensor
    known: Tensor | None = None
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None


class Decoder:
    """Packed weights of one model, made once and shared by all runs; see `Run`."""

    def __init__(self, model: TokenShuffleForImageGeneration, engine: str | None = None):
        config = self.config = model.config
        self.device = model.device
        self.engine = engine or default_engine(self.device)
        check_engine(self.engine, self.device)
        self.dtype = activation_dtype(self.engine)
        # on a CPU fp32 products of one query are faster than bf16 ones, on a GPU the bytes count
        self.cache_dtype = torch.float32 if self.device.type == "cpu" else self.dtype
        self.graphed = self.device.type == "cuda"
        with torch.no_grad():
            self.embedding = model.model.embed_tokens.weight.detach()
            self.blocks = [packed_block(block, self.engine, config.rms_norm_eps) for block in model.model.layers]
            self.norm = model.model.norm.weight.detach().float()
            self.windows = {s: WindowDecoder(model, s, self.engine) for s in config.shuffle_windows}

    def start(self, plan: Plan) -> "Run":
        """Run the prompts and stand before the first window that is not fully known."""
        return Run(self, plan)

    @property
    def numerics(self) -> str:
        """What a result's exact tokens depend on besides noise and weights (the batch shape is added per run)."""
        threads, version = torch.get_num_threads(), torch.__version__.split("+")[0]
        return f"{self.device.type}-{self.engine}-{arithmetic(self.device, self.engine)}-t{threads}-torch{version}"


class Run:
    """One batch of images on its way: caches, tables and the codes drawn so far, all freed with it."""

    @torch.inference_mode()
    def __init__(self, decoder: Decoder, plan: Plan):
        self.decoder, self.plan = decoder, plan
        self.layers = decoder.windows[plan.window]
        self.steps = (plan.height // plan.window) * (plan.width // plan.window)
        self.images = len(plan.noise)
        self.rows, self.prompt_length = plan.prompt.shape
        guided = (plan.weights != 1).nonzero()
        self.unguided_from = int(guided.max()) + 1 if len(guided) else 0
        device = decoder.device
        self.noise = gather_windows(plan.noise, plan.window)
        self.known = None if plan.known is None else gather_windows(plan.known, plan.window)
        unknown = torch.full((self.images, self.steps, plan.window**2), -1, device=device)
        self.codes = unknown if self.known is None else self.known.clone()
        self.rotations = self._rotations(device)
        self.graphs = StepGraphs() if decoder.graphed else None
        self.caches = self._new_caches(device)
        self.mask = self._mask()
        self.step = self._known_ahead()
        self.device_step = torch.tensor([self.step], device=device)  # `step` where the kernels can see it
        self.hidden = self._prefill()

    @property
    def tokens(self) -> Tensor:
        """Codes so far, int64 [n, H, W]: known and drawn ones, -1 elsewhere. A copy."""
        return scatter_windows(self.codes, self.plan.height, self.plan.width).clone()

    @torch.inference_mode()
    def advance(self) -> None:
        """Draw the next window of every image and, unless it was the last one, look at it."""
        if self.rows > self.images and self.unguided_from <= self.step:
            self._drop_unconditional_rows()
        if self.step + 1 == self.steps:
            self.draw(self._sampler())
        elif self.graphs is None:
            self.draw_and_look(self.prompt_length + self.step + 1)
        else:
            self.graphs.replay(self)
        self.step += 1

    def draw_and_look(self, span: int) -> None:
        """A whole step, with `look`'s `span`; it changes tensors in place and nothing else."""
        self.draw(self._sampler())
        self.look(span)

    def draw(self, choose: Choose) -> None:
        """Hidden states -> codes of the present window, written to `codes`."""
        weight = self.plan.weights.index_select(0, self.device_step)
        codes = self.layers.draw(self.hidden, self.images, weight, choose)
        self.codes.index_copy_(1, self.device_step, codes.unsqueeze(1))

    def look(self, span: int) -> None:
        """Feed the present window to the backbone, which attends to positions 0..span - 1, and go on to the next one:
        `hidden` predicts it then."""
        fused = self.layers.fuse(self.codes.index_select(1, self.device_step).squeeze(1))
        x = fused.repeat(self.rows // self.images, 1)
        position = self.device_step + self.prompt_length
        rotations = self.decoder.blocks[0].rotations(*self.rotations.index_select(0, position).unbind(1)).squeeze(0)
        mask = self._mask_at(position, span)
        for block, cache in zip(self.decoder.blocks, self.caches):
            x = block.step(x, rotations, cache, position, span, mask)
        self.hidden.copy_(self._normed(x))
        self.device_step.add_(1)

    def _sampler(self) -> Choose:
        """Samples codes of the present window with its noise; codes to keep stay."""
        plan, uniform = self.plan, self.noise.index_select(1, self.device_step).squeeze(1)
        kept = None if self.known is None else self.known.index_select(1, self.device_step).squeeze(1)

        def choose(place: int | slice, logits: Tensor) -> Tensor:
            drawn = sample(logits, uniform[:, place], plan.temperature, plan.top_k, plan.top_p)
            return drawn if kept is None else torch.where(kept[:, place] < 0, drawn, kept[:, place])

        return choose

    def _known_ahead(self) -> int:
        """Number of leading windows that every image keeps whole; the last window is left to draw in any case."""
        if self.known is None:
            return 0
        drawn = (self.known < 0).any(-1).any(0)
        first = int(drawn.int().argmax()) if bool(drawn.any()) else self.steps
        return min(first, self.steps - 1)

    def _prefill(self) -> Tensor:
        """Prompts and windows known ahead through the backbone -> hidden states [R, D] that predict the next one."""
        x = F.embedding(self.plan.prompt, self.decoder.embedding).float()
        if self.step:
            known = self.known[:, : self.step]
            fused = self.layers.fuse(known.flatten(0, 1)).unflatten(0, (self.images, -1))
            x = torch.cat((x, fused.repeat(self.rows // self.images, 1, 1)), dim=1)
        for start in range(0, x.shape[1], PREFILL):
            hidden = self._read(x[:, start : start + PREFILL], start)
        return self._normed(hidden)

    def _read(self, x: Tensor, start: int) -> Tensor:
        """Tokens [R, L, D] at positions start..start + L - 1 -> state of the last one [R, D]; fills the caches."""
        end = start + x.shape[1]
        rotations = self.decoder.blocks[0].rotations(*self.rotations[start:end].unbind(1))
        mask = causal_mask(self.plan.prompt_mask, end, start)
        for block, cache in zip(self.decoder.blocks, self.caches):
            x = block.prompt(x, rotations, cache, start, mask)
        return x[:, -1]

    def _normed(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, x.shape[-1:], self.decoder.norm, self.decoder.config.rms_norm_eps)

    def _rotations(self, device: torch.device) -> Tensor:
        """Rotations of queries and keys for prompt and windows, complex64 [T + steps, 2, head_dim / 2]."""
        config, plan = self.decoder.config, self.plan
        prompt = prompt_coordinates(self.prompt_length, config.positions, device)
        windows = window_coordinates(plan.height, plan.width, plan.window, config.positions, device)
        queries, keys = query_coordinates(prompt, windows, config.positions), torch.cat((prompt, windows))
        rotations = (complex_rotation(at, config.head_dim, config.rope_theta) for at in (queries, keys))
        return torch.stack(tuple(rotations), dim=1)

    def _new_caches(self, device: torch.device) -> list[Cache]:
        config = self.decoder.config
        length = self.prompt_length + self.steps - 1  # the last window is never looked at
        shape = (self.rows, 2 * config.num_key_value_heads, length, config.head_dim)
        new = torch.empty if self.graphs is None else torch.zeros  # a graph also reads positions that are masked
        return [Cache(new(shape, dtype=self.decoder.cache_dtype, device=device)) for _ in self.decoder.blocks]

    def _mask_at(self, position: Tensor, span: int) -> Tensor | None:
        """What to add to the scores of positions 0..span - 1; a graph's `span` reaches past the step's own position."""
        if self.graphs is None:
            return None if self.mask is None else self.mask[..., :span]
        to_come = torch.arange(span, device=position.device) > position
        padding = self.hidden.new_zeros(1, 1, 1, 1) if self.mask is None else self.mask[..., :span]
        return torch.where(to_come, float("-inf"), padding.to(self.decoder.cache_dtype))

    def _mask(self) -> Tensor | None:
        """What to add to attention scores, [R, 1, 1, length]: -inf on padding; None without padding."""
        if bool(self.plan.prompt_mask.all()):
            return None
        hidden = F.pad(self.plan.prompt_mask == 0, (0, self.steps - 1), value=False)
        scores = torch.zeros(hidden.shape, dtype=self.decoder.cache_dtype, device=hidden.device)
        return scores.masked_fill_(hidden, float("-inf"))[:, None, None]

    def _drop_unconditional_rows(self) -> None:
        self.rows, self.hidden = self.images, self.hidden[: self.images]
        self.caches = [cache.rows(self.images) for cache in self.caches]
        self.mask = None if self.mask is None else self.mask[: self.images]
