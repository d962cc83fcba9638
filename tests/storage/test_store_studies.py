from datetime import timedelta

import pytest
from storage_world import OWNER, SETTINGS

from storage.errors import NotAllowed, NotFound, WrongState
from storage.records import NewComparison
from storage.schema import utc_now


def create(store, name="study", **values):
    arguments = {"prompts": ["p"], "settings": [SETTINGS], "criteria": ["flaws"], "raters_per_pair": 3, **values}
    return store.create_study(name, **arguments)


def test_a_study_comes_back_as_it_was_made(store):
    made = create(store, owner=OWNER, description="d", contrasts=[["window", 1, 2]], plan={"votes": 90})
    assert store.get_study(made.id) == made == store.study_by_invite(made.invite)
    assert (made.state, made.frozen_at, made.plan) == ("draft", None, {"votes": 90})
    assert len(made.invite) >= 24
    for ask in (store.get_study, store.study_by_invite):
        with pytest.raises(NotFound):
            ask("nothing")


def test_names_are_unique_and_values_checked(store):
    create(store)
    with pytest.raises(WrongState, match="exists already"):
        create(store)
    for wrong in ({"criteria": []}, {"criteria": ["a", "a"]}, {"raters_per_pair": 0}, {"name": " "}):
        with pytest.raises(ValueError):
            create(store, **{"name": "other", **wrong})


def test_a_study_is_made_only_beside_those_that_its_maker_knows(store):
    first = create(store, "first", owner="ann", known=[])
    with pytest.raises(WrongState, match="at the same time"):
        create(store, "second", owner="ann", known=[])
    create(store, "theirs", owner="bob", known=[])
    create(store, "second", owner="ann", known=[first.id])


def test_simulated_studies_are_not_listed(store):
    human, robot = create(store, "human"), create(store, "robot", simulated=True)
    assert [one.id for one in store.list_studies()] == [human.id]
    assert store.get_study(robot.id).simulated
    store.set_study_state(human.id, "open")
    assert store.list_studies(states=["draft"]) == [] and [one.id for one in store.list_studies(states=["open"])] == [
        human.id
    ]


def test_opening_freezes_and_closing_is_final(store):
    study = create(store)
    opened = store.set_study_state(study.id, "open")
    assert opened.frozen_at is not None and opened.opened_at is not None
    with pytest.raises(WrongState, match="cannot go back"):
        store.set_study_state(study.id, "draft")
    store.set_study_state(study.id, "paused")
    assert store.set_study_state(study.id, "open").opened_at == opened.opened_at
    store.set_study_state(study.id, "closed")
    with pytest.raises(WrongState, match="final"):
        store.set_study_state(study.id, "open")
    with pytest.raises(ValueError, match="allowed"):
        store.set_study_state(study.id, "ajar")


def test_contrasts_are_frozen_once_and_before_any_vote(store):
    study = create(store)
    frozen = store.freeze_contrasts(study.id, [["window", 1, 2]])
    assert frozen.contrasts == [["window", 1, 2]]
    with pytest.raises(WrongState, match="frozen"):
        store.freeze_contrasts(study.id, [["window", 1, 4]])


def test_adding_a_pair_twice_keeps_one(store, generate):
    study = create(store)
    a, b = (generate(shade=shade, study_id=study.id) for shade in (1, 2))
    pair = NewComparison(a.id, b.id, factor="window")
    first = store.add_comparisons(study.id, [pair])
    assert store.add_comparisons(study.id, [pair, NewComparison(a.id, a.id, kind="identical")])[0] == first[0]
    assert len([each.comparison for each in store.coverage(study.id)]) == 2


@pytest.mark.parametrize("wrong", [{"kind": "odd"}, {"expected": "left"}, {"generation_b": "same"}])
def test_bad_pairs_are_refused(store, generate, wrong):
    study = create(store)
    a, b = (generate(shade=shade, study_id=study.id) for shade in (1, 2))
    if wrong.get("generation_b"):
        wrong = {"generation_b": a.id}
    with pytest.raises(ValueError):
        store.add_comparisons(study.id, [NewComparison(**{"generation_a": a.id, "generation_b": b.id, **wrong})])
    assert [each.comparison for each in store.coverage(study.id)] == []


def test_only_own_and_published_pictures_are_paired(store, generate):
    study, other = (
        create(store),
        store.create_study("other", prompts=["x"], settings=[], criteria=["flaws"], raters_per_pair=1),
    )
    own, private, foreign = (
        generate(shade=1, study_id=study.id),
        generate(shade=2),
        generate(shade=3, study_id=other.id),
    )
    for picture in (private, foreign):
        with pytest.raises(NotAllowed, match="private"):
            store.add_comparisons(study.id, [NewComparison(own.id, picture.id)])
    store.publish(private.id, OWNER)
    (pair,) = store.add_comparisons(study.id, [NewComparison(own.id, private.id)])
    store.set_study_state(study.id, "open")
    rater = store.get_or_create_rater("r" * 32)
    given = {
        "left_side": "a",
        "criteria": study.criteria,
        "propensity": 1.0,
        "expires_at": utc_now() + timedelta(hours=1),
    }
    assert len(store.pairs_on_offer(study.id)) == 1
    store.unpublish(private.id, OWNER)
    assert store.pairs_on_offer(study.id) == []
    with pytest.raises(NotAllowed, match="private"):
        store.open_assignment(rater.id, study.id, pair.id, **given)
    store.publish(private.id, OWNER)
    assert store.open_assignment(rater.id, study.id, pair.id, **given).comparison == pair


def test_a_study_knows_its_pictures_and_jobs(store, generate):
    study = create(store)
    job = store.submit_job(OWNER, {}, study_id=study.id)
    made = generate(job_id=job.id)
    assert made.study_id == study.id
    assert [one.id for one in store.study_generations(study.id)] == [made.id]
    assert [one.id for one in store.jobs_of_study(study.id)] == [job.id]


def test_a_look_is_spent_once(store):
    study = create(store)
    store.record_look(study.id, "window 1-2", "flaws", 1, 40, {"z": 1.2})
    with pytest.raises(WrongState, match="spent"):
        store.record_look(study.id, "window 1-2", "flaws", 1, 80, {"z": 2.9})
    (look,) = store.looks(study.id)
    assert (look["number"], look["votes"], look["result"]) == (1, 40, {"z": 1.2})
