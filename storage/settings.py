"""One combination of settings is one row, found by the hash of its canonical JSON."""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage import schema
from storage.part import insert_or_get

REQUIRED = ("width", "height", "checkpoint")
FLOATS = ("scale", "temperature", "top_p")
INTEGERS = ("width", "height", "window", "top_k")
NOT_SETTINGS = ("prompt", "prompt_sent", "seed", "owner")


def canonical(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The same mapping for the same meaning: 7 and 7.0, "linear" and {"kind": "linear"} become equal."""
    missing = [key for key in REQUIRED if settings.get(key) is None]
    foreign = [key for key in NOT_SETTINGS if key in settings]
    if missing or foreign:
        raise ValueError(f"settings lack {missing} and must not hold {foreign}")
    values = dict(settings)
    for key in FLOATS:
        values[key] = None if values.get(key) is None else float(values[key])
    for key in INTEGERS:
        values[key] = None if values.get(key) is None else _whole(key, values[key])
    schedule = values.get("schedule")
    if isinstance(schedule, str):
        schedule = {"kind": schedule}
    values["schedule"] = None if schedule is None else _floats(dict(schedule))
    return json.loads(_dump(values))


def settings_hash(values: Mapping[str, Any]) -> str:
    """SHA-256 of canonical settings."""
    return hashlib.sha256(_dump(values).encode()).hexdigest()


def find_or_add(session: Session, values: Mapping[str, Any]) -> schema.Setting:
    """The row of canonical settings."""
    digest = settings_hash(values)
    schedule = values["schedule"] or {}
    row = schema.Setting(
        hash=digest,
        schedule=schedule.get("name") or schedule.get("kind"),
        checkpoint=str(values["checkpoint"]),
        values=dict(values),
        **{key: values[key] for key in INTEGERS + FLOATS},
    )
    return insert_or_get(session, row, select(schema.Setting).where(schema.Setting.hash == digest))[0]


def _dump(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def _whole(key: str, value: Any) -> int:
    if isinstance(value, bool) or int(value) != value or value < 0:
        raise ValueError(f"{key} is {value!r}; allowed: whole numbers from 0")
    return int(value)


def _floats(value: Any) -> Any:
    """Numbers inside a schedule are floats, at any depth; NaN and infinity are refused."""
    if isinstance(value, Mapping):
        return {str(key): _floats(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_floats(inner) for inner in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise ValueError(f"schedule holds {value}; allowed: finite numbers")
        return float(value)
    return value
