import io
from datetime import timedelta

import pytest
from PIL import Image
from rows import row_counts
from storage_world import OWNER, SETTINGS, STRANGER, png

from storage.errors import NotAllowed, NotFound
from storage.records import GenerationFilter
from storage.schema import utc_now


def listed(store, **where):
    return [item.prompt for item in store.list_generations(GenerationFilter(**where)).items]


def test_a_generation_keeps_everything_that_repeats_it(store, generate):
    job = store.submit_job(OWNER, {"prompt": "p"})
    made = generate(
        "typed",
        owner=None,
        job_id=job.id,
        prompt_sent="sent",
        timings={"decode": 0.5},
        peak_memory_bytes=3 * 2**31,
        numerics_id="cpu-1",
        environment={"torch": "2.13"},
        token_hash="t" * 64,
    )
    found = store.get_generation(made.id, OWNER)
    assert found == made
    assert (found.owner, found.prompt, found.prompt_sent, found.seed) == (OWNER, "typed", "sent", 2**40)
    assert found.settings == SETTINGS and (found.width, found.window) == (64, 2)
    assert found.peak_memory_bytes == 3 * 2**31 and found.timings == {"decode": 0.5}
    assert store.generation_tokens(made.id) == b"\x01\x00"
    assert found.created_at.utcoffset() == timedelta(0)


def test_equal_settings_are_one_row_however_they_are_written(store, generate):
    first = generate(scale=7, schedule="cosine")
    assert generate(scale=7.0, schedule={"kind": "cosine"}).setting_id == first.setting_id
    assert generate(scale=7.5, schedule="cosine").setting_id != first.setting_id


@pytest.mark.parametrize(
    "wrong", [{"scale": float("nan")}, {"window": 1.5}, {"width": None}, {"schedule": {"points": [float("inf")]}}]
)
def test_bad_settings_leave_no_row(store, generate, wrong):
    with pytest.raises(ValueError):
        generate(**wrong)
    assert row_counts(store)["generation"] == 0


def test_prompt_and_seed_are_no_settings(store, generate):
    with pytest.raises(ValueError, match="seed"):
        store.record_generation(
            None, settings={**SETTINGS, "seed": 1}, prompt="", seed=1, image="0" * 64, thumbnail="0" * 64
        )


def test_a_row_cannot_name_a_file_that_is_not_there(store):
    with pytest.raises(FileNotFoundError):
        store.record_generation(None, settings=SETTINGS, prompt="", seed=1, image="0" * 64, thumbnail="0" * 64)


def test_one_picture_per_job_and_index(store, generate):
    job = store.submit_job(OWNER, {})
    first = generate(job_id=job.id, image_index=0, shade=1)
    assert generate(job_id=job.id, image_index=0, shade=2).id == first.id
    assert generate(job_id=job.id, image_index=1, shade=2).id != first.id


def test_private_until_published(store, generate):
    made = generate()
    for viewer in (STRANGER, None):
        with pytest.raises(NotFound):
            store.get_generation(made.id, viewer)
    assert listed(store, viewer=STRANGER) == [] and listed(store, viewer=OWNER) == ["a red chair"]
    with pytest.raises(NotFound):
        store.publish(made.id, STRANGER)
    store.publish(made.id, OWNER)
    assert store.get_generation(made.id, None).published
    assert listed(store, viewer=STRANGER) == ["a red chair"] and listed(store, viewer=STRANGER, mine=True) == []
    store.unpublish(made.id, OWNER)
    assert listed(store) == [] and listed(store, admin=True) == ["a red chair"]


def test_what_an_admin_took_down_stays_down(store, generate):
    made = generate()
    store.publish(made.id, OWNER)
    with pytest.raises(ValueError, match="reason"):
        store.take_down(made.id, "  ")
    assert store.take_down(made.id, "spam").taken_down_reason == "spam"
    assert listed(store, viewer=STRANGER) == []
    with pytest.raises(NotAllowed, match="spam"):
        store.publish(made.id, OWNER)


def test_pages_are_newest_first_and_complete(store, generate):
    made = [generate(f"p{n}").id for n in range(7)]
    where, seen, cursor = GenerationFilter(viewer=OWNER), [], None
    while True:
        page = store.list_generations(where, cursor=cursor, limit=3)
        seen += [item.id for item in page.items]
        if seen[-1] == made[-1]:
            generate("came in between")
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == made[::-1]


def test_filters(store, generate):
    generate("100% wool", window=1, schedule="constant", width=32)
    generate("A Wool_ly cap", window=2, schedule="linear")
    now = utc_now()
    generate("stone", window=4, schedule="linear", height=32)
    assert listed(store, viewer=OWNER, text="wool") == ["A Wool_ly cap", "100% wool"]
    assert listed(store, viewer=OWNER, text="0%") == ["100% wool"]
    assert listed(store, viewer=OWNER, text="l_l") == ["A Wool_ly cap"]
    assert listed(store, viewer=OWNER, text="0%w") == [] == listed(store, viewer=OWNER, text="w_ol")
    assert listed(store, viewer=OWNER, windows=(1, 4)) == ["stone", "100% wool"]
    assert listed(store, viewer=OWNER, schedules=("constant",)) == ["100% wool"]
    assert listed(store, viewer=OWNER, sizes=((32, 64), (64, 32))) == ["stone", "100% wool"]
    assert listed(store, viewer=OWNER, since=now) == ["stone"]
    assert listed(store, viewer=OWNER, until=now, windows=(2, 4)) == ["A Wool_ly cap"]
    assert store.filter_choices(GenerationFilter(viewer=OWNER)) == {
        "sizes": [(32, 64), (64, 32), (64, 64)],
        "windows": [1, 2, 4],
        "schedules": ["constant", "linear"],
    }
    assert store.filter_choices(GenerationFilter(viewer=STRANGER))["sizes"] == []


@pytest.mark.parametrize("text", ["Äpfel", "äpfel", "ÄPFEL", "ЯБЛОКИ", "яблоки"])
def test_text_is_found_in_either_case_in_any_alphabet(store, generate, text):
    generate("Äpfel, Яблоки")
    generate("pears")
    assert listed(store, viewer=OWNER, text=text) == ["Äpfel, Яблоки"]


def test_deleting_leaves_a_tombstone(store, generate):
    job = store.submit_job(OWNER, {"prompt": "secret"})
    store.claim_job("w")
    made = generate("secret", job_id=job.id)
    store.finish_job(job.id)
    store.publish(made.id, OWNER)
    with pytest.raises(NotFound):
        store.delete_generation(made.id, STRANGER)
    store.delete_generation(made.id, OWNER)
    assert not store.images.exists(made.image) and not store.images.exists(made.thumbnail, ".webp")
    left = store.generations_by_id([made.id])[made.id]
    assert left.deleted and left.settings == SETTINGS
    assert (left.prompt, left.prompt_sent, left.owner, left.image) == (None, None, None, None)
    assert store.generation_tokens(made.id) is None
    assert store.get_job(job.id, None).request == {} and store.jobs_of(OWNER) == []
    for viewer in (OWNER, STRANGER):
        with pytest.raises(NotFound):
            store.get_generation(made.id, viewer)
    with pytest.raises(NotFound):
        store.delete_generation(made.id, OWNER)


def test_a_file_stays_while_another_row_names_it(store, generate):
    first, second = generate("one", shade=5), generate("two", shade=5, owner=STRANGER)
    assert first.image == second.image
    store.delete_generation(first.id, OWNER)
    assert store.images.exists(second.image)
    store.delete_generation(second.id, STRANGER)
    assert not store.images.exists(second.image)


def test_copies_go_with_the_picture(store, generate):
    made = generate(shade=1)
    copy = generate(shade=2, source="degraded", derived_from=made.id, owner=None)
    store.delete_generation(made.id, OWNER)
    assert store.generations_by_id([copy.id])[copy.id].deleted and not store.images.exists(copy.image)


def test_everything_of_one_owner_can_go(store, generate):
    generate(shade=1), generate(shade=2), generate("other", owner=STRANGER)
    waiting = store.submit_job(OWNER, {"prompt": "secret"})
    assert store.delete_everything_of(OWNER) == 2
    assert store.get_job(waiting.id, None).state == "cancelled" and store.get_job(waiting.id, None).request == {}
    assert listed(store, admin=True) == ["other"]


def test_prompts_go_with_the_grids_and_replays_of_what_is_deleted(store, generate):
    grid = store.create_study(
        "Grid 1",
        owner=OWNER,
        prompts=["secret"],
        settings=[],
        criteria=["flaws"],
        raters_per_pair=1,
        plan={"grid": {"base": {"prompt": "secret"}, "axes": [["prompt", "secret | more"]]}},
    )
    one, two = generate("secret", shade=1), generate("secret", shade=2)
    replays = [
        store.submit_job(owner, {"prompt": "secret", "typed": "secret", "replay_of": made.id})
        for owner in (OWNER, STRANGER)
        for made in (one, two)
    ]
    other = store.submit_job(STRANGER, {"prompt": "theirs", "replay_of": None})
    store.delete_generation(one.id, OWNER)
    assert [store.get_job(job.id, None).request == {} for job in replays] == [True, False, True, False]
    store.delete_everything_of(OWNER)
    assert all(store.get_job(job.id, None).request == {} for job in replays)
    left = store.get_study(grid.id)
    assert "secret" not in repr(left) and left.owner != OWNER
    assert store.get_job(other.id, STRANGER).request["prompt"] == "theirs"


def test_a_grid_forgets_a_prompt_with_its_last_picture(store, generate):
    plan = {"grid": {"base": {"prompt": "secret", "typed": "secret", "seed": 7}, "axes": [["prompt", "secret | more"]]}}
    values = {"settings": [], "criteria": ["flaws"], "raters_per_pair": 1, "plan": plan}
    grid = store.create_study("Grid 1", owner=OWNER, prompts=["secret", "more"], **values)
    one, two, _ = (generate(text, study_id=grid.id, shade=i) for i, text in enumerate(("secret", "secret", "more")))
    waiting = store.submit_job(OWNER, {"prompt": "secret"}, study_id=grid.id)
    store.delete_generation(one.id, OWNER)
    store.request_cancel(waiting.id, OWNER)
    assert store.get_study(grid.id).prompts == ["secret", "more"]
    store.delete_generation(two.id, OWNER)
    left = store.get_study(grid.id)
    assert "secret" not in repr(left)
    assert left.owner == OWNER and left.prompts == ["deleted prompt 1", "more"]
    assert left.plan["grid"]["axes"] == [["prompt", "deleted prompt 1\nmore"]]
    assert left.plan["grid"]["base"]["seed"] == 7


def test_a_grid_keeps_a_prompt_that_is_still_to_be_drawn(store, generate):
    plan = {"grid": {"base": {"prompt": "secret", "typed": "secret"}, "axes": []}}
    values = {"settings": [], "criteria": ["flaws"], "raters_per_pair": 1, "plan": plan}
    grid = store.create_study("Grid 1", owner=OWNER, prompts=["secret"], **values)
    store.submit_job(OWNER, {"prompt": "secret"}, study_id=grid.id)
    store.delete_generation(generate("secret", study_id=grid.id).id, OWNER)
    assert store.get_study(grid.id).plan == plan


def test_a_picture_that_is_finished_after_its_owner_deleted_everything_is_not_kept(store, generate):
    job = store.submit_job(OWNER, {"prompt": "secret"})
    store.claim_job("w")
    store.delete_everything_of(OWNER)
    with pytest.raises(NotFound):
        generate("secret", owner=None, job_id=job.id)
    assert listed(store, admin=True) == [] and not list(store.images.files())


def test_measured_history_by_cell_and_checkpoint(store, generate):
    job = store.submit_job(OWNER, {"prompt": "p"}).id
    for index, (window, seconds) in enumerate(((1, 4.0), (2, 1.0), (2, 0.0))):
        generate(window=window, seconds=seconds, job_id=job, image_index=index)
    generate(window=2, seconds=9.0, source="rival"), generate(window=2, seconds=7.0)  # brought in from elsewhere
    assert [found.seconds for found in store.measured_seconds(64, 64, 2)] == [1.0]
    generate(window=2, seconds=3.0, job_id=job, image_index=3, checkpoint="other")
    assert [found.seconds for found in store.measured_seconds(64, 64, 2, checkpoint="other")] == [3.0]
    assert [found.seconds for found in store.measured_seconds(checkpoint="abc", limit=1)] == [1.0]
    assert [(found.window, found.steps) for found in store.measured_seconds()] == [(2, 64), (2, 64), (1, 64)]
    assert {found.num_images for found in store.measured_seconds()} == {4}


def test_page_limit_is_checked(store):
    with pytest.raises(ValueError, match="501"):
        store.list_generations(GenerationFilter(), limit=501)


def test_thumbnail_is_small_webp(store):
    stored = store.images.put(png(size=(1000, 500)))
    small = Image.open(io.BytesIO(store.images.read(stored.thumbnail, ".webp")))
    assert (small.format, small.size) == ("WEBP", (256, 128))
