"""Results at 100,000 pictures and 100,000 votes, in user time of this process, so that a busy machine judges alike."""

import gc
import os

import pytest
from arena_world import make_services

from app.results import view as results_view
from app.studies import cache as study_cache
from app.study.ratings import rate
from tests.app.study.make_large import fill

OPEN_SECONDS, REFIT_SECONDS = 2, 5


@pytest.mark.slow
def test_a_large_study_opens_and_is_rated_again_in_seconds(tmp_path):
    services = make_services(tmp_path)
    study = services.store.get_study(fill(services.store))
    gc.collect()
    gc.freeze()  # as app.py does
    start = os.times().user
    found = study_cache.material(services, results_view.study_from(services, {}))
    shown = results_view.view(services, results_view.wish_from(study.id, found, {}), found, "a visitor")
    opened = os.times().user
    ratings = [rate(found.votes, criterion, coding=found.coding) for criterion in study.criteria]
    refitted = os.times().user
    gc.unfreeze()
    services.close()
    print(f"opened in {opened - start:.2f} s, refitted in {refitted - opened:.2f} s")
    assert "<b>100,000</b><span>votes" in shown.summary and sum(rating.n_votes for rating in ratings) == 100_000
    assert opened - start < OPEN_SECONDS and refitted - opened < REFIT_SECONDS
