"""What a caption says is what the picture holds."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.training.art import colours_of, name_colours, sprite, tones_of, visible_grounds
from model.training.captions import plural, with_article
from model.training.scenes import KINDS, OBJECT, STEP, arrange, combinations, compose, held_out
from model.training.vocabulary import COLOURS, CONCEPTS, GROUNDS, NUMBERS

SIZES = ((512, 512), (768, 512), (512, 768), (256, 256))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), kind=st.sampled_from(KINDS), size=st.sampled_from(SIZES), test=st.booleans())
def test_a_scene_is_true(seed, kind, size, test):
    if test and kind == "single_object":
        test = False
    scene = compose(random.Random(seed), kind, *size, test=test)
    assert scene.image.size == size
    for item in scene.items:
        left, top, right, bottom = item.box
        assert 0 <= left < right <= size[0] and 0 <= top < bottom <= size[1]
        assert left % 16 == 0 and top % 16 == 0
        assert item.colour is None or item.colour in scene.caption
    names = [(item.name, item.colour) for item in scene.items]
    flags = [held_out(*combination) for combination in combinations(kind, names)]
    assert any(flags) == test == scene.held_out
    if kind == "counting":
        assert NUMBERS[len(scene.items)] in scene.caption or str(len(scene.items)) in scene.caption.split()
    else:
        for name in {item.name for item in scene.items}:
            assert any(word in scene.caption for word in (name, *CONCEPTS[name].synonyms))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_positions_are_as_said(seed):
    scene = compose(random.Random(seed), "position", 512, 512)
    (left_a, top_a, right_a, bottom_a), (left_b, top_b, right_b, bottom_b) = (item.box for item in scene.items)
    holds = {
        "left of": right_a <= left_b,
        "right of": left_a >= right_b,
        "above": bottom_a <= top_b,
        "below": top_a >= bottom_b,
    }
    assert holds[scene.relation]


@pytest.mark.parametrize("size", [(512, 512), (768, 512), (1024, 1024)])
def test_lone_objects_stand_about_the_middle_in_one_size(size):
    rng = random.Random(0)
    boxes = [compose(rng, "single_object", *size).items[0].box for _ in range(100)]
    centre = sum(left + right for left, _, right, _ in boxes) / (2 * len(boxes))
    assert centre == pytest.approx(size[0] / 2, abs=0.03 * size[0])
    longest = {max(right - left, bottom - top) for left, top, right, bottom in boxes}
    assert longest == {OBJECT * min(size) // 512}


@pytest.mark.parametrize("size", [(256, 256), (512, 512), (1024, 1024)])
def test_a_drawing_always_meets_the_largest_windows_in_the_same_way(size):
    rng, step = random.Random(0), STEP * max(min(size) // 512, 1)
    kinds = {"single_object": 1, "two_object": 2, "counting": 4} if min(size) > 256 else {"single_object": 1}
    scenes = [arrange(rng, kind, [("cat", None)] * n, None, *size) for kind, n in kinds.items() for _ in range(6)]
    boxes = [item.box for scene in scenes for item in scene.items]
    assert len({(left % step, top % step, right - left) for left, top, right, _ in boxes}) == 1
    assert len({box[:2] for box in boxes}) > 1 or min(size) == 256


def test_about_a_tenth_is_held_out():
    names = list(CONCEPTS)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    share = sum(held_out("pair", tuple(sorted(pair))) for pair in pairs) / len(pairs)
    assert 0.08 < share < 0.12


def test_white_things_stand_on_grounds_that_show_them():
    rng, white = random.Random(0), set()
    for name in ("cat", "house", "star", "bus"):
        for _ in range(12):
            scene = arrange(rng, "colors", [(name, "white")], None, 64, 64)
            corners = np.asarray(scene.image)[[0, -1], 0].astype(int)
            white |= {ground for ground, rgb in GROUNDS.items() if (abs(corners - rgb).max(-1) < 4).any()}
    assert white and not white & {"white", "cream"}


def test_any_two_objects_have_a_wall_and_a_floor():
    hidden = [
        set(GROUNDS) - set(visible_grounds(name, colour))
        for name in list(CONCEPTS)[::12]
        for colour in (None, *colours_of(name))
    ]
    hidden = set(map(frozenset, hidden))
    assert all(len(a | b) <= len(GROUNDS) - 2 for a in hidden for b in hidden)


def test_unknown_kind_names_what_is_allowed():
    with pytest.raises(ValueError, match="single_object"):
        compose(random.Random(0), "triptych", 512, 512)


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("orange car", "an orange car"),
        ("skis", "skis"),
        ("pair of skis", "a pair of skis"),
        ("black pair of skis", "a black pair of skis"),
    ],
)
def test_articles(phrase, expected):
    assert with_article(phrase) == expected


def test_plurals():
    assert plural("knife") == "knives" and plural("dog") == "dogs" and plural("sheep") == "sheep"


def test_tones_of_a_colour_keep_its_name_and_are_of_training_only():
    tones = tones_of("cup", "red")
    assert tones[0] == COLOURS["red"] and len(set(tones)) == len(tones) > 1
    for tone in range(len(tones)):
        pixels = sprite("cup", "red", 96, tone)
        assert next(iter(name_colours(pixels[pixels[..., 3] > 200][:, :3]))) == "red"

    def pictures(**options):
        scenes = (compose(random.Random(seed), "colors", 256, 256, **options) for seed in range(30))
        return [np.asarray(scene.image) for scene in scenes]

    plain, toned = pictures(), pictures(tones=True)
    assert all(np.array_equal(a, b) for a, b in zip(plain, pictures())) and not all(
        np.array_equal(a, b) for a, b in zip(plain, toned)
    )
