"""From a pipeline's result to what is stored, and from two results to a verdict. Plain functions."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from app.request import OFF, GenerationRequest
from model import guidance_weights
from storage.records import Generation


def recorded_fields(request: GenerationRequest, result: Any, index: int) -> dict[str, Any]:
    """Arguments of `record_generation` for picture `index` of a result, pictures and environment apart."""
    codes = token_array(result.tokens, index)
    return {
        "settings": setting_of(result.settings, request.checkpoint_name),
        "prompt": request.typed,
        "prompt_sent": request.prompt,
        "seed": int(result.settings["seed"]),
        "tokens": codes.tobytes(),
        "token_hash": token_hash(codes),
        "steps": len(result.settings["guidance_weights"]),
        "timings": {name: float(seconds) for name, seconds in result.timings.items()},
        "numerics_id": str(result.settings["numerics"]),
    }


def setting_of(used: Mapping[str, Any], checkpoint_name: str | None = None) -> dict[str, Any]:
    """The storage's names for what shaped the picture; everything else but prompt and seed is kept as it is. A filter
    that is off is None, however that was said.

    checkpoint_name: what its weights were called, where they were asked for by name.
    """
    schedule = {
        "kind": used["guidance_schedule"],
        "points": used.get("guidance_points"),
        "range": used.get("guidance_range"),
        "ramp_end": used.get("ramp_end"),
    }
    return {
        "width": used["width"],
        "height": used["height"],
        "window": used["shuffle_window"],
        "schedule": {key: value for key, value in schedule.items() if value is not None},
        "scale": used["guidance_scale"],
        "temperature": used["temperature"],
        **{name: used.get(name) if used.get(name) != off else None for name, off in OFF.items()},
        "checkpoint": used["checkpoint"],
        "trained": used["trained"],
        **({"checkpoint_name": checkpoint_name} if checkpoint_name else {}),
        **({"negative_prompt": used["negative_prompt"]} if used.get("negative_prompt") else {}),
    }


def guidance_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The pipeline's arguments of stored settings that shape the guidance; what is not stored is None."""
    stored = settings.get("schedule") or {}
    shape = stored if isinstance(stored, Mapping) else {"kind": stored}
    points, interval = shape.get("points"), shape.get("range")
    return {
        "guidance_schedule": shape.get("kind"),
        "guidance_scale": settings.get("scale"),
        "guidance_points": tuple((float(x), float(y)) for x, y in points) if points else None,
        "guidance_range": tuple(interval) if interval else None,
        "ramp_end": shape.get("ramp_end"),
    }


def stored_weights(settings: Mapping[str, Any], steps: int) -> list[float]:
    """The guidance weight of every step under stored settings. ValueError for a schedule that is none of ours."""
    stored = guidance_of(settings)
    return guidance_weights(
        stored["guidance_schedule"],
        stored["guidance_scale"] or 1.0,
        steps,
        points=stored["guidance_points"],
        interval=stored["guidance_range"],
        ramp_end=stored["ramp_end"] or 0.5,
    ).tolist()


def request_of(generation: Generation, **changes: Any) -> GenerationRequest:
    """What would draw this picture again (for "use these settings" and replay)."""
    settings = generation.settings
    shaped = guidance_of(settings)
    del shaped["guidance_range"]  # a request has none: it is the checkpoint's own
    values = {
        "prompt": generation.prompt_sent or generation.prompt or "",
        "typed": generation.prompt or "",
        "width": generation.width,
        "height": generation.height,
        "shuffle_window": generation.window,
        **shaped,
        "temperature": settings.get("temperature"),
        **{name: settings.get(name) or off for name, off in OFF.items()},
        "seed": generation.seed,
        "num_images": generation.image_index + 1,
        "allow_untrained": True,  # it was drawn once
    }
    return GenerationRequest(**{**values, **changes})


def token_array(tokens: Any, index: int) -> np.ndarray:
    """Codes of one picture, little-endian int32 [rows, columns]."""
    return np.ascontiguousarray(np.asarray(tokens)[index], dtype="<i4")


def token_hash(codes: np.ndarray) -> str:
    rows, columns = codes.shape
    return hashlib.sha256(f"{rows}x{columns}:".encode() + codes.tobytes()).hexdigest()


def replay_verdict(original: Generation, result: Any, environment: Mapping[str, Any]) -> dict[str, Any]:
    """Whether the tokens came out the same, and if not, what differs between then and now."""
    codes = token_array(result.tokens, original.image_index)
    if token_hash(codes) == original.token_hash:
        return {"identical": True, "reasons": []}
    reasons = []
    if str(result.settings["numerics"]) != original.numerics_id:
        reasons.append(f"numerics {original.numerics_id} then, {result.settings['numerics']} now")
    if result.settings["checkpoint"] != original.settings.get("checkpoint"):
        reasons.append("another checkpoint is loaded")
    for name, now in environment.items():
        then = original.environment.get(name)
        if then != now:
            reasons.append(f"{name}: {then} then, {now} now")
    return {"identical": False, "reasons": reasons or ["nothing known differs: this should not happen"]}
