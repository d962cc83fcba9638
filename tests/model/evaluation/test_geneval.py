"""Prompts have GenEval's shape; verdicts follow GenEval's rules."""

from collections import Counter

import pytest
from PIL import Image

from model.evaluation.geneval import (
    COUNTS,
    SUBSET,
    Prompt,
    is_correct,
    read_prompts,
    relations,
    shows_held_out,
    wording,
)
from model.evaluation.judge import Detection

GREY = Image.new("RGB", (512, 512), (176, 180, 186))


def seen(name: str, left: int, top: int, score: float = 0.9, side: int = 100) -> Detection:
    return Detection(name, score, (left, top, left + side, top + side))


def asked(category: str, *items, relation=None) -> Prompt:
    return Prompt(wording(category, items, relation), category, items, relation, False, True)


def painted(*squares) -> Image.Image:
    picture = GREY.copy()
    for colour, left, top in squares:
        picture.paste(colour, (left, top, left + 100, top + 100))
    return picture


def test_full_set_has_genevals_counts_and_no_prompt_twice():
    prompts = read_prompts(553)
    assert Counter(p.category for p in prompts) == COUNTS
    assert len({p.text for p in prompts}) == len(prompts)


def test_small_set_is_stratified_and_part_of_the_full_one():
    small = read_prompts(240)
    assert set(Counter(p.category for p in small).values()) == {SUBSET}
    assert set(small) <= set(read_prompts(553))
    held = Counter(p.category for p in small if p.held_out)
    assert held == {c: 16 for c in COUNTS if c != "single_object"}


def test_other_sizes_of_set_are_refused():
    with pytest.raises(ValueError, match=r"100.*240 and 553"):
        read_prompts(100)


def test_flags_and_texts_follow_from_the_items():
    for prompt in read_prompts():
        assert prompt.text == wording(prompt.category, prompt.items, prompt.relation)
        assert prompt.held_out == shows_held_out(prompt.category, prompt.items)


@pytest.mark.parametrize(
    ("category", "items", "relation", "text"),
    [
        ("single_object", [("apple", None)], None, "a photo of an apple"),
        ("two_object", [("cat", None), ("umbrella", None)], None, "a photo of a cat and an umbrella"),
        ("counting", [("knife", None)] * 3, None, "a photo of three knives"),
        ("colors", [("car", "red")], None, "a photo of a red car"),
        ("position", [("dog", None), ("cup", None)], "left of", "a photo of a dog left of a cup"),
        ("color_attr", [("car", "red"), ("dog", "blue")], None, "a photo of a red car and a blue dog"),
    ],
)
def test_templates(category, items, relation, text):
    assert wording(category, tuple(items), relation) == text


@pytest.mark.parametrize("count", [2, 3, 4])
def test_counts_are_exact(count):
    prompt = asked("counting", *[("cat", None)] * count)
    cats = [seen("cat", 110 * i, 0) for i in range(5)]
    verdicts = [is_correct(prompt, GREY, [*cats[:n], seen("dog", 0, 300)]) for n in range(6)]
    assert verdicts == [n == count for n in range(6)]


def test_every_named_object_must_be_there():
    prompt = asked("two_object", ("cat", None), ("dog", None))
    assert is_correct(prompt, GREY, [seen("cat", 0, 0), seen("dog", 200, 0), seen("cup", 350, 0)])
    assert not is_correct(prompt, GREY, [seen("cat", 0, 0), seen("cat", 200, 0)])
    assert not is_correct(prompt, GREY, [])


def test_colour_belongs_to_the_object():
    prompt = asked("color_attr", ("car", "red"), ("dog", "blue"))
    found = [seen("car", 50, 50), seen("dog", 300, 50)]
    red, blue = (222, 38, 48), (42, 104, 226)
    assert is_correct(prompt, painted((red, 50, 50), (blue, 300, 50)), found)
    assert not is_correct(prompt, painted((blue, 50, 50), (red, 300, 50)), found)


def test_position_is_judged_between_the_surest_boxes():
    prompt = asked("position", ("cat", None), ("dog", None), relation="left of")
    assert is_correct(prompt, GREY, [seen("cat", 0, 200), seen("dog", 300, 200)])
    assert not is_correct(prompt, GREY, [seen("dog", 0, 200), seen("cat", 300, 200)])
    assert not is_correct(prompt, GREY, [seen("cat", 300, 200, 0.9), seen("cat", 0, 200, 0.5), seen("dog", 150, 200)])


@pytest.mark.parametrize(
    ("dx", "dy", "expected"),
    [
        (-200, 0, {"left of"}),
        (200, 0, {"right of"}),
        (0, -200, {"above"}),
        (0, 200, {"below"}),
        (-200, -200, {"left of", "above"}),
        (15, 0, set()),  # within a tenth of the summed widths of 100 + 100 px
        (-200, 60, {"left of"}),  # the vertical part is too small a share of the offset
    ],
)
def test_relations(dx, dy, expected):
    assert relations((200 + dx, 200 + dy, 300 + dx, 300 + dy), (200, 200, 300, 300)) == expected


def test_near_misses_differ_from_every_prompt_in_one_respect():
    from model.evaluation.ceiling import near_miss

    for prompt in read_prompts():
        wrong = near_miss(prompt)
        assert (wrong.items, wrong.relation) != (prompt.items, prompt.relation)
        if prompt.category == "color_attr":
            assert sorted(wrong.items) != sorted(prompt.items)
        if prompt.category == "counting":
            assert abs(len(wrong.items) - len(prompt.items)) == 1
