"""A studio on a tiny random checkpoint whose pictures take a fraction of a second."""

import time

from tiny import write_checkpoint

from app.arena import arena
from app.compare.handlers import Wish
from app.compare.plan import pictures, progress
from app.services import build_services
from app.settings import Settings
from app.studies.admin import StudyForm
from app.visit import AT_REST

FORM = StudyForm(
    "small",
    ("a red apple", "a blue car", "two ducks"),
    windows="2, 4",
    resolutions="256",
    seeds=1,
    raters_per_pair=2,
    schedules="half-linear 3, constant 3",
)

WISH = Wish("a red apple", 256, 4, "half-linear", 3, 1, 7, "window", "2, 4", "scale", "2, 3", "–", "")


def make_studio(folder, **settings):
    weights = write_checkpoint(folder / "weights")
    chosen = Settings(
        folder / "data", "test-secret", weights=str(weights), threads=1, admin_key="let-me-in", **settings
    )
    chosen.data_dir.mkdir()
    return build_services(chosen)


def wait_for(services, study, seconds=120):
    """Until every picture of a study is drawn or failed."""
    deadline = time.monotonic() + seconds
    while not (now := progress(services, study)).finished:
        assert time.monotonic() < deadline, f"still {now}"
        time.sleep(0.05)
    return now


def finished(services, job, owner):
    """The job once it has ended."""
    deadline = time.monotonic() + 120
    while (now := services.store.get_job(job.id, owner)).state not in AT_REST:
        assert time.monotonic() < deadline, f"still {now.state}"
        time.sleep(0.05)
    return now


def ids(services, grid):
    """Generations of a grid's cells, in order; None where one is missing."""
    return [made and made.id for _, _, made in pictures(services, grid)]


def vote_for(services, study, owner, favourite):
    """Answer all pairs for one picture."""
    services.store.record_consent(arena.rater_of(services, owner).id)
    while (pair := arena.next_pair(services, study, owner)) is not None:
        is_left = (pair.comparison.generation_a == favourite) == (pair.left_side == "a")
        for criterion in pair.criteria:
            arena.vote(
                services,
                owner,
                {"assignment": pair.id, "criterion": criterion, "answer": "left" if is_left else "right"},
            )
