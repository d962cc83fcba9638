"""A recipe holds known settings only, and those that it leaves out have one default each."""

import json

import pytest

from model.training.recipe import read_recipe


def test_what_is_left_out_has_its_default(recipe):
    values = read_recipe(recipe, {"hidden_size": 64})
    assert (values["foreign"], values["gradient_checkpointing"]) == (0.0, False)
    assert [(cell["micro_batch"], cell["claimed"]) for cell in values["cells"]] == [(None, True)] * 2
    assert (values["model"]["hidden_size"], values["model"]["num_hidden_layers"]) == (64, 2)


def change(values, fields):
    values["caption_dropuot"] = 0.5


def change_cell(values, fields):
    values["cells"][1]["micro_bach"] = 1


def change_model(values, fields):
    values["model"]["qk_nrom"] = False


def change_fields(values, fields):
    fields["qk_nrom"] = False


def leave_out(values, fields):
    del values["ema"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (change, r"the recipe has an unknown 'caption_dropuot'; settings are \['caption_dropout'"),
        (change_cell, r"a cell has an unknown 'micro_bach'; settings are \['batch'.*'micro_batch'"),
        (change_model, r"a field of the config is 'qk_nrom'; it must be one of \[.*'qk_norm'"),
        (change_fields, "a field of the config is 'qk_nrom'"),
        (leave_out, "the recipe has no 'ema'"),
    ],
)
def test_a_misspelt_or_missing_setting_is_named(recipe, spoil, message):
    values, fields = json.loads(recipe.read_text()), {}
    spoil(values, fields)
    recipe.write_text(json.dumps(values))
    with pytest.raises(ValueError, match=message):
        read_recipe(recipe, fields)
