"""Prompt -> stream of events -> picture: the interface of the generator."""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from model import costs
from model.checkpoint import (
    check_parts,
    checkpoint_hash,
    load_model,
    load_tokenizer,
    local_folder,
    save_checkpoint,
    usable_defaults,
)
from model.decoder import Decoder, Plan, Run
from model.guidance import guidance_weights
from model.image_tokenizer import ImageTokenizer
from model.noise import code_noise
from model.packing import check_engine, weight_bytes
from model.pixels import from_bytes, to_bytes
from model.prompt import DOWNSAMPLE, PAD, pad_left, prompt_ids
from model.settings import Settings, check_defaults, covers, resolve
from model.transformer import TokenShuffleForImageGeneration

WEIGHTS = Path(__file__).parent / "weights"
NOT_DRAWN = -1


@dataclass
class Result:
    """A finished batch.

    images: one PIL picture per row. tokens: int64 [n, height/16, width/16]. timings: seconds per phase
    (`prompt`, `codes`, `picture`, `total`). settings: all that a replay needs, as plain JSON types. device: its type.
    peak_memory_bytes: allocated on a CUDA device, weights included; None elsewhere.
    """

    images: list[Image.Image]
    tokens: Tensor
    timings: dict[str, float]
    settings: dict[str, Any]
    device: str = "cpu"
    peak_memory_bytes: int | None = None


@dataclass
class Event:
    """One decoding step: `step` of `total_steps` windows are drawn; the last event has the `result`.

    Between the last step and the result come events at `total_steps`, while the codes become a picture.
    """

    step: int
    total_steps: int
    tokens: Tensor  # int64 [n, height/16, width/16], -1 where nothing is drawn yet
    result: Result | None = None
    _palette: Tensor = field(repr=False, default=None)

    def cpu(self) -> "Event":
        """The same with nothing on an accelerator, so that it can go to another process."""
        return replace(self, tokens=self.tokens.cpu(), _palette=self._palette.cpu())

    def preview(self, scale: int = 8) -> list[Image.Image]:
        """Mean colour of every code drawn so far, `scale` px per code, the rest grey; a table lookup."""
        colors = self._palette[self.tokens]  # -1 is the last row: grey
        return [
            Image.fromarray(picture).resize((picture.shape[1] * scale, picture.shape[0] * scale), Image.NEAREST)
            for picture in colors.cpu().numpy()
        ]


class TokenShufflePipeline:
    """Text to picture with one checkpoint and any of its shuffle windows (arXiv 2504.17789, section 3).

    >>> pipe = TokenShufflePipeline.from_pretrained()
    >>> out = pipe("a red apple", width=512, height=512, shuffle_window=2, seed=7)
    >>> out.images[0].save("apple.png")

    What is impossible raises ValueError with the value and what is allowed: parts that do not belong together when
    the pipeline is made, settings when it is called.

    Args:
        model, image_tokenizer, tokenizer: the three parts of a checkpoint folder.
        defaults: tuned settings (`generation_config.json`), used where a call says None.
        engine: "fp32", "bf16", "int8" or "native" (see `model/packing.py`); None: the best that is exact enough.
        threads: CPU threads for decoding; None leaves PyTorch's number. One is best on a shared machine.
        checkpoint: identifies the weights in replay records.
    """

    def __init__(
        self,
        model: TokenShuffleForImageGeneration,
        image_tokenizer: ImageTokenizer,
        tokenizer: PreTrainedTokenizerBase,
        defaults: dict[str, Any] | None = None,
        *,
        engine: str | None = None,
        threads: int | None = None,
        checkpoint: str = "",
    ):
        check_machine(engine, threads, model.device)
        check_parts(model, image_tokenizer, tokenizer)
        check_defaults(defaults or {}, model.config)
        self.model, self.image_tokenizer, self.tokenizer = model.eval(), image_tokenizer.eval(), tokenizer
        self.config, self.device = model.config, model.device
        self.defaults, self.threads, self.checkpoint = defaults or {}, threads, checkpoint
        for tuned in (self.defaults, *self.defaults.get("windows", {}).values()):
            self._check_text("negative_prompt", tuned.get("negative_prompt") or "")
        self.decoder = Decoder(model, engine)
        grey = torch.zeros(1, 3, device=self.device)
        self._palette = to_bytes(torch.cat((image_tokenizer.mean_colors.to(self.device), grey)))

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path | None = None,
        *,
        device: str | torch.device | None = None,
        engine: str | None = None,
        threads: int | None = None,
    ) -> "TokenShufflePipeline":
        """Load a checkpoint; nothing is ever unpickled. Raises ValueError for what is no complete, sound checkpoint.

        Args:
            source: a folder or a hub id ("owner/name"); None: the weights shipped in this repository.
            device: where to draw; None: the GPU where there is one.
            engine, threads: see the class.
        """
        device = usable_device(device)
        check_machine(engine, threads, device)
        if threads is not None:
            torch.set_num_threads(threads)  # loading obeys it too, and who times a first call knows it
        folder = local_folder(WEIGHTS if source is None else source)
        model = load_model(TokenShuffleForImageGeneration, folder).to(device)
        image_tokenizer = load_model(ImageTokenizer, folder / "image_tokenizer").to(device)
        tokenizer = load_tokenizer(folder)
        extra = {"engine": engine, "threads": threads, "checkpoint": checkpoint_hash(folder)}
        return cls(model, image_tokenizer, tokenizer, usable_defaults(folder, model.config), **extra)

    def __call__(self, prompt: str | list[str], **settings: Any) -> Result:
        """Draw pictures and return a `Result`; the same arguments as `stream`."""
        for event in self.stream(prompt, **settings):
            result = event.result
        return result

    def stream(
        self,
        prompt: str | list[str],
        *,
        tokens: Tensor | None = None,
        mask: Tensor | None = None,
        **settings: Any,
    ) -> Iterator[Event]:
        """Yield an `Event` per step and some while the codes become pictures; closing the iterator, at any of them,
        frees everything. Bad values raise here, at once.

        Args:
            prompt: what to draw; a list draws `num_images` of each in one batch.
            width, height: px, multiples of 16 · shuffle_window.
            shuffle_window: s; every step draws s² codes.
            guidance_schedule, guidance_scale, guidance_points, guidance_range, ramp_end: see `guidance_weights`.
            temperature, top_k, top_p: see `model.sampling.probabilities`.
            seed: picks the noise of every code position, the same for every prompt; a list has one for each prompt;
                None: a fresh one, reported in `settings`.
            num_images: pictures per prompt.
            negative_prompt: text of the unconditional branch (none by default).
            tokens, mask: int64 and bool [height/16, width/16] or [n, ...]: keep `tokens`, redraw where mask is True.
        """
        prompts, chosen = self._checked_prompts(prompt), self._resolved(settings)
        check_seeds(chosen, prompts)
        rows = len(prompts) * chosen.num_images
        return self._events(prompts, chosen, self._known(tokens, mask, chosen, rows))

    def validate(self, prompt: str | list[str] = "a", **settings: Any) -> Settings:
        """The settings that a call would use; raises the same ValueErrors and draws nothing."""
        prompts, chosen = self._checked_prompts(prompt), self._resolved(settings)
        check_seeds(chosen, prompts)
        return chosen

    def plan(self, prompt: str | list[str] = "a", **settings: Any) -> dict[str, float]:
        """What a call would cost: steps, codes, FLOPs and bytes, before drawing anything."""
        chosen = self.validate(prompt, **settings)
        height, width, window = chosen.height // DOWNSAMPLE, chosen.width // DOWNSAMPLE, chosen.shuffle_window
        steps, images = (
            costs.fused_tokens(height, width, window),
            len(self._checked_prompts(prompt)) * chosen.num_images,
        )
        branches = 2 if _is_guided(_weights(chosen)) else 1
        number = torch.finfo(self.decoder.cache_dtype).bits // 8
        return {
            "steps": steps,
            "tokens": height * width * images,
            "flops": images * costs.decoding_flops(self.config, height, width, window, branches),
            "kv_bytes": images * branches * costs.kv_bytes(self.config, steps + self.config.max_text_tokens, number),
            "weight_bytes_per_step": weight_bytes(self.decoder.engine, costs.step_parameters(self.config, window)),
        }

    def supported_cells(self) -> list[dict[str, Any]]:
        """What the checkpoint was trained for (`config.trained_cells` less those not claimed); all else runs, but is untrained."""
        return [dict(cell) for cell in self.config.trained_cells if cell.get("claimed", True)]

    def is_trained(self, width: int, height: int, shuffle_window: int) -> bool:
        """Whether a size and window lie in one of the trained cells."""
        return any(covers(cell, width, height, shuffle_window) for cell in self.supported_cells())

    def decode(self, tokens: Tensor) -> list[Image.Image]:
        """Codes int64 [n, h, w] -> PIL pictures, one at a time to bound memory; codes not drawn (-1) become grey."""
        *_, images = self._decoding(tokens)
        return images

    @torch.inference_mode()
    def _decoding(self, tokens: Tensor) -> Iterator[list[Image.Image] | None]:
        """`decode` with moments to stop at: None, a few a second, at last the pictures."""
        grey, tokens = self.image_tokenizer.mean_colors.square().sum(-1).argmin(), tokens.to(self.device)
        complete = torch.where(tokens < 0, grey, tokens)
        images = []
        for one in complete:
            for pixels in self.image_tokenizer.decoding(one[None]):
                yield None
                if pixels is not None:
                    images.append(Image.fromarray(to_bytes(pixels[0].permute(1, 2, 0)).cpu().numpy()))
        yield images

    @torch.inference_mode()
    def encode(self, pictures: list[Image.Image]) -> Tensor:
        """PIL pictures of one size -> codes int64 [n, height/16, width/16], the `tokens=` of an inpainting."""
        pixels = np.stack([np.asarray(picture.convert("RGB")) for picture in pictures])
        return self.image_tokenizer.encode(from_bytes(pixels, self.device))

    def save_pretrained(self, folder: str | Path, dtype: torch.dtype = torch.bfloat16) -> None:
        """Write a checkpoint folder that `from_pretrained` reads, in shards under 10 MB."""
        save_checkpoint(Path(folder), self.model, self.image_tokenizer, self.tokenizer, self.defaults, dtype)

    def _events(self, prompts: list[str], settings: Settings, known: Tensor | None) -> Iterator[Event]:
        started = time.perf_counter()
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        on_cuda = self.device.type == "cuda"
        if on_cuda:
            torch.cuda.reset_peak_memory_stats(self.device)
        run = self.decoder.start(self._request(prompts, settings, known))
        if on_cuda:
            torch.cuda.synchronize(self.device)  # else the codes would be charged for the prompt
        prompted = time.perf_counter()
        numerics = self._numerics(prompts, run)
        while run.step < run.steps - 1:
            run.advance()
            yield Event(run.step, run.steps, run.tokens, _palette=self._palette)
        run.advance()
        tokens, total = run.tokens.cpu(), run.steps
        del run  # caches go before the picture's memory comes
        coded = time.perf_counter()
        for images in self._decoding(tokens):
            if images is None:
                yield Event(total, total, tokens, _palette=self._palette)
        ended = time.perf_counter()
        timings = {
            "prompt": prompted - started,
            "codes": coded - prompted,
            "picture": ended - coded,
            "total": ended - started,
        }
        peak = torch.cuda.max_memory_allocated(self.device) if on_cuda else None
        record = {**self._record(prompts, settings), "numerics": numerics, **_kept_record(known)}
        result = Result(images, tokens, timings, record, self.device.type, peak)
        yield Event(total, total, tokens, result, _palette=self._palette)

    def _request(self, prompts: list[str], settings: Settings, known: Tensor | None) -> Plan:
        """Settings -> tensors on the device; conditional rows first, each prompt's images side by side."""
        height, width = settings.height // DOWNSAMPLE, settings.width // DOWNSAMPLE
        weights = _weights(settings)
        texts = [text for text in prompts for _ in range(settings.num_images)]
        if _is_guided(weights):
            texts += [settings.negative_prompt] * len(texts)
        shape = settings.width, settings.height, settings.shuffle_window
        ids, mask = pad_left([prompt_ids(self.tokenizer, text, *shape) for text in texts], self._pad_id)
        seeds = settings.seed if isinstance(settings.seed, tuple) else [settings.seed] * len(prompts)
        keys = [(seed, image) for seed in seeds for image in range(settings.num_images)]
        return Plan(
            ids.to(self.device),
            mask.to(self.device),
            height,
            width,
            settings.shuffle_window,
            weights.to(self.device),
            code_noise(keys, height, width, self.device),
            known,
            float(settings.temperature),
            settings.top_k,
            settings.top_p,
        )

    def _numerics(self, prompts: list[str], run: Run) -> str:
        """What the exact codes depend on besides a picture's own settings: see `Decoder.numerics`; the rows of the batch,
        how long the other prompts make each of them, and how many known windows were read in one pass."""
        padded = f"x{run.prompt_length}" if len(prompts) > 1 else ""
        ahead = f"-k{run.step}" if run.step else ""
        return f"{self.decoder.numerics}-b{run.rows}{padded}{ahead}"

    def _record(self, prompts: list[str], settings: Settings) -> dict[str, Any]:
        return {
            "prompt": prompts[0] if len(prompts) == 1 else prompts,
            **settings.replay(),
            "guidance_weights": [round(w, 6) for w in _weights(settings).tolist()],
            "checkpoint": self.checkpoint,
            "trained": self.is_trained(settings.width, settings.height, settings.shuffle_window),
        }

    def _resolved(self, settings: dict[str, Any]) -> Settings:
        chosen = resolve(settings, self.defaults, self.config)
        self._check_text("negative_prompt", chosen.negative_prompt)
        return chosen

    def _checked_prompts(self, prompt: str | list[str]) -> list[str]:
        prompts = list(prompt) if isinstance(prompt, (list, tuple)) else [prompt]
        if not prompts:
            raise ValueError("prompt is []; it must hold at least one prompt")
        for text in prompts:
            if not isinstance(text, str) or not text.strip():
                raise ValueError(f"prompt is {text!r}; it must be a text that is not empty")
            self._check_text("prompt", text)
        return prompts

    def _check_text(self, name: str, text: str) -> None:
        try:
            length = len(self.tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids)
        except TypeError:  # what the tokenizers library says of lone surrogates
            raise ValueError(f"{name} is {text!r}; it must be text that can be written as UTF-8") from None
        if length > self.config.max_text_tokens:
            raise ValueError(f"{name} has {length} tokens; at most {self.config.max_text_tokens} are allowed")

    def _known(self, tokens: Tensor | None, mask: Tensor | None, settings: Settings, rows: int) -> Tensor | None:
        """Codes to keep, int64 [rows, H, W] with -1 where to draw; None when nothing is kept."""
        if tokens is None and mask is None:
            return None
        if tokens is None or mask is None:
            raise ValueError("tokens and mask belong together; one of them is None")
        shape = settings.height // DOWNSAMPLE, settings.width // DOWNSAMPLE
        tokens, mask = (_rows_of(name, x, rows, shape) for name, x in (("tokens", tokens), ("mask", mask)))
        mask, given = mask.to(self.device, torch.bool), tokens.to(self.device)
        tokens = given.to(torch.int64)
        if not torch.equal(tokens[~mask].to(given.dtype), given[~mask]):
            raise ValueError(
                f"tokens to keep hold fractions; codes are whole numbers 0 to {self.config.image_vocab_size - 1}"
            )
        kept = tokens[~mask]
        if len(kept) and not 0 <= int(kept.min()) <= int(kept.max()) < self.config.image_vocab_size:
            raise ValueError(
                f"tokens to keep range from {int(kept.min())} to {int(kept.max())}; "
                f"codes are 0 to {self.config.image_vocab_size - 1}"
            )
        return torch.where(mask, NOT_DRAWN, tokens)

    @property
    def _pad_id(self) -> int:
        return self.tokenizer.convert_tokens_to_ids(PAD)


def _weights(settings: Settings) -> Tensor:
    """Guidance weight of every step, float32 [steps]."""
    return guidance_weights(
        settings.guidance_schedule,
        settings.guidance_scale,
        costs.fused_tokens(settings.height // DOWNSAMPLE, settings.width // DOWNSAMPLE, settings.shuffle_window),
        points=settings.guidance_points,
        interval=settings.guidance_range,
        ramp_end=settings.ramp_end,
    )


def _is_guided(weights: Tensor) -> bool:
    """Whether any step needs the unconditional branch."""
    return bool((weights != 1).any())


def _rows_of(name: str, x: Any, rows: int, shape: tuple[int, int]) -> Tensor:
    try:
        x = torch.as_tensor(x)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name} is a {type(x).__name__} that is no array: {error}") from error
    if x.layout != torch.strided or x.is_meta:
        raise ValueError(f"{name} is a {x.layout} tensor on {x.device}; it must be a dense one with data")
    if x.shape not in (shape, (1, *shape), (rows, *shape)):
        raise ValueError(f"{name} has shape {tuple(x.shape)}; it must be {shape} or {(rows, *shape)}")
    return x.expand(rows, *shape)


def _kept_record(known: Tensor | None) -> dict[str, Any]:
    """What an inpainting kept, so that no replay takes its settings for those of a plain picture."""
    if known is None or not bool((known >= 0).any()):
        return {}
    kept = known.cpu()
    return {"kept": {"codes": int((kept >= 0).sum()), "sha256": hashlib.sha256(kept.numpy().tobytes()).hexdigest()}}


def usable_device(name: str | torch.device | None) -> torch.device:
    """The named device, the GPU where there is one for None; ValueError where nothing can be put on it."""
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(f"device is {name!r}; it must be one that PyTorch can use here: {error}") from error
    return device


def check_seeds(settings: Settings, prompts: list[str]) -> None:
    """ValueError where a list of seeds does not have one for each prompt."""
    if isinstance(settings.seed, tuple) and len(settings.seed) != len(prompts):
        raise ValueError(
            f"seed holds {len(settings.seed)} numbers; it must be one number, or one for each of {len(prompts)} prompts"
        )


def check_machine(engine: str | None, threads: int | None, device: torch.device) -> None:
    if engine is not None:
        check_engine(engine, device)
    if threads is not None and (not isinstance(threads, int) or threads < 1):
        raise ValueError(f"threads is {threads!r}; it must be a whole number from 1")
