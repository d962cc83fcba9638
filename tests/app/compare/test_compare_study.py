"""A study from its form to the open door: pictures, pairs, controls, frozen contrasts, and everything refused."""

from dataclasses import replace

import pytest
from compare_world import FORM, wait_for
from rows import row_counts

from app.arena import arena
from app.studies import admin as study_admin
from app.studies import new_study
from app.studies import panel as study_panel
from app.studies.prompt_sets import BUILT_IN, built_in_prompts, prompts_from
from app.study.design import CONTROL_KINDS
from app.study.power import Power
from storage.errors import WrongState


@pytest.fixture(scope="module")
def services(drawing_studio):
    return drawing_studio


@pytest.fixture(scope="module")
def study(services):
    made = study_admin.create(services, FORM, "admin")
    wait_for(services, made)
    return study_admin.open_study(services, services.store.get_study(made.id))


def test_an_open_study_has_pairs_every_control_and_frozen_contrasts(services, study):
    entries = services.store.coverage(study.id)
    kinds = {entry.comparison.kind for entry in entries}
    assert kinds == {"matched", *CONTROL_KINDS}
    blocks = {entry.comparison.block for entry in entries if entry.comparison.kind == "matched"}
    assert blocks == {"window 2 | 4", "schedule constant 3 | half-linear 3"}
    assert study.contrasts == ["window=4"] and study.frozen_at <= study.opened_at and study.state == "open"
    degraded = [g for g in services.store.study_generations(study.id) if g.source == "degraded"]
    assert degraded and all(g.derived_from and g.image for g in degraded)


def test_its_invite_leads_to_a_pair_and_its_maker_gets_none(services, study):
    for owner, gets_one in (("a stranger", True), ("admin", False)):
        services.store.record_consent(arena.rater_of(services, owner).id)
        found = arena.next_pair(services, arena.study_for(services, study.invite, owner), owner)
        assert (found is not None) == gets_one


def test_paused_and_closed_studies_hand_out_nothing(services, study):
    services.store.record_consent(arena.rater_of(services, "late").id)
    paused = services.store.set_study_state(study.id, "paused")
    with pytest.raises(WrongState, match="paused"):
        arena.next_pair(services, paused, "late")
    assert study_admin.open_study(services, paused).state == "open"


def test_a_study_is_not_opened_before_its_pictures_are_drawn(services):
    made = study_admin.create(services, replace(FORM, name="early", seeds=1), "admin")
    with pytest.raises(WrongState, match="of 12 pictures"):
        study_admin.open_study(services, made)
    assert study_panel.acted(services, "hold", made.id).count("held")
    study_panel.acted(services, "go-on", made.id)
    assert wait_for(services, made).done == 12


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"prompts": ("one",)}, "at least 2"),
        ({"seeds": 0}, "1 to 8"),
        ({"windows": "3, 4"}, "3"),
        ({"windows": "4", "schedules": "constant 3"}, "nothing is compared"),
        ({"criteria": ("beauty",)}, "beauty"),
        ({"primary": ("window=8",)}, "window=8"),
        ({"name": " "}, "1 to 200"),
        ({"raters_per_pair": 0}, "1 to 100"),
        ({"resolutions": "250"}, "multiple"),
        ({"schedules": "wavy 3, constant 2"}, "wavy"),
        ({"name": "small"}, "exists already"),
    ],
)
def test_bad_forms_are_refused_before_anything_is_written(services, study, change, text):
    before = row_counts(services.store)
    with pytest.raises(ValueError, match=text):
        study_admin.create(services, replace(FORM, **{"name": "other", **change}), "admin")
    after = row_counts(services.store)
    assert (after["study"], after["job"]) == (before["study"], before["job"])


def test_the_preview_tells_cost_and_power(services, study):
    html = new_study.preview_html(services, replace(FORM, name="next"))
    assert "12 pictures" in html and "window 2 | 4" in html and str(Power().votes_needed()) in html
    assert "nothing is compared" in new_study.preview_html(services, replace(FORM, windows="4", schedules="constant 3"))


def test_the_listing_escapes_names(services):
    services.store.create_study("<b>bold</b>", prompts=["x"], settings=[], criteria=["flaws"], raters_per_pair=1)
    html = study_panel.listing_html(services, study_panel.kept_studies(services), "")
    assert "<b>bold" not in html and "invite" in html


def test_power_falls_with_the_root_of_the_votes():
    power = Power()
    assert power.smallest_effect(power.votes_needed()) == pytest.approx(power.effect, rel=0.01)
    assert power.smallest_effect(4 * power.votes_needed()) == pytest.approx(power.effect / 2, rel=0.01)


def test_uploaded_prompts_lose_blank_lines_comments_and_doubles():
    assert prompts_from("# mine\na cat\n\n a  cat \na dog\n") == ["a cat", "a dog"]


def test_built_in_prompts_are_as_many_as_they_say():
    for name in BUILT_IN:
        found = built_in_prompts(name)
        assert len(set(found)) == int(name.split("(")[1][:-1])
