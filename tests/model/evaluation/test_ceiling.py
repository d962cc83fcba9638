"""The ceiling: scenes of the prompts, judged for what they show and for near misses."""

from model.evaluation.ceiling import by_colour, near_miss, verdicts
from model.evaluation.geneval import read_prompts
from model.evaluation.judge import Detection
from tests.model.training.conftest import painted_art  # noqa: F401


class Everything:
    """A judge that finds one apple in every picture."""

    def detect(self, pictures):
        return [[Detection("apple", 0.9, (10.0, 10.0, 90.0, 90.0))] for _ in pictures]


def test_a_near_miss_differs_from_its_prompt_in_one_respect():
    for prompt in read_prompts(240):
        wrong = near_miss(prompt)
        names, colours = zip(*prompt.items)
        others, other_colours = zip(*wrong.items)
        changes = {
            "objects": sorted(set(names)) != sorted(set(others)),
            "count": len(names) != len(others),
            "colours": list(filter(None, colours)) != list(filter(None, other_colours)),
            "relation": prompt.relation != wrong.relation,
        }
        assert sum(changes.values()) == 1, (prompt, wrong)


def test_only_what_the_judge_finds_is_right(painted_art):  # noqa: F811
    singles = [p for p in read_prompts() if p.category == "single_object"][:4]
    apple = next(p for p in read_prompts() if p.category == "single_object" and p.items[0][0] == "apple")
    right = verdicts(Everything(), [*singles, apple], [*singles, apple], 256, lambda picture: picture)
    assert right == [[p.items[0][0] == "apple"] for p in [*singles, apple]]


def test_a_prompt_counts_for_every_colour_that_it_names():
    prompts = [p for p in read_prompts(240) if p.category == "color_attr"]
    rates = by_colour(prompts, [[True]] * len(prompts))
    assert sum(row["all"].n for row in rates.values()) == 2 * len(prompts)
