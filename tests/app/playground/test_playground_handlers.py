"""The Playground's handlers as plain functions, the examples, and the About page's texts."""

import random
from dataclasses import replace
from types import SimpleNamespace

import pytest
from compare_world import finished
from PIL import Image

from app import about
from app.drawing.record import request_of
from app.pages.about import delete_everything
from app.playground.controls import Controls
from app.playground.example_cards import examples_html
from app.playground.examples import ASSETS, draw_examples, load_examples
from app.playground.handlers import Handlers
from app.playground.presets import presets
from app.playground.rewrite import Reading
from app.request import GenerationRequest
from app.web.identity import COOKIE
from model.checkpoint import checkpoint_hash
from model.pipeline import WEIGHTS

CONTROLS = Controls(
    "please draw a cute red duck", "1:1", 256, 256, 256, 4, "half-linear", 3.0, 0.5, "", 1.0, 0, 1.0, 5, False, 1
)


@pytest.fixture(scope="module")
def services(drawing_studio):
    return drawing_studio


@pytest.fixture
def handlers(services):
    return Handlers(services)


@pytest.fixture
def visitor(services):
    return request_with(services.identity.new_token())


def drawn(services, job):
    """The first picture of a queued job."""
    assert finished(services, job, job.owner).state == "done"
    return services.generations_of_job(job)[0]


def request_with(token, query=None):
    return SimpleNamespace(headers={"cookie": f"{COOKIE}={token}"}, query_params=query or {}, client=None, request=None)


def changed(**changes):
    return Controls(**{**vars(CONTROLS), **changes})


def test_both_the_typed_and_the_rewritten_prompt_are_kept(services, handlers, visitor):
    owner = handlers.owner(visitor, None)
    job = handlers.start(CONTROLS, None, visitor)
    assert (job.request["typed"], job.request["prompt"]) == ("please draw a cute red duck", "a red duck")
    plain = handlers.start(changed(rewrite=False), None, visitor)
    assert (job.owner, plain.owner) == (owner, owner)
    assert plain.request["prompt"] == plain.request["typed"] == "please draw a cute red duck"


@pytest.mark.parametrize("rewriting", [True, False])
def test_using_the_settings_again_sends_the_same_text(handlers, rewriting):
    wanted = changed(rewrite=rewriting)
    request = wanted.request(handlers.sent(wanted))
    again = handlers.controls_of(request)
    assert again.rewrite is rewriting and again.request(handlers.sent(again)) == request


def test_words_are_escaped_and_say_what_will_be_sent(handlers):
    html = handlers.words("a <script>alert(1)</script> duck", True)
    assert "<script>" not in html and "Sent as: <b>a duck</b>" in html
    assert "Sent as" not in handlers.words("a red duck", True) and "Sent as" not in handlers.words("zebra duck", False)


def test_what_the_sent_prompt_leaves_out_is_said(handlers):
    html = handlers.words("nine apples, a car and a duck", True)
    assert "Sent as: <b>four apples and a car</b>" in html
    assert "(two things at most: the duck is left out; four is the highest count)" in html
    assert "left out" not in handlers.words("nine apples, a car and a duck", False)


@pytest.mark.parametrize("prompt", ["\U0001f34e\U0001f34e", "zzzz", "ein Bär "])
def test_where_no_word_is_known_that_is_said(handlers, prompt):
    assert "Nothing here that this model knows" in handlers.words(prompt, True)


@pytest.mark.parametrize("prompt", ["", "a ", "a red", "a zzzz duck", "re", "aple"])
def test_a_prompt_with_something_known_or_only_begun_is_not_called_empty(handlers, prompt):
    assert "Nothing here" not in handlers.words(prompt, True)


def test_nothing_is_looked_up_in_what_is_no_prompt(handlers, visitor, monkeypatch):
    looked: list[str] = []
    monkeypatch.setattr("app.playground.handlers.rewrite", lambda text, _: looked.append(text) or text)
    monkeypatch.setattr("app.playground.describe.read", lambda text, _: looked.append(text) or Reading(text))
    monkeypatch.setattr("app.playground.describe.unknown_words", lambda text, _: looked.append(text) or {})
    for prompt, text in (("zebr " * 10_000, "at most 400"), (["x"], "must be a text")):
        with pytest.raises(Exception, match=text):
            handlers.start(changed(prompt=prompt), None, visitor)
        handlers.words(prompt, True)
    assert looked and max(map(len, looked)) <= 400


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"schedule": "custom", "points": "x"}, "no control point"),
        ({"aspect": "2:1"}, "aspect"),
        ({"num_images": 9}, "between 1 and 4"),
        ({"schedule": "custom", "points": 5}, "must be a text"),
        ({"prompt": {"a": 1}}, "must be a text"),
    ],
)
def test_what_cannot_be_drawn_is_said_with_the_reason_and_not_offered(handlers, change, text):
    _, html, drawable = handlers.describe(changed(**change))
    assert text in html and not drawable
    assert handlers.describe(CONTROLS)[2]


def test_what_a_size_costs_is_said_whatever_the_prompt(handlers):
    _, html, drawable = handlers.describe(changed(prompt="x " * 450))
    assert drawable and "256 × 256 px" in html


def test_presets_stay_at_the_checkpoints_own_scale_except_the_papers(handlers):
    scales = {name: handlers.preset(name)[1] for name in presets(handlers.services.tuned)}
    assert scales.pop("The paper's") == 7.5 and scales.pop("Off") == 1 and set(scales.values()) == {3}
    assert handlers.preset("Bump")[3] == "0:1, 0.35:3, 0.65:3, 1:1.3"
    with pytest.raises(Exception, match="no preset; there are Tuned"):
        handlers.preset("Paper")


def test_the_preset_that_the_controls_are_is_known_and_no_other(handlers):
    for name in presets(handlers.services.tuned):
        schedule, scale, ramp_end, points = handlers.preset(name)
        chosen = changed(schedule=schedule, scale=scale, ramp_end=ramp_end, points=points)
        assert handlers.preset_of(chosen) == name
    assert handlers.preset_of(CONTROLS) == "Tuned" and handlers.preset_of(changed(scale=3.25)) is None
    assert handlers.preset_of(changed(schedule="constant", ramp_end=0.1)) == "Constant", "a ramp that plays no part"
    assert handlers.preset_of(changed(schedule="custom", points="x")) is None


def test_settings_of_a_picture_without_a_job_come_from_itself(services, handlers, visitor):
    owner = handlers.owner(visitor, None)
    made = drawn(services, handlers.start(changed(rewrite=False), None, visitor))
    for picture in (made, replace(made, job_id=None)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(services.store, "get_generation", lambda *_, shown=picture: shown)
            again = handlers.reused(made.id, owner)
        assert (again.prompt, again.seed, again.size()) == (CONTROLS.prompt, made.seed, (256, 256))
    with pytest.raises(Exception, match="no such picture"):
        handlers.reused(made.id, "bob")


def test_settings_that_were_taken_over_or_replayed_are_noted_as_seen(services, handlers, visitor):
    made = drawn(services, handlers.start(changed(rewrite=False), None, visitor))
    services.store.publish(made.id, made.owner)
    handlers.reused(made.id, "bob"), handlers.reused(made.id, None)
    replayed = finished(services, services.replay(made.id, "ann"), "ann")
    assert made.id not in services.store.seen_generations("ann")
    handlers.view(replayed, "ann")
    for stranger in ("bob", "ann"):
        assert made.id in services.store.seen_generations(stranger)


def test_filters_that_are_off_stay_off_whatever_the_checkpoint_was_tuned_with(services, handlers, visitor, monkeypatch):
    tuned = {**services.pipeline.defaults, "top_k": 5, "top_p": 0.5}
    monkeypatch.setattr(services.pipeline, "defaults", tuned)
    shown = handlers.default_controls()
    assert (shown.top_k, shown.top_p) == (5, 0.5)
    emptied = changed(top_k=None, top_p=None).request()
    assert (emptied.top_k, emptied.top_p) == (0, 1)
    made = drawn(services, handlers.start(changed(top_k=0, top_p=1.0, rewrite=False), None, visitor))
    assert made.settings["top_k"] is None and made.settings["top_p"] is None
    again = handlers.reused(made.id, made.owner)
    assert (again.top_k, again.top_p) == (0, 1)
    used = services.pipeline.validate(**request_of(made).arguments())
    assert (used.top_k, used.top_p) == (0, 1), "a replay"


def test_pictures_of_one_job_share_their_facts(services, handlers, visitor):
    owner = handlers.owner(visitor, None)
    made = drawn(services, handlers.start(changed(num_images=2, rewrite=False), None, visitor))
    job = services.store.get_job(made.job_id, owner)
    details = handlers.view(job, owner).details
    assert details.count("<dt>seed</dt>") == 1 and details.count("Download picture") == 2
    assert "Picture 1" in details and "Picture 2" in details
    assert f"<dd>{services.checkpoint}</dd>" in details and f"<dd>{made.created_at:%d %b %Y, %H:%M} UTC</dd>" in details


def test_surprises_are_made_of_known_words(handlers):
    random.seed(1)
    surprises = [handlers.surprise() for _ in range(20)]
    assert len(set(surprises)) > 5
    for text in surprises:
        assert handlers.words(f"{text} ", True) == "", text


def test_an_interrupted_job_is_offered_to_its_owner_only(services, handlers, visitor, monkeypatch):
    owner = handlers.owner(visitor, None)
    monkeypatch.setattr(services.store, "claim_job", lambda worker_id: None)  # the worker leaves the job to this test
    job = services.store.submit_job(owner, GenerationRequest("x", "x", 1024, 1024, 1, seed=1).as_dict())
    assert services.store.take_job(job.id, "test") and services.store.interrupt_job(job.id)
    assert handlers.view(services.store.get_job(job.id, owner), owner).resumable
    with pytest.raises(Exception, match="no such job"):
        handlers.resume(job.id, None, request_with(services.identity.new_token()))
    assert handlers.resume(job.id, None, visitor) == job.id
    with pytest.raises(Exception, match="only an interrupted job"):
        handlers.resume(job.id, None, visitor)
    services.stop(job.id, owner)


def test_a_grid_in_work_leaves_the_playground_free(services, handlers, visitor):
    owner = handlers.owner(visitor, None)
    study = services.store.create_study(
        "Grid x", owner=owner, prompts=[], settings=[], criteria=["flaws"], raters_per_pair=1
    )
    asked = GenerationRequest("a duck", "a duck", 256, 256, 4, seed=1)
    own = services.submit(owner, asked)
    services.submit(owner, replace(asked, seed=2), study_id=study.id, grid=True)
    assert handlers.arrive(None, visitor).job_id == own.id


def test_examples_are_shown_only_for_the_checkpoint_that_drew_them(services, handlers, tmp_path):
    assert handlers.examples == []
    draw_examples(services.pipeline, tmp_path, [GenerationRequest("a <duck>", "a <duck>", 256, 256, 4, seed=3)])
    (example,) = load_examples(services.checkpoint, tmp_path / "examples.json")
    assert Image.open(tmp_path / example.file).size == (256, 256) and example.steps == 16
    assert load_examples("another", tmp_path / "examples.json") == []
    assert "a &lt;duck&gt;" in examples_html([example])
    handlers.examples = [example]
    chosen, stage = handlers.example(0)
    assert (chosen.prompt, chosen.seed, chosen.random_seed, chosen.window) == ("a <duck>", 3, False, 4)
    assert stage.count("<rect") == 16 and "<duck>" not in stage
    for forged in (1, -1, "0", None):
        with pytest.raises(Exception, match="no such example"):
            handlers.example(forged)


def test_the_shipped_examples_were_drawn_by_the_shipped_weights():
    shown = load_examples(checkpoint_hash(WEIGHTS))
    assert shown, "new weights? draw the examples again: python -m app.playground.examples"
    assert sum((ASSETS / example.file).stat().st_size for example in shown) < 1_000_000


def test_everything_of_one_visitor_can_go(services, handlers, visitor):
    owner = handlers.owner(visitor, None)
    with pytest.raises(Exception, match="tick the box"):
        delete_everything(services, owner, False)
    assert "deleted" in delete_everything(services, owner, True)
    with pytest.raises(Exception, match="tick the box"):
        delete_everything(services, None, True)


def test_the_about_page_says_what_is_loaded_and_how_the_server_is(services):
    assert "1024 × 1024 px" in about.steps_table() and "4,096" in about.steps_table()
    assert services.checkpoint in about.checkpoint_html(services) and "duck" in about.checkpoint_html(services)
    assert "sqlite" in about.server_html(services)
    assert "http://here:1" in about.api_html("http://here:1")
