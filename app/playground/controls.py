"""The Playground's controls as plain values: sizes, aspects, and the request that they add up to."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from app.playground.presets import RAMPED, presets, shaping
from app.request import OFF, GenerationRequest, format_points, parse_points
from model.prompt import DOWNSAMPLE
from model.settings import Settings

ASPECTS = {"1:1": 1.0, "4:3": 4 / 3, "3:4": 3 / 4, "16:9": 16 / 9, "9:16": 9 / 16}
CUSTOM_ASPECT = "free"
SMALLEST, LARGEST, STEP = 256, 2048, 64  # px of the resolution


@dataclass(frozen=True)
class Controls:
    """Values in the order of the page's inputs."""

    prompt: str
    aspect: str
    resolution: float
    width: float
    height: float
    window: int
    schedule: str
    scale: float
    ramp_end: float
    points: str
    temperature: float
    top_k: float
    top_p: float
    seed: float | None
    random_seed: bool
    num_images: float
    allow_untrained: bool = False
    rewrite: bool = True

    def size(self) -> tuple[int, int]:
        if self.aspect == CUSTOM_ASPECT:
            return snap(self.width, self.window), snap(self.height, self.window)
        return size_of(self.resolution, self.aspect, self.window)

    def snapped(self) -> "Controls":
        """With the sizes on their steps."""
        width, height = self.size() if self.aspect == CUSTOM_ASPECT else (self.width, self.height)
        return replace(self, resolution=round(self.resolution / STEP) * STEP, width=width, height=height)

    def lowered(self) -> str:
        """What is said where this aspect cannot be had at this resolution; else empty."""
        if self.aspect == CUSTOM_ASPECT:
            return ""
        most = round(most_resolution(self.aspect) / STEP) * STEP
        return "" if self.resolution <= most else f"{self.aspect} ends at {most} px: no side passes {LARGEST} px"

    def request(self, sent: str | None = None) -> GenerationRequest:
        """sent: the rewritten prompt, where it was rewritten."""
        width, height = self.size()
        if not isinstance(self.prompt, str):
            raise ValueError(f"the prompt is {self.prompt!r:.40}; it must be a text")
        typed = self.prompt.strip()
        custom = self.schedule == "custom"
        return GenerationRequest(
            prompt=sent or typed,
            typed=typed,
            width=width,
            height=height,
            shuffle_window=int(self.window),
            guidance_schedule=self.schedule,
            guidance_scale=float(self.scale),
            guidance_points=parse_points(self.points) if custom else None,
            ramp_end=float(self.ramp_end) if self.schedule in RAMPED else None,
            temperature=float(self.temperature),
            top_k=int(self.top_k or OFF["top_k"]),  # an emptied field is off, too
            top_p=float(self.top_p or OFF["top_p"]),
            seed=None if self.random_seed or self.seed is None else int(self.seed),
            num_images=int(self.num_images),
            allow_untrained=self.allow_untrained,
        )


CONTROL_NAMES = tuple(field.name for field in fields(Controls))


def controls_from(values: Sequence[Any]) -> Controls:
    return Controls(**dict(zip(CONTROL_NAMES, values, strict=True)))


def preset_of(controls: Controls, tuned: Settings) -> str | None:
    """The preset that these controls are. ValueError for control points that are none."""
    now = shaping(controls.schedule, controls.scale, controls.ramp_end, controls.points)
    return next((name for name, preset in presets(tuned).items() if shaping(*preset) == now), None)


def controls_of(request: GenerationRequest, tuned: Settings, *, fixed_seed: bool = True) -> Controls:
    """The control values that add up to this request (for links and "use these settings"); tuned: for what it leaves open."""
    aspect, resolution = aspect_of(request.width, request.height, request.shuffle_window)
    return Controls(
        prompt=request.typed,
        aspect=aspect,
        resolution=resolution,
        width=request.width,
        height=request.height,
        window=request.shuffle_window,
        schedule=request.guidance_schedule or tuned.guidance_schedule,
        scale=request.guidance_scale if request.guidance_scale is not None else tuned.guidance_scale,
        ramp_end=request.ramp_end if request.ramp_end is not None else tuned.ramp_end,
        points=format_points(request.guidance_points) if request.guidance_points else "",
        temperature=request.temperature if request.temperature is not None else tuned.temperature,
        top_k=request.top_k if request.top_k is not None else tuned.top_k or OFF["top_k"],
        top_p=request.top_p if request.top_p is not None else tuned.top_p or OFF["top_p"],
        seed=request.seed,
        random_seed=not fixed_seed or request.seed is None,
        num_images=request.num_images,
    )


def snap(pixels: float, window: int) -> int:
    """The nearest allowed side: a multiple of 16 · window between one window and 2048."""
    unit = DOWNSAMPLE * window
    return min(max(round(pixels / unit), 1) * unit, LARGEST)


def ratio_of(aspect: str) -> float:
    ratio = ASPECTS.get(aspect)
    if ratio is None:
        raise ValueError(f"aspect is {aspect!r}; it must be one of {', '.join([*ASPECTS, CUSTOM_ASPECT])}")
    return ratio


def most_resolution(aspect: str) -> float:
    """px at which the longer side of this aspect is 2048 px."""
    ratio = ratio_of(aspect)
    return LARGEST * math.sqrt(min(ratio, 1 / ratio))


def size_of(resolution: float, aspect: str, window: int) -> tuple[int, int]:
    """Sides with about resolution² pixels in this aspect; where one would pass 2048 px, both are smaller."""
    ratio, resolution = ratio_of(aspect), min(resolution, most_resolution(aspect))
    return snap(resolution * math.sqrt(ratio), window), snap(resolution / math.sqrt(ratio), window)


def aspect_of(width: int, height: int, window: int) -> tuple[str, int]:
    """The preset that gives exactly this size, else "free"."""
    resolution = round(math.sqrt(width * height) / STEP) * STEP
    resolution = min(max(resolution, SMALLEST), LARGEST)
    for aspect in ASPECTS:
        if size_of(resolution, aspect, window) == (width, height):
            return aspect, resolution
    return CUSTOM_ASPECT, resolution
