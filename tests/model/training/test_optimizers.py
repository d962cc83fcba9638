"""Every weight has an optimiser, and hardware without bf16 gets one that it can run."""

import pytest
import torch

from model.training.optimizers import make_optimizers
from tests.model.conftest import tiny_model


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_every_weight_has_one_optimizer(kind, monkeypatch):
    monkeypatch.setattr("model.training.optimizers.has_bf16", lambda: True)
    model = tiny_model()
    held = [p for o in make_optimizers(model, kind, 1e-3) for group in o.param_groups for p in group["params"]]
    assert len(held) == len(set(map(id, held))) == len(list(model.parameters()))


def test_muon_leaves_embedding_and_head_alone(monkeypatch):
    monkeypatch.setattr("model.training.optimizers.has_bf16", lambda: True)
    model = tiny_model(tie_word_embeddings=False)
    muon, adamw = make_optimizers(model, "muon", 1e-3)
    left = {id(p) for p in adamw.param_groups[0]["params"]}
    assert {id(model.lm_head.weight), id(model.model.embed_tokens.weight)} <= left
    assert all(p.ndim == 2 for p in muon.param_groups[0]["params"])


def test_unknown_optimizer():
    with pytest.raises(ValueError, match="adamw"):
        make_optimizers(torch.nn.Linear(2, 2), "sgd", 1e-3)


def test_adamw_steps_in_for_muon_where_bf16_is_emulated(monkeypatch):
    monkeypatch.setattr("model.training.optimizers.has_bf16", lambda: False)
    with pytest.warns(UserWarning, match="AdamW"):
        (optimizer,) = make_optimizers(tiny_model(), "muon", 1e-3)
    assert isinstance(optimizer, torch.optim.AdamW)
