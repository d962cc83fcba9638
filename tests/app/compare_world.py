"""A studio on a tiny random checkpoint whose pictures take a fraction of a second."""

import time

from tiny import write_checkpoint

from app.compare_plan import progress
from app.services import build_services
from app.settings import Settings
from app.study_admin import StudyForm

FORM = StudyForm(
    "small", ("a red apple", "a blue car", "two ducks"), windows="2, 4", resolutions="256", seeds=1, raters_per_pair=2,
    schedules="half-linear 3, constant 3",
)  # fmt: skip


def make_studio(folder, **settings):
    weights = write_checkpoint(folder / "weights")
    chosen = Settings(folder / "data", "test-secret", weights=str(weights), threads=1, admin_key="let-me-in", **settings)
    chosen.data_dir.mkdir()
    return build_services(chosen)


def wait_for(services, study, seconds=120):
    """Until every picture of a study is drawn or failed."""
    deadline = time.monotonic() + seconds
    while not (now := progress(services, study)).finished:
        assert time.monotonic() < deadline, f"still {now}"
        time.sleep(0.05)
    return now
