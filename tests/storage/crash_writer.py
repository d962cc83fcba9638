"""Run by test_store_crash.py: writes pictures and votes for ever and prints each one once it is acknowledged."""

import sys
from datetime import timedelta
from pathlib import Path

from storage_world import OWNER, SETTINGS, png

from storage.records import NewComparison
from storage.schema import utc_now
from storage.store import open_store

store = open_store(Path(sys.argv[1]), sys.argv[2] or None, journal_dir=Path(sys.argv[3]) if sys.argv[3:] else None)
study = store.create_study("s", prompts=[], settings=[], criteria=["flaws"], raters_per_pair=1)
store.set_study_state(study.id, "open")
rater = store.get_or_create_rater("r" * 32)
job = store.submit_job(OWNER, {}, study_id=study.id)
store.claim_job("w")
before = None
for number in range(10_000):
    stored = store.images.put(png(number))
    made = store.record_generation(
        job.id,
        settings=SETTINGS,
        prompt="p",
        seed=number,
        image_index=number,
        image=stored.image,
        thumbnail=stored.thumbnail,
    )
    print("picture", made.id, flush=True)
    if before is not None:
        (pair,) = store.add_comparisons(study.id, [NewComparison(before.id, made.id)])
        given = store.open_assignment(
            rater.id,
            study.id,
            pair.id,
            left_side="a",
            criteria=["flaws"],
            propensity=1.0,
            expires_at=utc_now() + timedelta(hours=1),
        )
        print("vote", store.record_vote(given.id, rater.id, "flaws", "a").id, flush=True)
    before = made
