"""The gallery's handlers as plain functions, and who is given which picture."""

import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from arena_world import png
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.components.cards import picks, toggled
from app.gallery_handlers import GalleryHandlers, Wish
from app.web import media

ALL = Wish("", "Everything", [], [], [], None, None)
NOBODY = SimpleNamespace(headers={}, request=None)


@pytest.fixture
def handlers(services):
    return GalleryHandlers(services)


@pytest.fixture
def draw(services):
    def add(owner="ann", prompt="a red apple", px=64, window=2, schedule="constant"):
        stored = services.store.images.put(png(len(prompt), px))
        settings = {
            "width": px,
            "height": px,
            "window": window,
            "schedule": {"kind": schedule},
            "scale": 4.0,
            "checkpoint": "test",
        }
        return services.store.record_generation(
            None, prompt=prompt, seed=7, image=stored.image, thumbnail=stored.thumbnail, owner=owner, settings=settings
        )

    return add


def wish(**changes):
    return Wish(**{**vars(ALL), **changes})


def shown(handlers, viewer, **changes):
    return handlers.page(wish(**changes), viewer, None, [])[0].count('class="card"')


def test_an_empty_gallery_and_filters_without_a_hit_say_different_things(handlers, draw):
    assert "Nothing here yet" in handlers.page(ALL, "ann", None, [])[0]
    draw()
    assert "No picture fits these filters" in handlers.page(replace(ALL, text="kite"), "ann", None, [])[0]


def test_filters_narrow_what_one_may_see(handlers, draw):
    draw(), draw(px=128), draw(window=4), draw(prompt="a blue car", schedule="linear"), draw(owner="bob")
    published = draw(owner="bob", prompt="two ducks")
    handlers.act("publish", published.id, "bob")
    assert shown(handlers, "ann") == 5 and shown(handlers, None) == 1
    assert shown(handlers, "ann", scope="Mine") == 4 and shown(handlers, "ann", scope="Published") == 1
    assert shown(handlers, "ann", text="blue") == 1 and shown(handlers, "ann", sizes=["128 × 128"]) == 1
    assert shown(handlers, "ann", windows=[4]) == 1 and shown(handlers, "ann", schedules=["linear"]) == 1
    tomorrow = (datetime.now(timezone.utc) + timedelta(days=1)).timestamp()
    assert shown(handlers, "ann", since=tomorrow) == 0 and shown(handlers, "ann", until=tomorrow) == 5


@pytest.mark.parametrize("forged", [None, "x", {"a": 1}, [1, None, {}], [["nested"]]])
def test_forged_picks_are_nothing(handlers, draw, forged):
    draw()
    assert picks(forged) == [] and toggled(forged, "one") == ["one"]
    assert (
        handlers.page(ALL, "ann", None, forged)[0].count('class="card"') == 1
        and handlers.shown(forged, "ann")[2] is None
    )
    assert len(picks(["a" * 999] * 50)) == 2 and len(picks(["a" * 999])[0]) == 64


@pytest.mark.parametrize(
    "forged", [{"since": 1e300}, {"scope": "All of them"}, {"sizes": ["x"]}, {"windows": ["'; DROP TABLE job"]}]
)
def test_forged_filters_are_refused(handlers, draw, forged):
    with pytest.raises(Exception, match=r"cannot be shown|invalid literal|out of range|too large|Infinity"):
        handlers.page(wish(**forged), "ann", None, [])


def test_prompts_are_text_and_never_html(handlers, draw):
    made = draw(prompt='<img src=x onerror="alert(1)">')
    cards = handlers.page(ALL, "ann", None, [made.id])[0]
    compare, details, _ = handlers.shown([made.id], "ann")
    for html in (cards, compare, details):
        assert "<img src=x" not in html and "&lt;img src=x" in html


def test_the_details_of_a_comparison_say_which_picture_they_are_of(handlers, draw):
    one, two = draw(prompt="one"), draw(prompt="two")
    compared, alone = (handlers.shown(ids, "ann")[1] for ids in ([one.id, two.id], [one.id]))
    assert "A · seed 7, s=2, constant to 4" in handlers.shown([one.id, two.id], "ann")[0]
    assert [re.sub(r"<.*?>", "", part)[:4] for part in compared.split("</article>")[:-1]] == ["Aone", "Btwo"]
    assert re.sub(r"<.*?>", "", alone).startswith("one")


def test_whose_details_were_opened_is_noted_as_seen(handlers, draw, services):
    """Also where no page of the gallery was shown before, as behind a link."""
    made = draw()
    handlers.act("publish", made.id, "ann")
    handlers.shown([made.id], "bob"), handlers.shown([made.id], None)
    assert services.store.seen_generations("bob") == {made.id}


def test_only_the_owner_acts_and_the_second_pick_is_replaced(handlers, draw):
    made, other = draw(), draw(prompt="two")
    for action in ("publish", "unpublish", "delete"):
        for stranger in ("bob", None):
            with pytest.raises(Exception, match=r"no such picture|pick one"):
                handlers.act(action, made.id, stranger)
    assert toggled([made.id, other.id], "third") == [made.id, "third"] and toggled([made.id], made.id) == []
    with pytest.raises(Exception, match="no such picture"):
        handlers.shown([made.id], "bob")
    assert "Deleted" in handlers.act("delete", made.id, "ann") and shown(handlers, "ann") == 1


def test_the_administrator_takes_down_with_a_reason(handlers, draw, services):
    made = draw()
    handlers.act("publish", made.id, "ann")
    for key, reason, text in (
        ("wrong", "rude", "only the administrator"),
        ("", "rude", "only the"),
        ("the key", " ", "give a reason"),
    ):
        with pytest.raises(Exception, match=text):
            handlers.take_down(made.id, reason, key, NOBODY)
    handlers.take_down(made.id, "<b>rude</b>", "the key", NOBODY)
    assert shown(handlers, "bob") == 0
    assert "&lt;b&gt;rude" in handlers.shown([made.id], "ann")[1]
    with pytest.raises(Exception, match="took this picture down"):
        handlers.act("publish", made.id, "ann")


def test_pictures_are_served_by_signed_links_only(services, draw):
    client = TestClient(Starlette(routes=media.routes(services)))
    made, other = draw(), draw(prompt="two")
    link = services.picture_url(made)
    assert client.get(link).content.startswith(b"\x89PNG") and "private" in client.get(link).headers["cache-control"]
    signature = link.partition("k=")[2]
    for path in (
        f"/media/{other.id}/full?k={signature}",
        f"/media/{made.id}/thumb?k={signature}",
        f"/media/{made.id}/full",
    ):
        assert client.get(path).status_code == 403
    for path in (
        "/media/..%2f..%2fetc/full",
        "/studio/..%2fsettings.py",
        "/studio/studio.js",
        "/studio/examples.json",
        "/media/x/../../y",
    ):
        assert client.get(path).status_code in (403, 404)
    saved = client.get(f"{link}&save=settings")
    assert b"a red apple" in saved.content
    assert saved.headers["content-disposition"] == 'attachment; filename="red-apple-s2-seed7-settings.png"'
    plain = client.get(f"{link}&save=image")
    assert b"a red apple" not in plain.content
    assert plain.headers["content-disposition"] == 'attachment; filename="red-apple-s2-seed7.png"'
    services.store.delete_generation(made.id, "ann")
    assert client.get(link).status_code == 404


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ('Ein "Bär"; ../x\r\nSet-Cookie: a', "ein-bar-x-set-cookie-s2-seed7"),
        ("\U0001f34e", "picture-s2-seed7"),
        ("duck " * 80, "-".join(["duck"] * 12) + "-s2-seed7"),
    ],
)
def test_a_downloads_name_is_safe_and_short(draw, prompt, name):
    assert media.file_name(draw(prompt=prompt), "image") == name


def test_links_given_to_everybody_die_when_the_picture_is_published_no_more(services, handlers, draw):
    client = TestClient(Starlette(routes=media.routes(services)))
    made = draw()
    own = services.picture_url(made)
    services.store.publish(made.id, "ann")
    given = services.picture_url(services.store.get_generation(made.id, "bob"))
    assert client.get(given).status_code == 200
    handlers.take_down(made.id, "rude", "the key", NOBODY)
    assert client.get(given).status_code == 403 and client.get(own).status_code == 200
