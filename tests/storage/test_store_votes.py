from concurrent.futures import ThreadPoolExecutor

import pytest
from rows import row_counts, show_long_ago
from storage_world import OWNER

from storage import votes
from storage.errors import AssignmentExpired, DuplicateVote, NotFound, UndoTooLate, WrongState
from storage.records import NewComparison


def answers(store, study):
    return {(row["rater"], row["criterion"]): row["answer"] for row in store.votes_frame(study.id)}


def test_a_vote_is_counted_once(arena):
    given = arena.assign()
    show_long_ago(arena.store, given.id)
    vote = arena.store.record_vote(given.id, arena.rater.id, "flaws", "a", decision_ms=900, display={"dpr": 2})
    assert (vote.answer, vote.revision, vote.decision_ms, vote.display) == ("a", 0, 900, {"dpr": 2})
    for again in ("a", "b"):
        with pytest.raises(DuplicateVote, match="flaws"):
            arena.store.record_vote(given.id, arena.rater.id, "flaws", again)
    assert arena.store.get_assignment(given.id, arena.rater.id).answered == {"flaws": "a"}


@pytest.mark.parametrize("told", [3_000_000, None])
def test_nobody_looked_longer_than_the_pair_was_shown(arena, told):
    given = arena.assign()
    arena.store.mark_shown(given.id, arena.rater.id)
    assert 0 <= arena.store.record_vote(given.id, arena.rater.id, "flaws", "a", decision_ms=told).decision_ms < 60_000


def test_fifty_parallel_posts_make_one_row(arena):
    given = arena.assign()

    def post(number):
        try:
            return arena.store.record_vote(given.id, arena.rater.id, "flaws", "ab"[number % 2]).answer
        except DuplicateVote:
            return None

    with ThreadPoolExecutor(50) as pool:
        accepted = [answer for answer in pool.map(post, range(50)) if answer]
    assert len(accepted) == 1
    assert row_counts(arena.store)["vote"] == 1
    assert list(answers(arena.store, arena.study).values()) == accepted


def test_fifty_parallel_corrections_make_one_row(arena):
    vote = arena.store.record_vote(arena.assign().id, arena.rater.id, "flaws", "a")

    def correct(_):
        try:
            return arena.store.supersede_vote(vote.id, arena.rater.id, "b")
        except WrongState:
            return None

    with ThreadPoolExecutor(50) as pool:
        assert sum(done is not None for done in pool.map(correct, range(50))) == 1
    assert row_counts(arena.store)["vote"] == 2


def test_bad_answers_and_criteria_are_refused(arena):
    given = arena.assign()
    for criterion, answer in (("flaws", "left"), ("flaws", ""), ("beauty", "a")):
        with pytest.raises(ValueError):
            arena.store.record_vote(given.id, arena.rater.id, criterion, answer)
    assert row_counts(arena.store)["vote"] == 0


def test_foreign_and_unknown_assignments_look_the_same(arena):
    given, other = arena.assign(), arena.store.get_or_create_rater("x" * 32)
    texts = set()
    for assignment_id in (given.id, "nothing"):
        for ask in (
            lambda which: arena.store.record_vote(which, other.id, "flaws", "a"),
            lambda which: arena.store.get_assignment(which, other.id),
            lambda which: arena.store.mark_shown(which, other.id),
            lambda which: arena.store.record_flaw(which, other.id, "left"),
        ):
            with pytest.raises(NotFound) as refused:
                ask(assignment_id)
            texts.add(str(refused.value))
    assert len(texts) == 1


def test_an_expired_assignment_takes_nothing(arena):
    given = arena.assign(seconds=-1)
    with pytest.raises(AssignmentExpired):
        arena.store.record_vote(given.id, arena.rater.id, "flaws", "a")
    with pytest.raises(AssignmentExpired):
        arena.store.record_flaw(given.id, arena.rater.id, "left", kind="broken")
    assert arena.store.current_assignment(arena.rater.id, arena.study.id) is None


def test_the_same_pair_again_goes_on_with_the_same_sides(arena):
    first = arena.assign(seconds=-1, left_side="b")
    again = arena.assign(left_side="a")
    assert (again.id, again.left_side) == (first.id, "b") and again.expires_at > first.expires_at
    for criterion in ("alignment", "flaws"):
        arena.store.record_vote(again.id, arena.rater.id, criterion, "both_good")
    with pytest.raises(DuplicateVote):
        arena.assign()
    repeat = arena.assign(left_side="a", repeat_of=first.id)
    assert repeat.id != first.id and repeat.repeat_of == first.id


def test_the_rater_resumes_where_answers_are_open(arena):
    given = arena.assign()
    arena.store.record_vote(given.id, arena.rater.id, "flaws", "a")
    assert arena.store.current_assignment(arena.rater.id, arena.study.id).id == given.id
    arena.store.record_vote(given.id, arena.rater.id, "alignment", "a")
    assert arena.store.current_assignment(arena.rater.id, arena.study.id) is None
    assert [one.id for one in arena.store.assignments_of(arena.rater.id, arena.study.id)] == [given.id]


def test_first_showing_counts(arena):
    given = arena.assign()
    arena.store.mark_shown(given.id, arena.rater.id)
    first = arena.store.get_assignment(given.id, arena.rater.id).shown_at
    arena.store.mark_shown(given.id, arena.rater.id)
    assert arena.store.get_assignment(given.id, arena.rater.id).shown_at == first is not None


@pytest.mark.parametrize(
    "wrong",
    [{"left_side": "left"}, {"propensity": 0.0}, {"propensity": 1.1}, {"criteria": []}, {"criteria": ["beauty"]}],
)
def test_forged_assignments_are_refused(arena, wrong):
    with pytest.raises(ValueError):
        arena.assign(**wrong)


def test_undo_appends_and_opens_the_criterion_again(arena):
    store, given = arena.store, arena.assign()
    vote = store.record_vote(given.id, arena.rater.id, "flaws", "a")
    undone = store.supersede_vote(vote.id, arena.rater.id)
    assert (undone.answer, undone.revision) == (None, 1)
    assert store.votes_frame(arena.study.id) == [] and store.get_assignment(given.id, arena.rater.id).answered == {}
    again = store.record_vote(given.id, arena.rater.id, "flaws", "b")
    assert again.revision == 2 and row_counts(store)["vote"] == 3
    corrected = store.supersede_vote(again.id, arena.rater.id, "both_bad")
    assert [row["vote"] for row in store.votes_frame(arena.study.id)] == [corrected.id]
    with pytest.raises(WrongState, match="newest"):
        store.supersede_vote(vote.id, arena.rater.id, "a")


def test_undo_only_for_a_while_and_only_by_the_rater(arena, monkeypatch):
    vote = arena.store.record_vote(arena.assign().id, arena.rater.id, "flaws", "a")
    with monkeypatch.context() as patch, pytest.raises(UndoTooLate):
        patch.setattr(votes, "UNDO_SECONDS", 0)
        arena.store.supersede_vote(vote.id, arena.rater.id)
    with pytest.raises(NotFound):
        arena.store.supersede_vote(vote.id, arena.store.get_or_create_rater("x" * 32).id)


def test_a_pause_hands_out_nothing_but_takes_the_answer_on_screen(arena):
    given = arena.assign()
    arena.store.set_study_state(arena.study.id, "paused")
    arena.store.record_vote(given.id, arena.rater.id, "flaws", "a")
    with pytest.raises(WrongState, match="paused"):
        arena.assign(arena.store.get_or_create_rater("x" * 32))
    arena.store.set_study_state(arena.study.id, "closed")
    with pytest.raises(WrongState, match="closed"):
        arena.store.record_vote(given.id, arena.rater.id, "alignment", "a")


def test_the_frame_joins_votes_with_both_settings(arena):
    store, given = arena.store, arena.assign()
    show_long_ago(store, given.id)
    vote = store.record_vote(given.id, arena.rater.id, "alignment", "b", decision_ms=5)
    (row,) = store.votes_frame(arena.study.id)
    expected = {
        "vote": vote.id,
        "assignment": given.id,
        "comparison": arena.comparison.id,
        "rater": arena.rater.id,
        "study": arena.study.id,
        "answer": "b",
        "left_side": "b",
        "propensity": 0.25,
        "kind": "matched",
        "factor": "window",
        "block": "1",
        "prompt": "a red chair",
        "window_a": 1,
        "window_b": 2,
        "resolution_a": "64×64",
        "schedule_b": "linear",
        "generation_a": arena.a.id,
        "generation_b": arena.b.id,
        "seconds_a": 1.5,
        "excluded": None,
        "exclusions": [],
        "decision_ms": 5,
        "simulated": False,
        "repeat_of": None,
    }
    assert {key: row[key] for key in expected} == expected
    assert row["settings_b"]["scale"] == 7.5 and row["shown_at"] <= row["answered_at"]
    assert store.votes_frame(None) == [row] and store.votes_frame(None, simulated=True) == []


def test_exclusions_stand_beside_the_votes(arena):
    store = arena.store
    vote = store.record_vote(arena.assign().id, arena.rater.id, "flaws", "a")
    for rule in ("too fast", "risk", "too fast"):
        store.exclude_many([vote.id], rule, "200 ms")
    (row,) = store.votes_frame(arena.study.id)
    assert (row["excluded"], row["exclusions"]) == ("too fast", ["too fast", "risk"])
    assert store.coverage(arena.study.id)[0].raters == 0
    for rule in ("risk", "too fast"):
        store.lift_many([vote.id], rule)
    assert store.votes_frame(arena.study.id)[0]["excluded"] is None
    assert store.coverage(arena.study.id)[0].raters == 1
    assert [(one["rule"], one["lifted_at"] is None) for one in store.exclusions(arena.study.id)] == [
        ("too fast", False),
        ("risk", False),
    ]
    with pytest.raises(NotFound):
        store.exclude_many(["nothing"], "rule", "")


def test_votes_are_set_aside_and_counted_again_together_or_not_at_all(arena):
    store, given = arena.store, arena.assign()
    votes = [store.record_vote(given.id, arena.rater.id, name, "a").id for name in ("flaws", "alignment")]

    def aside():
        return [row["excluded"] for row in store.votes_frame(arena.study.id)]

    with pytest.raises(NotFound):
        store.exclude_many([*votes, "nothing"], "risk", "")
    assert aside() == [None, None]
    store.exclude_many(votes, "risk", "in a hurry")
    with pytest.raises(NotFound):
        store.lift_many([*votes, "nothing"], "risk")
    assert aside() == ["risk", "risk"]
    store.lift_many(votes, "risk")
    assert aside() == [None, None]


def test_coverage_counts_raters_who_answered(arena):
    given = arena.assign()
    for criterion in ("flaws", "alignment"):
        arena.store.record_vote(given.id, arena.rater.id, criterion, "a")
    arena.assign(arena.store.get_or_create_rater("x" * 32))
    (found,) = arena.store.coverage(arena.study.id)
    assert (found.comparison.id, found.raters) == (given.comparison.id, 1)


def test_flaws_map_sides_to_pictures(arena):
    given = arena.assign(left_side="b")
    arena.store.record_flaw(given.id, arena.rater.id, "left", x0=0.1, y0=0.2, x1=0.3, y1=0.4)
    arena.store.record_flaw(given.id, arena.rater.id, "right", kind="broken", note="all black")
    area, broken = arena.store.flaws(arena.study.id)
    assert (area.generation_id, area.left, area.settings["window"], area.x1) == (arena.b.id, True, 2, 0.3)
    assert (broken.generation_id, broken.left, broken.kind, broken.note) == (arena.a.id, False, "broken", "all black")
    for box in ({"x0": -0.1}, {"x1": 1.1}, {"x0": 0.5, "x1": 0.5}, {"y0": float("nan")}):
        with pytest.raises(ValueError, match="fractions"):
            arena.store.record_flaw(given.id, arena.rater.id, "left", **box)


def test_after_the_second_report_of_a_broken_picture_the_pair_is_shown_no_more_and_its_votes_are_set_aside(arena):
    store, other = arena.store, arena.store.get_or_create_rater("b" * 32)
    given = arena.assign()
    store.record_vote(given.id, arena.rater.id, "flaws", "a")
    for _ in range(2):
        store.record_flaw(given.id, arena.rater.id, "left", kind="broken")  # one rater, however insistent
    before = store.design_version(arena.study.id)
    assert store.votes_frame(arena.study.id)[0]["excluded"] is None and store.pairs_on_offer(arena.study.id)
    again = arena.assign(other)
    store.record_flaw(again.id, other.id, "right", kind="broken")
    assert store.pairs_on_offer(arena.study.id) == [] and store.design_version(arena.study.id) != before
    store.record_vote(again.id, other.id, "flaws", "b")
    assert [row["excluded"] for row in store.votes_frame(arena.study.id)] == ["broken", "broken"]


def test_reports_count_once_a_reporter_and_a_keeper_restores_the_pair(arena):
    store, raters = arena.store, [arena.store.get_or_create_rater(letter * 32) for letter in "bcd"]
    given = [arena.assign(rater) for rater in raters]
    store.record_vote(given[0].id, raters[0].id, "flaws", "a")
    for one, rater in zip(given[:2], raters):
        store.record_flaw(one.id, rater.id, "left", kind="broken", reporter="same address")
    assert store.pairs_on_offer(arena.study.id) and store.restore_broken(arena.study.id) == 0
    store.record_flaw(given[2].id, raters[2].id, "left", kind="broken")
    assert store.pairs_on_offer(arena.study.id) == []
    assert store.votes_frame(arena.study.id)[0]["excluded"] == "broken"
    before = store.design_version(arena.study.id)
    assert store.restore_broken(arena.study.id) == 1
    assert store.pairs_on_offer(arena.study.id) and store.votes_frame(arena.study.id)[0]["excluded"] is None
    assert store.design_version(arena.study.id) != before and store.flaws(arena.study.id) == []
    store.record_flaw(given[0].id, raters[0].id, "left", kind="broken")
    store.record_flaw(given[2].id, raters[2].id, "left", kind="broken")
    assert store.pairs_on_offer(arena.study.id)  # the same two again
    assert len(store.exclusions(arena.study.id)) == 1


def test_a_mark_is_taken_back_by_its_rater_for_a_short_while(arena, monkeypatch):
    store, given = arena.store, arena.assign()
    mark, broken = (store.record_flaw(given.id, arena.rater.id, "left", kind=kind) for kind in ("area", "broken"))
    with pytest.raises(NotFound):
        store.lift_mark(mark.id, store.get_or_create_rater("x" * 32).id)
    with pytest.raises(NotFound):
        store.lift_mark(broken.id, store.get_or_create_rater("x" * 32).id)
    store.lift_mark(mark.id, arena.rater.id)
    assert [flaw.kind for flaw in store.flaws(arena.study.id)] == ["broken"]
    late = store.record_flaw(given.id, arena.rater.id, "left")
    monkeypatch.setattr(votes, "UNDO_SECONDS", -1)
    for each in (late, broken):
        with pytest.raises(UndoTooLate):
            store.lift_mark(each.id, arena.rater.id)


def test_a_report_that_is_taken_back_was_never_made(arena):
    store, other = arena.store, arena.store.get_or_create_rater("b" * 32)
    given, again = arena.assign(), arena.assign(other)
    store.record_vote(given.id, arena.rater.id, "flaws", "a")
    store.record_flaw(given.id, arena.rater.id, "left", kind="broken")
    report = store.record_flaw(again.id, other.id, "left", kind="broken")
    assert store.votes_frame(arena.study.id)[0]["excluded"] == "broken" and not store.pairs_on_offer(arena.study.id)
    store.lift_mark(report.id, other.id)
    assert store.votes_frame(arena.study.id)[0]["excluded"] is None and store.pairs_on_offer(arena.study.id)
    assert [flaw.rater_id for flaw in store.flaws(arena.study.id)] == [arena.rater.id]
    store.record_flaw(again.id, other.id, "left", kind="broken")
    assert store.votes_frame(arena.study.id)[0]["excluded"] == "broken" and not store.pairs_on_offer(arena.study.id)


def test_taking_a_report_back_leaves_what_the_keeper_restored(arena):
    store, other = arena.store, arena.store.get_or_create_rater("b" * 32)
    given, again = arena.assign(), arena.assign(other)
    store.record_flaw(given.id, arena.rater.id, "left", kind="broken")
    report = store.record_flaw(again.id, other.id, "left", kind="broken")
    store.restore_broken(arena.study.id)
    store.lift_mark(report.id, other.id)
    for one, rater in ((given, arena.rater), (again, other)):
        store.record_flaw(one.id, rater.id, "left", kind="broken")
    assert store.pairs_on_offer(arena.study.id) and store.flaws(arena.study.id) == []


def test_answers_of_a_rater_who_has_seen_the_results_are_set_aside_from_then_on(arena):
    store, given = arena.store, arena.assign()
    store.record_vote(given.id, arena.rater.id, "flaws", "a")
    for _ in range(2):
        store.note_reading(arena.study.id, arena.rater.id)
    vote = store.record_vote(given.id, arena.rater.id, "alignment", "a")
    store.supersede_vote(vote.id, arena.rater.id, "b")
    rules = {(row["criterion"], row["answer"]): row["excluded"] for row in store.votes_frame(arena.study.id)}
    assert rules == {("flaws", "a"): None, ("alignment", "b"): "saw results"}


def test_deleting_a_picture_keeps_its_votes_and_ends_its_pair(arena):
    arena.store.record_vote(arena.assign().id, arena.rater.id, "flaws", "a")
    arena.store.delete_generation(arena.a.id, OWNER)
    (row,) = arena.store.votes_frame(arena.study.id)
    assert (row["answer"], row["window_a"], row["prompt"]) == ("a", 1, "[deleted 1]")
    assert arena.store.pairs_on_offer(arena.study.id) == []
    with pytest.raises(WrongState, match="deleted"):
        arena.assign(arena.store.get_or_create_rater("x" * 32))


def test_simulated_and_human_never_mix(arena):
    robot = arena.store.get_or_create_rater("z" * 32, simulated=True)
    with pytest.raises(WrongState, match="simulated"):
        arena.assign(robot)
    with pytest.raises(ValueError, match="simulated"):
        arena.store.get_or_create_rater("z" * 32)


def test_a_pair_of_another_study_is_unknown(arena):
    other = arena.store.create_study("two", prompts=[], settings=[], criteria=["flaws"], raters_per_pair=1)
    for picture in (arena.a, arena.b):
        arena.store.publish(picture.id, OWNER)
    (foreign,) = arena.store.add_comparisons(other.id, [NewComparison(arena.a.id, arena.b.id)])
    arena.comparison = foreign
    with pytest.raises(NotFound):
        arena.assign()
