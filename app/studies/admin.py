"""Making and keeping studies: what is compared, how many votes it takes, pictures, pairs, controls, opening, pausing.

A study is a crossing of prompts, seeds and settings whose pictures are ordinary jobs. `open_study` turns the pictures
into matched pairs and controls, freezes the primary contrasts with a time stamp, and only then lets raters in.
"""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from app.arena.blind import degraded
from app.compare.axes import Axis, Crossing
from app.compare.plan import Plan, crossing_of, pinned, plan, progress, prompts_of, queue
from app.drawing.drawing import png
from app.request import GenerationRequest
from app.services import Services
from app.study.coding import make_coding
from app.study.design import (
    generation_frame,
    identical_pairs,
    matched_pairs,
    setting_levels,
    wrong_prompt_pairs,
)
from app.study.power import Power, power_table
from app.study.votes import CRITERIA, FACTORS
from storage.errors import WrongState
from storage.records import Generation, NewComparison, Study

KEEPER = "keeper"  # who queues the pictures of an administrator without a visitor mark: nobody who rates
STATES = {"pause": "paused", "close": "closed"}
MAX_PICTURES = 2000
MAX_SEEDS = 8
CONTROL_SHARE = 0.10  # of each kind of control, relative to the matched pairs
FEWEST_CONTROLS = 4


@dataclass(frozen=True)
class StudyForm:
    """What an administrator fills in. Levels are typed as on the Compare page (app/compare/axes.py)."""

    name: str
    prompts: Sequence[str]
    windows: str
    schedules: str
    resolutions: str = "512"
    checkpoints: str = ""  # empty: the default one, and no such factor
    seeds: int = 2
    criteria: Sequence[str] = tuple(CRITERIA)
    raters_per_pair: int = 3
    session_pairs: int = 20
    primary: Sequence[str] = field(default=())  # empty: every main effect of the window
    description: str = ""

    def crossing(self) -> Crossing:
        if not 1 <= self.seeds <= MAX_SEEDS:
            raise ValueError(f"seeds per prompt is {self.seeds}; allowed: 1 to {MAX_SEEDS}")
        prompts = [" ".join(text.split()) for text in self.prompts if text.strip()]
        if len(prompts) < 2:
            raise ValueError(f"{len(prompts)} prompts; at least 2 are needed, or there can be no interval")
        # An administrator means it: the plan names what is untrained, and the report says it again.
        base = GenerationRequest(prompt=prompts[0], typed=prompts[0], seed=0, allow_untrained=True)
        axes = [("prompt", "\n".join(prompts)), ("seed", f"1..{self.seeds}"), ("window", self.windows)]
        axes += [("schedule", self.schedules), ("resolution", self.resolutions)]
        axes += [("checkpoint", self.checkpoints)] if self.checkpoints.strip() else []
        return Crossing(base, tuple(Axis(*axis) for axis in axes))


def preview(services: Services, form: StudyForm) -> tuple[Plan, pd.DataFrame, list[str]]:
    """Before anything is written: cost of the pictures, power of every contrast, names of the possible contrasts."""
    crossing = checked(form)
    cost = plan(services, crossing, MAX_PICTURES)
    frame = design_of(crossing)
    terms = [term.name for term in make_coding(frame, FACTORS).terms]
    return cost, power_table(matched_pairs(frame), form.raters_per_pair, Power()), terms


def checked(form: StudyForm) -> Crossing:
    """The form's crossing; ValueError says what is wrong and what is allowed."""
    crossing = form.crossing()
    unknown = [name for name in form.criteria if name not in CRITERIA]
    if unknown or not form.criteria:
        raise ValueError(f"criteria {list(form.criteria)}; allowed: one or more of {', '.join(CRITERIA)}")
    if not 1 <= form.raters_per_pair <= 100:
        raise ValueError(f"raters per pair is {form.raters_per_pair}; allowed: 1 to 100")
    if not 2 <= form.session_pairs <= 200:
        raise ValueError(f"pairs in a sitting is {form.session_pairs}; allowed: 2 to 200")
    varied = [axis for axis in crossing.axes[2:] if len(axis.levels()) > 1]
    if not varied:
        raise ValueError("nothing is compared; give two windows, schedules, resolutions or checkpoints at least")
    return crossing


def design_of(crossing: Crossing) -> pd.DataFrame:
    """The pictures as they will be: one row a cell, as `generation_frame` makes them of real ones."""
    rows = []
    for number, cell in enumerate(crossing.cells()):
        settings = planned_settings(cell.request)
        rows.append(
            {"generation": str(number), "prompt": cell.request.prompt, "seed": cell.request.seed, "settings": settings}
        )
    frame = pd.DataFrame(rows)
    return pd.concat([frame, pd.DataFrame([setting_levels(s) for s in frame["settings"]])], axis=1)


def planned_settings(request: GenerationRequest) -> dict[str, object]:
    """Settings that decide a request's levels; what the checkpoint's defaults fill in is the same for all."""
    schedule = {"kind": request.guidance_schedule, "points": request.guidance_points, "ramp_end": request.ramp_end}
    return {
        "window": request.shuffle_window,
        "width": request.width,
        "height": request.height,
        "schedule": {key: value for key, value in schedule.items() if value is not None},
        "scale": request.guidance_scale,
        "checkpoint_name": request.checkpoint_name,
    }


def create(services: Services, form: StudyForm, owner: str) -> Study:
    """Write the study and queue its pictures as ordinary jobs behind the people who wait."""
    _, power, terms = preview(services, form)
    primary = list(form.primary) or [name for name in terms if name.startswith("window=") and " × " not in name]
    unknown = sorted(set(primary) - set(terms))
    if unknown:
        raise ValueError(f"primary contrast {unknown[0]!r}; this design has {', '.join(terms)}")
    crossing = pinned(services, form.crossing())
    study = services.store.create_study(
        form.name,
        owner=owner,
        prompts=prompts_of(crossing),
        settings=[],
        criteria=list(form.criteria),
        raters_per_pair=form.raters_per_pair,
        description=form.description,
        plan={
            "crossing": crossing.as_dict(),
            "session_pairs": form.session_pairs,
            "primary": primary,
            "trained_cells": trained_cells(services, crossing),
            "power": json.loads(power.to_json(orient="records")),
        },
    )
    queue(services, study, owner)
    return services.store.get_study(study.id)


def trained_cells(services: Services, crossing: Crossing) -> list[dict[str, Any]]:
    """What the default checkpoint was trained for, or each that is compared."""
    found = {level.label: services.checkpoints.get(level.label) for level in crossing.levels_of("checkpoint")}
    if not found:
        return services.pipeline.supported_cells()
    return [{**cell, "checkpoint": name} for name, pipeline in found.items() for cell in pipeline.supported_cells()]


def moved(services: Services, study: Study, action: str) -> Study:
    """The study after "open", "pause" or "close"."""
    if action == "open":
        return open_study(services, study)
    return services.store.set_study_state(study.id, STATES[action])


def open_study(services: Services, study: Study) -> Study:
    """Open a study whose pictures are drawn. Harmless when called again; a paused study is opened again as it is."""
    if study.state == "paused":
        return services.store.set_study_state(study.id, "open")
    if study.state not in ("draft", "generating"):
        raise WrongState(f"the study is {study.state} already")
    now = progress(services, study)
    if not now.finished:
        raise WrongState(f"{now.done} of {now.total} pictures are drawn; open the study when all are")
    made = [each for each in services.store.study_generations(study.id) if each.source == "model" and each.image]
    return open_doors(services, study, made)


def open_doors(services: Services, study: Study, made: Sequence[Generation]) -> Study:
    """Pairs and controls of the pictures, contrasts frozen before the first vote, then raters may come in."""
    services.store.add_comparisons(study.id, comparisons(services, study, made))
    if study.frozen_at is None:
        services.store.freeze_contrasts(study.id, list(study.plan.get("primary", ())))
    return services.store.set_study_state(study.id, "open")


def comparisons(services: Services, study: Study, made: Sequence[Generation]) -> list[NewComparison]:
    """All matched pairs, and each kind of control for a tenth of them."""
    numerics = sorted({each.numerics_id.rsplit("-b", 1)[0] for each in made})
    if len(numerics) > 1:
        raise ValueError(
            f"the pictures were drawn with {len(numerics)} kinds of arithmetic ({', '.join(numerics)}); one is allowed"
        )
    frame, random = generation_frame(made), np.random.default_rng(0)
    pairs = matched_pairs(frame)
    if pairs.empty:
        raise ValueError("no two pictures differ in exactly one setting; there is nothing to compare")
    count = max(round(CONTROL_SHARE * len(pairs)), FEWEST_CONTROLS)
    new = [NewComparison(p.a, p.b, factor=p.factor, block=p.block) for p in pairs.itertuples()]
    wrong = wrong_prompt_pairs(frame, count, random)
    new += [NewComparison(p.a, p.b, kind="wrong_prompt", expected="a") for p in wrong.itertuples()]
    new += [NewComparison(p.a, p.b, kind="identical") for p in identical_pairs(frame, count, random).itertuples()]
    copies = {
        each.derived_from: each.id for each in services.store.study_generations(study.id) if each.source == "degraded"
    }
    for one in (made[i] for i in random.permutation(len(made))[:count]):
        copy = copies.get(one.id) or degraded_copy(services, study, one)
        new.append(NewComparison(one.id, copy, kind="degraded", expected="a"))
    return new


def degraded_copy(services: Services, study: Study, original: Generation) -> str:
    """Store a visibly worse copy; its id."""
    picture = Image.open(io.BytesIO(services.store.images.read(original.image)))
    stored = services.store.images.put(png(degraded(picture)))
    return services.store.record_generation(
        None,
        settings=original.settings,
        prompt=original.prompt or "",
        prompt_sent=original.prompt_sent,
        seed=original.seed,
        image=stored.image,
        thumbnail=stored.thumbnail,
        pixel_hash=stored.pixel_hash,
        owner=original.owner,
        study_id=study.id,
        source="degraded",
        derived_from=original.id,
        numerics_id=original.numerics_id,
    ).id


def invite_link(study: Study, root: str = "") -> str:
    return f"{root}/arena?study={study.invite}"


def status_text(services: Services, study: Study) -> str:
    """One line of how far a study is."""
    if study.state in ("draft", "generating"):
        now = progress(services, study)
        failed = f", {now.failed} failed" if now.failed else ""
        held = f", {now.held} held" if now.held else ""
        return f"{study.state}: {now.done} of {now.total} pictures{failed}{held}"
    entries = services.store.coverage(study.id)
    pairs = [entry for entry in entries if entry.comparison.kind == "matched"]
    rated = sum(entry.raters > 0 for entry in pairs)
    reports = sum(flaw.kind == "broken" for flaw in services.store.flaws(study.id))
    broken = f", reports of broken pictures: {reports}" if reports else ""
    return f"{study.state}: {rated} of {len(pairs)} pairs rated, {sum(e.raters for e in pairs)} looks, {len(entries) - len(pairs)} controls{broken}"


def crossing_text(study: Study) -> str:
    try:
        axes = crossing_of(study).axes
    except ValueError:
        return "made outside this page"
    return " · ".join(f"{axis.name} {axis.text}" for axis in axes if axis.name not in ("prompt", "seed"))
