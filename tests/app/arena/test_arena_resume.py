"""Raters come and go, and so do pictures: what was begun is offered again, what cannot be shown is not waited for."""

from datetime import datetime, timedelta, timezone

import pytest
from arena_world import make_study
from sqlalchemy import update

from app.arena import arena
from app.results import view as results_view
from app.results.view import Wish
from app.studies import cache as study_cache
from app.study.records import history_of
from storage import schema


def begin(services, study, owner="rater", answers=1):
    """The next pair with the first questions answered."""
    services.store.record_consent(arena.rater_of(services, owner).id)
    pair = arena.next_pair(services, study, owner)
    for criterion in pair.criteria[:answers] if pair else ():
        arena.vote(services, owner, {"assignment": pair.id, "criterion": criterion, "answer": "left"})
    return pair


def an_hour_later(services):
    with services.store.database.write() as session:
        session.execute(update(schema.Assignment).values(expires_at=datetime.now(timezone.utc) - timedelta(seconds=1)))


def test_a_pair_left_half_answered_is_gone_on_with_after_any_time(services, study):
    first = begin(services, study)
    an_hour_later(services)
    again = arena.next_pair(services, study, "rater")
    assert (again.id, again.left_side, set(again.answered)) == (first.id, first.left_side, {"alignment"})
    for criterion in ("appearance", "flaws"):
        arena.vote(services, "rater", {"assignment": again.id, "criterion": criterion, "answer": "right"})
    assert arena.standing(services, study, "rater").finished() == 1
    assert arena.next_pair(services, study, "rater").comparison.id != first.comparison.id


def test_what_was_seen_with_its_settings_meanwhile_is_not_gone_on_with(services, study):
    first = begin(services, study)
    an_hour_later(services)
    services.store.note_sightings("rater", [first.comparison.generation_a])
    assert arena.next_pair(services, study, "rater").comparison.id != first.comparison.id


def test_a_pair_on_screen_that_lost_its_picture_or_was_reported_by_two_makes_way_for_another(services):
    study = make_study(services.store, owner="maker")
    first = begin(services, study)
    services.store.delete_generation(first.comparison.generation_a, "maker")
    second = begin(services, study)
    assert second.comparison.id != first.comparison.id
    services.store.record_flaw(second.id, second.rater_id, "left", kind="broken")
    assert arena.next_pair(services, study, "rater").id == second.id
    other = arena.rater_of(services, "other")
    given = services.store.open_assignment(
        other.id,
        study.id,
        second.comparison.id,
        left_side="a",
        criteria=study.criteria,
        propensity=0.5,
        expires_at=datetime.now(timezone.utc) + timedelta(minutes=5),
    )
    services.store.record_flaw(given.id, other.id, "left", kind="broken")
    assert arena.next_pair(services, study, "rater").comparison.id != second.comparison.id


def test_a_newer_study_waits_for_the_end_of_a_sitting_and_an_older_one_is_not_forgotten(services, study):
    begin(services, study)
    newer = make_study(services.store, "newer", raters_per_pair=1)
    assert arena.study_for(services, None, "rater").id == study.id  # or its results would stay closed for ever
    assert arena.study_for(services, None, "another").id == newer.id
    while begin(services, newer, "another", answers=3):
        pass
    assert arena.study_for(services, None, "another").id == study.id
    assert arena.study_for(services, newer.invite, "rater").id == newer.id


def test_the_history_tells_what_is_unfinished(services, study):
    begin(services, study)
    rater = arena.rater_of(services, "rater")
    (seen,) = history_of(services.store.assignments_of(rater.id, study.id))
    assert not seen.answered


@pytest.mark.parametrize("why", ["saw every picture", "paused", "nothing left"])
def test_results_open_for_those_who_cannot_go_on(services, why):
    study = make_study(services.store, raters_per_pair=1)
    begin(services, study, answers=3)
    assert results_view.held_back(services, study, "rater")
    if why == "saw every picture":
        services.store.note_sightings("rater", [each.id for each in services.store.study_generations(study.id)])
    elif why == "paused":
        study = services.store.set_study_state(study.id, "paused")
    else:
        while begin(services, study, "another", answers=3):
            pass
    assert not results_view.held_back(services, study, "rater")


def test_results_and_arena_outlive_deleted_pictures(services):
    study = make_study(services.store, owner="maker")
    for _ in range(6):
        begin(services, study, answers=3)
    for picture in services.store.study_generations(study.id):
        if picture.settings["window"] == 4:
            services.store.delete_generation(picture.id, "maker")
    assert (
        "window=4"
        in results_view.view(services, Wish(study.id), study_cache.material(services, study.id), None).verdicts
    )
    assert arena._fitted(services, study.id, "alignment", 0, 0).n_votes
    left = {pair.id for pair in services.store.pairs_on_offer(study.id)}
    assert begin(services, study).comparison.id in left and len(left) < len(services.store.coverage(study.id))
