"""The recipe of a leg: a JSON file of settings, every one of them known, since a misspelt one would do nothing."""

from pathlib import Path
from typing import Any

from model.checkpoint import read_object
from model.config import check_fields

REQUIRED = {
    "preset",
    "seed",
    "precision",
    "log_steps",
    "optimizer",
    "lr",
    "warmup_steps",
    "decay_share",
    "clip",
    "ema",
    "caption_dropout",
    "cells",
}
DEFAULTS = {
    "model": {},  # fields of the config over the preset's
    "foreign": 0.0,  # share of windows of other pictures in what the backbone reads
    "gradient_checkpointing": False,
    "save_seconds": 240,  # between checkpoints
}
CELL_REQUIRED = {"size", "window", "batch", "repeat_fraction", "weight"}
CELL_DEFAULTS = {
    "micro_batch": None,  # samples that are in memory at once; None: the whole batch
    "claimed": True,
}


def read_recipe(path: str | Path, fields: dict[str, Any]) -> dict[str, Any]:
    """The recipe with its defaults, and with ``fields`` over its ``model``.

    ValueError names a setting that is unknown or missing, and those there are.
    """
    recipe = _complete("the recipe", read_object(Path(path)), REQUIRED, DEFAULTS)
    recipe["model"] = recipe["model"] | fields
    check_fields(recipe["model"])
    recipe["cells"] = [_complete("a cell", cell, CELL_REQUIRED, CELL_DEFAULTS) for cell in recipe["cells"]]
    return recipe


def _complete(owner: str, given: dict[str, Any], required: set[str], defaults: dict[str, Any]) -> dict[str, Any]:
    for problem, keys in (("an unknown", set(given) - required - set(defaults)), ("no", required - set(given))):
        if keys:
            raise ValueError(f"{owner} has {problem} {min(keys)!r}; settings are {sorted(required | set(defaults))}")
    return defaults | given
