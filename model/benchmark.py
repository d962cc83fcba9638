"""How fast decoding is: this decoder, a transformers loop of the same sizes, and what memory allows.

All three run in one process with the same weights and thread count, taking turns, and the best of several
rounds counts, because other programs only ever add time. For the same reason one CPU thread is timed in
processor seconds, which on an idle machine are the seconds of a clock. Compared like for like: one token per row through
the blocks with a growing cache, two rows (guidance), head and drawing left out on both sides.
"""

import resource
from collections.abc import Callable
from typing import Any

import torch
from transformers import DynamicCache, LlamaConfig, LlamaModel

from model import costs
from model.checkpoint import REQUIRED
from model.clock import clock, clock_name
from model.config import PRESETS, preset
from model.decoder import Decoder, Plan, Run
from model.image_tokenizer import ImageTokenizer, ImageTokenizerConfig
from model.noise import code_noise
from model.packing import default_engine, usable_engines, weight_bytes
from model.pipeline import WEIGHTS, TokenShufflePipeline, usable_device
from model.transformer import TokenShuffleForImageGeneration

PROMPT, SIDE = 24, 32  # tokens of the prompt; codes of a 512 px side
ROUNDS, STEPS = 5, 24  # rounds that take turns; steps timed per round
STREAMED_BYTES = 256 << 20


class TransformersLoop:
    """The usual loop: LlamaModel, growing cache, one token per row and call, with the backbone's weights."""

    def __init__(self, model: TokenShuffleForImageGeneration):
        config = model.config
        llama = LlamaConfig(
            vocab_size=8,
            hidden_size=config.hidden_size,
            intermediate_size=config.intermediate_size,
            num_hidden_layers=config.num_hidden_layers,
            num_attention_heads=config.num_attention_heads,
            num_key_value_heads=config.num_key_value_heads,
            head_dim=config.head_dim,
            rms_norm_eps=config.rms_norm_eps,
        )
        with model.device:
            self.model = LlamaModel(llama).eval()
        self.model.layers.load_state_dict(model.model.layers.state_dict())
        self.x = torch.randn(2, 1, config.hidden_size, device=model.device)
        self.cache = DynamicCache(config=llama)
        self(self.x.expand(-1, PROMPT, -1))

    @torch.inference_mode()
    def __call__(self, x: torch.Tensor | None = None) -> None:
        # By place: the cache is called `past_key_values` in older versions of transformers and `cache` in newer ones.
        self.model(None, None, None, self.cache, self.x if x is None else x, use_cache=True)


class OurLoop:
    """The backbone part of `Run.advance`, at the same positions."""

    def __init__(self, model: TokenShuffleForImageGeneration, engine: str):
        self.run = Decoder(model, engine).start(random_plan(model, window=1))
        self.run.codes = torch.zeros_like(self.run.codes)

    @torch.inference_mode()
    def __call__(self) -> None:
        self.run.step += 1
        self.run.look(self.run.prompt_length + self.run.step)


def measure(
    weights: str | None, device: str | None, engine: str | None, threads: int | None, large: bool = False
) -> dict[str, Any]:
    """All numbers of `python -m model benchmark`; times in seconds unless the name says otherwise."""
    if threads is not None:
        torch.set_num_threads(threads)
    model, image_tokenizer, name = _parts(weights, usable_device(device))
    engine = engine or default_engine(model.device)
    numbers = {
        "weights": name,
        "device": str(model.device),
        "threads": torch.get_num_threads(),
        "engine": engine,
        "clock": clock_name(),
        "torch": torch.__version__,
        "backbone_parameters": costs.backbone_parameters(model.config),
    }
    numbers["step"] = compare_steps(model)
    numbers["rounding"] = rounding(model)
    ids = torch.zeros(1, SIDE, SIDE, dtype=torch.int64, device=model.device)
    numbers["picture_512_seconds"] = best_seconds(lambda: image_tokenizer.decode(ids), model.device)
    numbers["windows"] = time_windows(model, engine)
    if large:
        numbers["large"] = time_large(model, image_tokenizer, engine)
    numbers["peak_resident_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return numbers


def compare_steps(model: TokenShuffleForImageGeneration) -> dict[str, dict[str, float]]:
    """Milliseconds per backbone step for the transformers loop and each engine, and each dtype's floor."""
    engines = usable_engines(model.device)
    loops: dict[str, Callable[[], None]] = {"transformers": TransformersLoop(model)}
    loops |= {engine: OurLoop(model, engine) for engine in engines}
    times, bandwidth = dict.fromkeys(loops, float("inf")), 0.0
    for _ in range(ROUNDS):
        bandwidth = max(bandwidth, memory_bandwidth(model.device))
        for name, loop in loops.items():
            times[name] = min(
                times[name], _seconds(lambda loop=loop: [loop() for _ in range(STEPS)], model.device) / STEPS
            )
    size = costs.backbone_parameters(model.config)
    floors = {name: weight_bytes(name, size) / bandwidth for name in engines}
    return {
        "milliseconds": {name: 1000 * seconds for name, seconds in times.items()},
        "floor_milliseconds": {name: 1000 * seconds for name, seconds in floors.items()},
        "times_faster_than_transformers": {name: times["transformers"] / times[name] for name in engines},
        "times_the_floor": {name: times[name] / floors[name] for name in engines},
        "bandwidth_gb_per_second": bandwidth / 1e9,
    }


def time_windows(model: TokenShuffleForImageGeneration, engine: str) -> dict[str, dict[str, float]]:
    """Seconds of a whole 512 px decode loop per window, for one picture and for two."""
    decoder, rows = Decoder(model, engine), {}
    for window in model.config.shuffle_windows:
        one, two = (_whole_loop(decoder, random_plan(model, window, images)) for images in (1, 2))
        rows[str(window)] = {"steps": (SIDE // window) ** 2, "one_picture": one, "two_pictures": two}
    return rows


def time_large(model: TokenShuffleForImageGeneration, image_tokenizer: ImageTokenizer, engine: str) -> dict[str, float]:
    """2048 px at the largest window, codes and picture."""
    window = max(s for s in model.config.shuffle_windows if s <= 4)
    plan = random_plan(model, window, side=128)
    codes = _whole_loop(Decoder(model, engine), plan, rounds=1)
    ids = torch.zeros(1, 128, 128, dtype=torch.int64, device=model.device)
    return {
        "window": window,
        "codes_seconds": codes,
        "picture_seconds": best_seconds(lambda: image_tokenizer.decode(ids), model.device, rounds=1),
    }


def rounding(model: TokenShuffleForImageGeneration) -> dict[str, dict[str, float]]:
    """What an engine's rounding does to guided logits of codes that fp32 drew, 256 px at the largest window.

    spread: error over the logits' own standard deviation; nats: Kullback-Leibler divergence per code from fp32.
    """
    plan = random_plan(model, max(model.config.shuffle_windows), side=SIDE // 2)
    run = finished(Decoder(model, "fp32"), plan)
    exact = forced_logits(Decoder(model, "fp32"), plan, run.codes)
    errors = {}
    for engine in usable_engines(model.device)[1:]:
        rounded = forced_logits(Decoder(model, engine), plan, run.codes)
        p, q = exact.log_softmax(-1), rounded.log_softmax(-1)
        nats = (p.exp() * (p - q)).sum(-1).mean()
        errors[engine] = {"spread": float((rounded - exact).std() / exact.std()), "nats": float(nats)}
    return errors


@torch.inference_mode()
def forced_logits(decoder: Decoder, plan: Plan, codes: torch.Tensor) -> torch.Tensor:
    """Logits [codes of the picture, vocabulary] while one image's windows `codes` [1, steps, s²] are forced."""
    run, seen = decoder.start(plan), []
    for step, forced in enumerate(codes.unbind(1), 1):

        def choose(place: int | slice, logits: torch.Tensor, forced: torch.Tensor = forced) -> torch.Tensor:
            seen.append(logits.flatten(0, -2).clone())
            return forced[:, place]

        run.draw(choose)
        if step < run.steps:
            run.look(run.prompt_length + step)
    return torch.cat(seen)


def random_plan(model: TokenShuffleForImageGeneration, window: int, images: int = 1, side: int | None = None) -> Plan:
    """A guided square picture without a prompt that means anything; 512 px unless `side` codes are asked for."""
    side = side or SIDE
    prompt = torch.randint(0, model.config.text_vocab_size, (2 * images, PROMPT), device=model.device)
    weights = torch.full(((side // window) ** 2,), 4.0, device=model.device)
    noise = code_noise([(0, image) for image in range(images)], side, side, model.device)
    return Plan(prompt, torch.ones_like(prompt), side, side, window, weights, noise)


def memory_bandwidth(device: torch.device) -> float:
    """Bytes per second of reading memory that no cache holds, with the threads that decoding has."""
    data = torch.ones(STREAMED_BYTES // 4, device=device)
    return STREAMED_BYTES / min(_seconds(lambda: data.sum(), device) for _ in range(3))


def best_seconds(work: Callable[[], Any], device: torch.device, rounds: int = 3) -> float:
    """Seconds of the fastest of some rounds, after one that is not timed."""
    work()
    return min(_seconds(work, device) for _ in range(rounds))


def report(numbers: dict[str, Any]) -> str:
    """The same as text."""
    step = numbers["step"]
    lines = [
        f"weights {numbers['weights']}, {numbers['backbone_parameters'] / 1e6:.1f}M backbone parameters, "
        f"{numbers['device']}, {numbers['threads']} thread(s), {numbers['clock']} time, PyTorch {numbers['torch']}",
        f"memory: {step['bandwidth_gb_per_second']:.1f} GB/s",
        "one backbone step, two rows:      ms    floor   × floor   × transformers",
        f"  transformers loop, fp32   {step['milliseconds']['transformers']:8.2f}",
    ]
    for name in step["floor_milliseconds"]:
        values = (
            step[key][name]
            for key in ("milliseconds", "floor_milliseconds", "times_the_floor", "times_faster_than_transformers")
        )
        lines.append(f"  this decoder, {name:12}" + "{:8.2f} {:8.2f} {:9.2f} {:12.2f}".format(*values))
    for name, error in numbers["rounding"].items():
        lines.append(
            f"logits of {name} against fp32: {error['spread']:.2%} of their spread, {error['nats']:.5f} nats a code"
        )
    lines.append(f"whole decode loop at 512 px, {numbers['engine']}:  steps   one picture   two pictures")
    for window, row in numbers["windows"].items():
        lines.append(f"  s={window}   {row['steps']:34} {row['one_picture']:11.2f} s {row['two_pictures']:11.2f} s")
    lines.append(f"codes to picture at 512 px: {numbers['picture_512_seconds']:.3f} s")
    if "large" in numbers:
        large = numbers["large"]
        lines.append(
            f"2048 px, s={large['window']}: {large['codes_seconds']:.1f} s codes, {large['picture_seconds']:.1f} s picture"
        )
    lines.append(f"peak resident memory: {numbers['peak_resident_mib']:.0f} MiB")
    return "\n".join(lines)


def _parts(weights: str | None, device: torch.device) -> tuple[TokenShuffleForImageGeneration, ImageTokenizer, str]:
    if weights is None and not all((WEIGHTS / name).exists() for name in REQUIRED):
        weights = "small"
    if weights in PRESETS:
        config = preset(weights)
        with device:
            model = TokenShuffleForImageGeneration(config).eval()
            image_tokenizer = ImageTokenizer(ImageTokenizerConfig(codebook_size=config.image_vocab_size)).eval()
        return model, image_tokenizer, f"random (preset {weights}, small image tokenizer)"
    pipe = TokenShufflePipeline.from_pretrained(weights, device=device)
    return pipe.model, pipe.image_tokenizer, str(weights or "shipped")


def _whole_loop(decoder: Decoder, plan: Plan, rounds: int = 2) -> float:
    return min(_seconds(lambda: finished(decoder, plan), decoder.device) for _ in range(rounds))


def finished(decoder: Decoder, plan: Plan) -> Run:
    run = decoder.start(plan)
    while run.step < run.steps:
        run.advance()
    return run


def _seconds(work: Callable[[], Any], device: torch.device) -> float:
    """Until the device has done the work; a GPU's kernels are only launched when `work` returns."""
    now = clock()
    _wait(device)
    started = now()
    work()
    _wait(device)
    return now() - started


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
