"""Which pairs exist: matched pairs that differ in one factor, and the controls that test the raters."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pandas as pd

from app.drawing.checkpoints import DEFAULT
from app.study.votes import FACTORS, level_order

CONTROL_KINDS = ("wrong_prompt", "degraded", "identical")


def setting_levels(settings) -> dict[str, object]:
    """A generation's settings -> its level of every factor, and `rest`: all else that must be equal.

    The schedule level carries its scale and whatever else shapes it, since a shape without a scale is no
    setting; a name that already ends in a number is left alone. Whether a size was trained follows from the
    others and is no setting at all. A checkpoint that was not asked for by name is the default one of its day, and
    its weights must be equal.
    """
    schedule = settings.get("schedule")
    shape = dict(schedule) if isinstance(schedule, dict) else {"kind": schedule}
    return {
        "window": settings.get("window"),
        "schedule": schedule_level(shape, settings.get("scale")),
        "resolution": f"{settings['width']}×{settings['height']}",
        "checkpoint": settings.get("checkpoint_name") or DEFAULT,
        "rest": repr(sorted(other_settings(settings).items())),
    }


def other_settings(settings) -> dict[str, object]:
    """Settings that are no factor and must be equal in a matched pair, such as the temperature."""
    derived = {"window", "schedule", "scale", "width", "height", "trained", "checkpoint_name"}
    derived |= {"checkpoint"} if settings.get("checkpoint_name") else set()
    return {key: value for key, value in settings.items() if key not in derived}


def differences(first, second) -> list[str]:
    """What two generations differ in: factors, seed, other settings."""
    one, two = setting_levels(first.settings), setting_levels(second.settings)
    rest = [other_settings(each.settings) for each in (first, second)]
    found = [factor for factor in FACTORS if one[factor] != two[factor]]
    found += ["seed"] if first.seed != second.seed else []
    return found + sorted(key for key in {*rest[0], *rest[1]} if rest[0].get(key) != rest[1].get(key))


def schedule_level(shape, scale: float | None) -> str:
    """Such as "half-linear 7.5", "half-linear 7.5 ramp 0.3", "custom 0:1 0.5:7"."""
    kind = str(shape.get("kind"))
    if shape.get("points"):
        return f"{kind} " + " ".join(f"{x:g}:{y:g}" for x, y in shape["points"])
    text = f"{kind} {scale:g}" if scale is not None and not re.search(r"\d$", kind) else kind
    if kind == "half-linear" and shape.get("ramp_end") not in (None, 0.5):
        text += f" ramp {shape['ramp_end']:g}"
    if shape.get("range"):
        text += " in " + "–".join(f"{end:g}" for end in shape["range"])
    return text


def setting_label(window, schedule, resolution, checkpoint) -> str:
    """Such as "w4 · half-linear 7.5 · 512×512"; the default checkpoint goes without saying."""
    return " · ".join([f"w{window}", str(schedule), str(resolution), *([] if checkpoint == DEFAULT else [checkpoint])])


def generation_frame(generations) -> pd.DataFrame:
    """Generation records -> one row each: `generation`, `prompt`, `seed`, the factors, `rest`."""
    rows = [{"generation": g.id, "prompt": g.prompt, "seed": g.seed} | setting_levels(g.settings) for g in generations]
    return pd.DataFrame(rows, columns=["generation", "prompt", "seed", *FACTORS, "rest"])


def matched_pairs(generations: pd.DataFrame) -> pd.DataFrame:
    """All pairs with the same prompt and seed of which exactly one factor differs.

    Columns: `a`, `b` (generations), `prompt`, `factor`, `block` (the contrast, such as "window 1 | 4").
    Picture a has the earlier level, so that counterbalancing a against b balances levels over sides.
    """
    ranks = {factor: {v: i for i, v in enumerate(level_order(generations[factor]))} for factor in FACTORS}
    rows = []
    for (prompt, _, _), group in generations.groupby(["prompt", "seed", "rest"], sort=True):
        for x, y in combinations(group.to_dict("records"), 2):
            differing = [factor for factor in FACTORS if x[factor] != y[factor]]
            if len(differing) != 1:
                continue
            factor = differing[0]
            a, b = sorted((x, y), key=lambda row: ranks[factor][row[factor]])
            rows.append((a["generation"], b["generation"], prompt, factor, f"{factor} {a[factor]} | {b[factor]}"))
    return pd.DataFrame(rows, columns=["a", "b", "prompt", "factor", "block"])


def wrong_prompt_pairs(generations: pd.DataFrame, count: int, random: np.random.Generator) -> pd.DataFrame:
    """Up to `count` controls: a fits the prompt of the pair, b was made for another one with the same settings."""
    rows = []
    for _, group in generations.groupby([*FACTORS, "rest"], dropna=False):
        by_prompt = group.drop_duplicates("prompt")["generation"].tolist()
        rows += list(zip(by_prompt, by_prompt[1:] + by_prompt[:1])) if len(by_prompt) > 1 else []
    order = random.permutation(len(rows))[:count]
    return pd.DataFrame([rows[i] for i in order], columns=["a", "b"])


def identical_pairs(generations: pd.DataFrame, count: int, random: np.random.Generator) -> pd.DataFrame:
    """Up to `count` controls that show the same picture twice; every preference among them is noise."""
    picked = generations["generation"].to_numpy()[random.permutation(len(generations))[:count]]
    return pd.DataFrame({"a": picked, "b": picked})
