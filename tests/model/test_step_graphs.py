"""Steps as graphs: recorded once and repeated blindly, they draw what single steps draw.

A CPU has no CUDA graphs, so `Recording` does what one does: it notes every kernel with the tensors and numbers that
it was given and calls the same kernels on the same tensors again. A shape or number that changes from step to step,
or a value that is read back, then shows as wrong codes or as an error.
"""

from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

from model.decoder import Decoder, Run
from model.noise import code_noise
from tests.model.conftest import make_plan, tiny_model

READS_BACK = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal")


class Recording(TorchDispatchMode):
    """Stands in for torch.cuda.CUDAGraph."""

    def __init__(self):
        super().__init__()
        self.calls, self.made, self.before = [], set(), {}

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        keywords = keywords or {}
        assert function.overloadpacket.__name__ not in READS_BACK, f"a step read a value back: {function}"
        if function._schema.is_mutable:  # what recording must leave as it was
            for tensor in self.tensors((arguments, keywords)):
                storage = tensor.untyped_storage()
                if storage.data_ptr() not in self.made:
                    self.before.setdefault(storage.data_ptr(), (storage, storage.clone()))
        result = function(*arguments, **keywords)
        known = {t.untyped_storage().data_ptr() for t in self.tensors((arguments, keywords))}
        self.made |= {t.untyped_storage().data_ptr() for t in self.tensors(result)} - known
        self.calls.append((function, arguments, keywords, result))
        return result

    @staticmethod
    def tensors(tree):
        return [leaf for leaf in tree_flatten(tree)[0] if isinstance(leaf, torch.Tensor)]

    def replay(self):
        now = {}  # id of a tensor made while recording -> the one that took its place
        for function, arguments, keywords, result in self.calls:
            arguments, keywords = tree_map(lambda x, now=now: now.get(id(x), x), (arguments, keywords))
            again = self.tensors(function(*arguments, **keywords))
            now |= {id(old): new for old, new in zip(self.tensors(result), again, strict=True)}


@contextmanager
def recorded(recording):
    with recording:
        yield
    for storage, copy in recording.before.values():
        storage.copy_(copy)


@pytest.fixture
def graphs(monkeypatch):
    """Recordings made, in order."""
    made = []

    def new():
        made.append(Recording())
        return made[-1]

    monkeypatch.setattr(torch.cuda, "CUDAGraph", new)
    monkeypatch.setattr(torch.cuda, "graph", recorded)
    return made


def drawn(plan, model, graphed) -> torch.Tensor:
    decoder = Decoder(model, "fp32")
    decoder.graphed = graphed
    run = decoder.start(plan)
    while run.step < run.steps:
        run.advance()
    return run.tokens


def guided_plan(window, padded=True, **changes):
    plan = make_plan(window, 4 * window, 4 * window, padded)  # 16 steps
    return replace(plan, noise=code_noise([(3, 0)], plan.height, plan.width), **{"known": None, **changes})


@pytest.mark.parametrize("window", [1, 2])
@pytest.mark.parametrize("filters", [{}, {"top_k": 20, "top_p": 0.9, "temperature": 0.8}])
def test_repeated_steps_draw_the_same_codes(graphs, window, window_head, filters):
    model, plan = tiny_model(window_head=window_head), guided_plan(window, padded=not filters, **filters)
    assert torch.equal(drawn(plan, model, graphed=True), drawn(plan, model, graphed=False))
    assert len(graphs) == 4 and all(graph.calls for graph in graphs)


def test_most_steps_are_repeated(graphs, monkeypatch):
    launched = []
    original = Run.draw_and_look
    monkeypatch.setattr(Run, "draw_and_look", lambda run, span: (launched.append(span), original(run, span)))
    drawn(guided_plan(1), tiny_model(), graphed=True)
    assert launched == [10, 10, 14, 14, 18, 18, 21, 21]  # of 15: once to warm up and once to record, in each part


def test_leaving_rows_and_known_codes_need_no_special_steps(graphs):
    weights = torch.ones(16)
    weights[:6] = 4.0
    known = torch.full((1, 8, 8), -1)
    known[0, 5:, 3:] = 7
    model, plan = tiny_model(), guided_plan(2, weights=weights, known=known)
    tokens = drawn(plan, model, graphed=True)
    assert torch.equal(tokens, drawn(plan, model, graphed=False))
    assert torch.equal(tokens[known >= 0], known[known >= 0])
    assert len(graphs) == 5  # four parts, and once more with half the rows


def test_steps_go_on_where_no_graph_can_be_made(monkeypatch):
    @contextmanager
    def refuse(_):
        raise RuntimeError("not on this machine")
        yield

    monkeypatch.setattr(torch.cuda, "CUDAGraph", object)
    monkeypatch.setattr(torch.cuda, "graph", refuse)
    model, plan = tiny_model(), guided_plan(2)
    with pytest.warns(UserWarning, match="no CUDA graph could be made: not on this machine") as warned:
        tokens = drawn(plan, model, graphed=True)
    assert len(warned) == 1
    assert torch.equal(tokens, drawn(plan, model, graphed=False))
