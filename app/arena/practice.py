"""The practice round: one plain pair a criterion, explained at once, before any answer counts.

Its pictures belong to no study and no vote comes of it. What is kept is how a rater did, in the rater's own row. The
pictures are fixed, because a generator that still draws poorly cannot teach what a clear difference looks like.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops

from app.arena import arena
from app.arena.blind import blind_pair, degraded
from app.components.data_uri import data_uri
from app.services import Services
from app.study.votes import CRITERIA
from storage.records import Rater, Study

PICTURES = Path(__file__).parent.parent / "assets" / "practice"


@dataclass(frozen=True)
class Lesson:
    """worse: from the good picture to the one that loses; because: what a rater is told, right or wrong."""

    prompt: str
    picture: str
    worse: Callable[[Image.Image], Image.Image]
    because: str


def stored(name: str) -> Image.Image:
    with Image.open(PICTURES / f"{name}.webp") as file:
        return file.convert("RGB")


def torn(picture: Image.Image) -> Image.Image:
    """A copy with the kind of flaw that fused tokens leave: bands of windows that do not join."""
    band = picture.height // 8
    copy = picture.copy()
    for number in (1, 2, 5, 6):
        box = (0, number * band, picture.width, (number + 1) * band)
        copy.paste(ImageChops.offset(picture.crop(box), (-1) ** number * band, 0), box)
    return copy


LESSONS = {
    "alignment": Lesson(
        "a green bird beside a yellow tractor",
        "bird-and-tractor",
        lambda _: stored("house-and-elephant"),
        "one picture shows what the text says, the other something else. Only the text counts here, not beauty.",
    ),
    "appearance": Lesson(
        "a bear",
        "bear",
        degraded,
        "both show a bear, but one is clear and the other is a blur. Only the looks count here, not the text.",
    ),
    "flaws": Lesson(
        "four buses",
        "buses",
        torn,
        "in one picture the buses are cut and shifted. The question is which picture has fewer flaws, so the whole one wins.",
    ),
}


def left_to_learn(study: Study, rater: Rater) -> list[str]:
    """The study's criteria that this rater has not practised yet, in the order in which they are asked."""
    return [name for name in study.criteria if not rater.practice.get(name, {}).get("passed")]


def next_lesson(services: Services, study: Study, owner: str) -> dict[str, Any] | None:
    """What the browser shows instead of a pair; None when practice is done. It looks like a pair and has no assignment."""
    missing = left_to_learn(study, arena.consenting_rater(services, owner))
    if not missing:
        return None
    criterion = missing[0]
    lesson = LESSONS[criterion]
    good = stored(lesson.picture)
    pictures = (good, lesson.worse(good))
    left, right = blind_pair(*pictures if good_side(services, owner, criterion) == "left" else pictures[::-1])
    return {
        "practice": {"number": len(study.criteria) - len(missing) + 1, "of": len(study.criteria)},
        "prompt": lesson.prompt,
        "left": data_uri(left),
        "right": data_uri(right),
        "questions": [{"criterion": criterion, "text": CRITERIA[criterion]}],
        **arena.progress(study, arena.standing(services, study, owner)),
    }


def good_side(services: Services, owner: str, criterion: str) -> str:
    """The side of the better picture: fixed for a rater and a criterion, unknown to the browser."""
    digest = hashlib.sha256(f"{arena.rater_key(services, owner)}/{criterion}".encode()).digest()
    return ("left", "right")[digest[0] % 2]


def answer(services: Services, owner: str, criterion: Any, given: Any) -> dict[str, Any]:
    """Note one practice answer and explain it. A wrong one asks again; the first try is what is remembered of it."""
    if not isinstance(criterion, str) or criterion not in LESSONS:
        raise ValueError(f"criterion {criterion!r:.40}; allowed: {', '.join(LESSONS)}")
    if given not in arena.ANSWERS:
        raise ValueError(f"answer {given!r:.40}; allowed: {', '.join(arena.ANSWERS)}")
    rater = arena.consenting_rater(services, owner)
    right = given == good_side(services, owner, criterion)
    before = rater.practice.get(criterion, {})
    kept = {
        "passed": right or before.get("passed", False),
        "tries": before.get("tries", 0) + 1,
        "right_at_once": before.get("right_at_once", right),
        "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    services.store.update_practice(rater.id, {**rater.practice, criterion: kept})
    return {"right": right, "text": f"{'Right' if right else 'Look again'}: {LESSONS[criterion].because}"}
