"""Everything that a picture is asked for with, checked before any work starts.

`Settings` is the one list of settings: the interface of the pipeline, the command line, the stored replay
record and whatever varies settings are derived from its fields.
"""

import dataclasses
import json
import math
import numbers
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from model.checks import is_number
from model.config import TokenShuffleConfig
from model.guidance import check_guidance
from model.prompt import DOWNSAMPLE, LARGEST_SIDE

MIN_TEMPERATURE = 0.01  # below, logits divided by it leave what float32 can hold
MAX_TEMPERATURE = 5.0
MAX_SEED = 2**53 - 1  # what JSON and browsers keep exactly
MAX_IMAGES = 64


@dataclass(frozen=True)
class Settings:
    """Resolved settings; see `TokenShufflePipeline.stream` for what each one means."""

    width: int = 512
    height: int = 512
    shuffle_window: int = 2
    guidance_schedule: str = "half-linear"
    guidance_scale: float = 7.5
    guidance_points: tuple[tuple[float, float], ...] | None = None
    guidance_range: tuple[float, float] | None = None
    ramp_end: float = 0.5
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    seed: int | tuple[int, ...] = 0
    num_images: int = 1
    negative_prompt: str = ""

    def replay(self) -> dict[str, Any]:
        """As plain JSON types."""
        return json.loads(json.dumps(dataclasses.asdict(self)))


FIELDS = tuple(field.name for field in dataclasses.fields(Settings))
WHOLE = ("width", "height", "shuffle_window", "top_k", "seed", "num_images")


def resolve(given: dict[str, Any], defaults: dict[str, Any], config: TokenShuffleConfig) -> Settings:
    """Given values over the checkpoint's defaults over the dataclass's; None means "not given".

    `defaults` may hold `windows`, a map from window to values tuned for it. Tuned control points belong to the tuned
    schedule: a call that names another one leaves them. Raises ValueError.
    """
    _check_names(given, FIELDS)
    chosen = {name: value for name, value in given.items() if value is not None}
    usual = Settings.shuffle_window if Settings.shuffle_window in config.shuffle_windows else config.shuffle_windows[0]
    window = _plain_number("shuffle_window", chosen.get("shuffle_window", defaults.get("shuffle_window", usual)))
    tuned = {**defaults, **defaults.get("windows", {}).get(str(window), {})}
    tuned = {name: value for name, value in tuned.items() if name in FIELDS and value is not None}
    if chosen.get("guidance_schedule", tuned.get("guidance_schedule")) != tuned.get("guidance_schedule"):
        tuned.pop("guidance_points", None)
    plain = {"shuffle_window": usual, "seed": secrets.randbelow(2**32), **_usual_size(window, config)}
    settings = _with_plain_types({**plain, **tuned, **chosen})
    check(settings, config)
    return settings


def _usual_size(window: Any, config: TokenShuffleConfig) -> dict[str, int]:
    """The dataclass's size, or the largest square that a small checkpoint allows."""
    unit = DOWNSAMPLE * window if window in config.shuffle_windows else DOWNSAMPLE
    side = max(min(Settings.width, math.isqrt(config.max_pixels)) // unit * unit, unit)
    return {"width": side, "height": side}


def check_defaults(defaults: dict[str, Any], config: TokenShuffleConfig) -> None:
    """Raise ValueError for anything in a checkpoint's defaults that no call could use, also per window."""
    windows, allowed = defaults.get("windows", {}), [str(window) for window in config.shuffle_windows]
    if not isinstance(windows, dict) or not set(windows) <= set(allowed):
        raise ValueError(f"windows is {windows!r}; it must map {', '.join(allowed)} (as texts) to settings")
    general = {name: value for name, value in defaults.items() if name != "windows"}
    _check_names(general, (*FIELDS, "windows"))
    _check_tuned(general, general.get("shuffle_window", config.shuffle_windows[0]), config)
    for window, tuned in windows.items():
        if not isinstance(tuned, dict):
            raise ValueError(f"windows[{window!r}] is {tuned!r}; it must be a JSON object of settings")
        _check_names(tuned, tuple(name for name in FIELDS if name != "shuffle_window"))
        _check_tuned({**general, **tuned}, int(window), config)


def _check_tuned(values: dict[str, Any], window: Any, config: TokenShuffleConfig) -> None:
    """Values with the smallest size that the window draws, where they name none."""
    unit = DOWNSAMPLE * window if window in config.shuffle_windows else DOWNSAMPLE
    stated = {name: value for name, value in values.items() if value is not None}
    check(_with_plain_types({"width": unit, "height": unit, **stated, "shuffle_window": window}), config)


def check(settings: Settings, config: TokenShuffleConfig) -> None:
    """Raise ValueError with the value and what is allowed, for the first setting that is not."""
    check_shape(settings.width, settings.height, settings.shuffle_window, config)
    check_guidance(
        settings.guidance_schedule,
        settings.guidance_scale,
        settings.guidance_points,
        settings.guidance_range,
        settings.ramp_end,
    )
    _check_number("temperature", settings.temperature, 0, MAX_TEMPERATURE)
    if 0 < settings.temperature < MIN_TEMPERATURE:
        raise ValueError(
            f"temperature is {settings.temperature!r}; it must be 0 (the best code) or at least {MIN_TEMPERATURE}"
        )
    if settings.top_k is not None:
        _check_number("top_k", settings.top_k, 0, config.image_vocab_size, whole=True)
    if settings.top_p is not None and not 0 < _number("top_p", settings.top_p) <= 1:
        raise ValueError(f"top_p is {settings.top_p!r}; it must be above 0 and at most 1")
    for seed in settings.seed if isinstance(settings.seed, tuple) else (settings.seed,):
        _check_number("seed", seed, 0, MAX_SEED, whole=True)
    _check_number("num_images", settings.num_images, 1, MAX_IMAGES, whole=True)
    if not isinstance(settings.negative_prompt, str):
        raise ValueError(f"negative_prompt is {settings.negative_prompt!r}; it must be a text")


def check_shape(width: int, height: int, window: int, config: TokenShuffleConfig) -> None:
    """Size against window, special tokens and pixel budget."""
    if isinstance(window, bool) or window not in config.shuffle_windows:
        raise ValueError(f"shuffle_window is {window!r}; this checkpoint has {config.shuffle_windows}")
    unit, largest = DOWNSAMPLE * window, DOWNSAMPLE * LARGEST_SIDE
    for name, side in (("width", width), ("height", height)):
        if not 1 <= _number(name, side) <= largest or side % unit:
            raise ValueError(
                f"{name} is {side!r}; with shuffle_window={window} it must be a multiple of {unit} up to {largest}, "
                f"the longest side that the prompt has a token for"
            )
    if width * height > config.max_pixels:
        raise ValueError(f"{width}x{height} is {width * height} pixels; this checkpoint allows {config.max_pixels}")


def sides(size: int | str) -> tuple[int, int]:
    """Width and height in px of a trained cell's size: 512 is a square, "576x448" is 576 px wide. Raises ValueError."""
    width, _, height = (str(size) if "x" in str(size) else f"{size}x{size}").partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise ValueError(f"size is {size!r}; it must be a side such as 512 or width and height such as 576x448")
    return int(width), int(height)


def covers(cell: dict[str, Any], width: int, height: int, window: int) -> bool:
    """Whether a trained cell speaks for this size and window; one without `max_aspect` saw squares only."""
    same_size = cell["min_pixels"] <= width * height <= cell["max_pixels"]
    aspect = max(width, height) / min(width, height)
    return cell["window"] == window and same_size and aspect <= cell.get("max_aspect", 1)


def _check_names(given: dict[str, Any], allowed: Sequence[str]) -> None:
    unknown = sorted(set(given) - set(allowed))
    if unknown:
        raise ValueError(f"unknown setting {unknown[0]!r}; settings are {', '.join(allowed)}")


def _with_plain_types(values: dict[str, Any]) -> Settings:
    for name in ("guidance_points", "guidance_range"):
        if values.get(name) is not None:
            values[name] = _as_tuple(name, values[name])
    if isinstance(values.get("seed"), (list, tuple)):
        values["seed"] = tuple(_plain_number("seed", seed) for seed in values["seed"])
    return Settings(**{name: _plain_number(name, value) for name, value in values.items()})


def _plain_number(name: str, value: Any) -> Any:
    """A browser's 512.0 and numpy's 512 become 512; what is no number stays for `check`."""
    if not is_number(value):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    value = float(value)
    return int(value) if name in WHOLE and value.is_integer() else value


def _as_tuple(name: str, value: Any) -> tuple:
    try:
        return tuple(tuple(map(float, v)) if isinstance(v, Sequence) else float(v) for v in value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name} is {value!r}; it must be made of numbers") from None


def _number(name: str, value: Any) -> float:
    if not is_number(value):
        raise ValueError(f"{name} is {value!r}; it must be a number")
    return value


def _check_number(name: str, value: Any, low: float, high: float, whole: bool = False) -> None:
    if not low <= _number(name, value) <= high or (whole and value != int(value)):
        kind = "a whole number" if whole else "a number"
        raise ValueError(f"{name} is {value!r}; it must be {kind} from {low:g} to {high}")
