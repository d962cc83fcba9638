"""What one person asks for: the request that a job stores, checked where it enters.

Field names are those of `TokenShufflePipeline.__call__`, so a request is its keyword arguments plus the prompt as
it was typed. None means: the checkpoint's own tuned default.
"""

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from app.settings import Settings
from model.settings import MAX_SEED

TURNS_TEXT = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # a caption would read backwards
OFF = {"top_k": 0, "top_p": 1.0}  # filters that keep every code, whatever the checkpoint was tuned with
NOT_OF_THE_PIPELINE = ("typed", "checkpoint", "allow_untrained", "replay_of")
_POINT = re.compile(r"\s*([0-9.]+)\s*:\s*([0-9.]+)\s*")


@dataclass(frozen=True)
class GenerationRequest:
    prompt: str  # as the model reads it
    typed: str  # as it was typed; the same unless it was rewritten
    width: int = 512
    height: int = 512
    shuffle_window: int = 2
    guidance_schedule: str | None = None
    guidance_scale: float | None = None
    guidance_points: tuple[tuple[float, float], ...] | None = None
    ramp_end: float | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    seed: int | None = None
    checkpoint: str | None = None  # a name or name@hash (app/drawing/checkpoints.py)
    num_images: int = 1
    allow_untrained: bool = False  # whoever asks knows that this size and window were not trained
    replay_of: str | None = None  # a generation that is drawn again, to see whether the tokens are the same

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, for the job row."""
        values = asdict(self)
        if self.guidance_points is not None:
            values["guidance_points"] = [list(point) for point in self.guidance_points]
        return values

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of the pipeline; what was left open is left out."""
        values = {
            key: value for key, value in asdict(self).items() if value is not None and key not in NOT_OF_THE_PIPELINE
        }
        if self.guidance_points is not None:
            values["guidance_points"] = [tuple(point) for point in self.guidance_points]
        return values

    @property
    def checkpoint_name(self) -> str | None:
        return self.checkpoint.partition("@")[0] if self.checkpoint else None

    def with_seed(self, seed: int) -> "GenerationRequest":
        return replace(self, seed=seed)


def request_from(values: Mapping[str, Any]) -> GenerationRequest:
    """From a job row (or any mapping with these names); unknown names are refused."""
    known = {field.name for field in fields(GenerationRequest)}
    foreign = sorted(set(values) - known)
    if foreign:
        raise ValueError(f"unknown settings {foreign}; known are {sorted(known)}")
    points = values.get("guidance_points")
    frozen = tuple((float(x), float(y)) for x, y in points) if points else None
    return GenerationRequest(**{"typed": values.get("prompt", ""), **values, "guidance_points": frozen})


def check_request(request: GenerationRequest, limits: Settings) -> None:
    """The server's own limits; what the checkpoint can do is checked by the pipeline."""
    for name in ("prompt", "typed"):
        check_text(name, getattr(request, name), limits.max_prompt_chars)
    for name in ("width", "height", "shuffle_window", "num_images"):
        value = getattr(request, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name} is {value!r}; it must be a whole number from 1")
    if not isinstance(request.allow_untrained, bool):
        raise ValueError(f"allow_untrained is {request.allow_untrained!r}; it must be true or false")
    if request.width * request.height > limits.max_pixels:
        raise ValueError(
            f"{request.width} × {request.height} is {request.width * request.height} pixels; "
            f"at most {limits.max_pixels} are allowed here"
        )
    if request.num_images > limits.max_images:
        raise ValueError(f"num_images is {request.num_images}; it must be between 1 and {limits.max_images}")
    seed = request.seed
    if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= MAX_SEED):
        raise ValueError(f"seed is {seed!r:.40}; it must be a whole number between 0 and {MAX_SEED}")


def check_text(name: str, text: Any, most: int) -> None:
    if not isinstance(text, str):
        raise ValueError(f"the {name} is {text!r:.40}; it must be a text")
    if not text.strip():
        raise ValueError(f"the {name} is empty; write what the picture should show")
    if len(text) > most:
        raise ValueError(f"the {name} has {len(text)} characters; at most {most} are allowed")
    visible = text.translate({ord("\n"): None, ord("\t"): None})
    if any(unicodedata.category(each) in ("Cc", "Cs") or each in TURNS_TEXT for each in visible):
        raise ValueError(f"the {name} holds control characters")


def parse_points(text: str | None) -> tuple[tuple[float, float], ...] | None:
    """ "0:1, 0.5:7.5, 1:7.5" -> ((0, 1), (0.5, 7.5), (1, 7.5)); fraction of the steps : weight."""
    if text is not None and not isinstance(text, str):
        raise ValueError(f"the control points are {text!r:.40}; they must be a text such as 0:1, 0.5:7.5")
    if not text or not text.strip():
        return None
    points = []
    for part in text.replace(";", ",").split(","):
        match = _POINT.fullmatch(part)
        if not match:
            raise ValueError(f"{part.strip()[:40]!r} is no control point; write fraction:weight, such as 0.5:7.5")
        points.append(tuple(finite(number) for number in match.groups()))
    return tuple(sorted(points))


def format_points(points: tuple[tuple[float, float], ...]) -> str:
    return ", ".join(f"{x:.3g}:{y:.3g}" for x, y in points)


def finite(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]!r} is no number")
    return value
