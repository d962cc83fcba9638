"""The form of a new study: inputs by name become a form, and what is left empty is said."""

import gradio as gr
import pytest

from app.studies.new_study import OWN_PROMPTS, creating_part, form_from


@pytest.fixture
def values():
    """What the inputs hold at the start."""
    with gr.Blocks():
        inputs, _, _ = creating_part(2.0, ("default",))
    return {name: part.value for name, part in inputs.items()}


def test_the_inputs_make_a_form_and_prompts_of_ones_own_count(values):
    own = {"prompt_set": OWN_PROMPTS, "upload": b"a cat\n", "own": "# mine\na dog", "primary": "window=4; window=2"}
    form = form_from({**values, **own, "name": " mine "})
    assert (form.name, form.prompts, form.primary) == ("mine", ["a cat", "a dog"], ("window=4", "window=2"))
    assert (form.schedules, form.seeds, form.raters_per_pair, form.session_pairs) == ("half-linear 2", 2, 3, 20)


def test_an_empty_number_is_said_and_no_traceback(values):
    with pytest.raises(ValueError, match="raters per pair is empty; give a whole number"):
        form_from({**values, "raters_per_pair": None})
