"""Settings are tuned on prompts that no reported figure uses."""

from collections import Counter

import pytest

from model.evaluation.geneval import COUNTS, read_prompts
from model.evaluation.tune import accepted, tuning_prompts


def test_tuning_prompts_are_not_those_of_the_report():
    chosen = tuning_prompts(13)
    assert Counter(prompt.category for prompt in chosen) == dict.fromkeys(COUNTS, 13)
    assert 0.2 < sum(p.held_out for p in chosen) / sum(p.category != "single_object" for p in chosen) < 0.6
    assert not {prompt.text for prompt in chosen} & {prompt.text for prompt in read_prompts(240)}


def test_what_is_tried_goes_before_what_the_checkpoint_says_of_a_window(pipe, monkeypatch):
    """Else every row of the table would measure the same settings."""
    monkeypatch.setattr(pipe, "defaults", {**pipe.defaults, "windows": {"2": {"temperature": 0.2}}})

    class Asked(Exception):
        """Instead of a picture: the settings that would have drawn it."""

    def ask(prompts, settings, known):
        raise Asked(settings)

    monkeypatch.setattr(pipe, "_events", ask)
    prompts = [prompt for prompt in read_prompts() if len(prompt.text) <= 24][:1]
    with pytest.raises(Asked) as asked:
        accepted(pipe, None, prompts, 2, 64, 1, {"temperature": 0.9, "guidance_scale": 3.0})
    (used,) = asked.value.args
    assert (used.temperature, used.guidance_scale) == (0.9, 3.0)
