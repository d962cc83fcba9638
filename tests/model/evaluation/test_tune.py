"""Settings are tuned on prompts that no reported figure uses."""

from collections import Counter

from model.evaluation.geneval import COUNTS, read_prompts
from model.evaluation.tune import tuning_prompts


def test_tuning_prompts_are_not_those_of_the_report():
    chosen = tuning_prompts(13)
    assert Counter(prompt.category for prompt in chosen) == dict.fromkeys(COUNTS, 13)
    assert 0.2 < sum(p.held_out for p in chosen) / sum(p.category != "single_object" for p in chosen) < 0.6
    assert not {prompt.text for prompt in chosen} & {prompt.text for prompt in read_prompts(240)}
