"""The compiled engine computes what PyTorch does with the same rounded weights, and says why where it cannot."""

import pytest
import torch

from model import native
from model.decoder import Decoder
from model.packing import NativeProduct, check_engine, lasting_engine, pack, usable_engines
from tests.model.conftest import make_plan, tiny_model
from tests.model.test_decoder import decoded_logits

CPU = torch.device("cpu")
compiled = pytest.mark.skipif("native" not in usable_engines(CPU), reason="no C compiler")


def rounded_model(**overrides):
    """A tiny model whose matrices rounding leaves as they are, so that nothing but arithmetic can differ."""
    model = tiny_model(**overrides)
    with torch.no_grad():
        for weight in (p for p in model.parameters() if p.dim() == 2):
            scale = weight.abs().amax(1, keepdim=True) / 127
            weight.copy_((weight / scale).round() * scale)
    return model


@compiled
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("overrides", [{}, {"num_key_value_heads": 2, "qk_norm": False}])
def test_steps_equal_those_of_pytorch(overrides, padded):
    model, plan = rounded_model(**overrides), make_plan(1, padded=padded)
    exact, seen = (decoded_logits(model, engine, plan) for engine in ("fp32", "native"))
    assert (seen - exact).std() < 1e-3 * exact.std()


@compiled
def test_sums_of_large_equal_numbers_stay_in_32_bits():
    weight, x = torch.ones(8, 1024), torch.full((2, 1024), 1e3)
    torch.testing.assert_close(pack(weight, "native")(x), x @ weight.t(), rtol=1e-4, atol=0)


@compiled
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 8, 11, 17])
def test_product_with_few_and_many_rows(rows):
    product = pack(torch.randn(12, 96), "native")
    x = torch.randn(96, rows).t()  # not contiguous
    assert isinstance(product, NativeProduct)
    exact = x @ (product.rounded * product.scale[:, None]).t()
    assert (product(x) - exact).std() < 1e-4 * exact.std()


@compiled
def test_inputs_that_do_not_fit_stay_in_floating_point():
    weight, x = torch.randn(12, 95), torch.randn(2, 95)
    torch.testing.assert_close(pack(weight, "native")(x), x @ weight.t())


@compiled
def test_numerics_name_the_machine_code():
    assert native.library().digest in Decoder(tiny_model(), "native").numerics


def test_without_a_compiler_the_engine_is_refused(monkeypatch):
    monkeypatch.setattr(native.shutil, "which", lambda _: None)
    native.library.cache_clear()
    assert "native" not in usable_engines(CPU)
    with pytest.raises(ValueError, match="engine is 'native', which needs a C compiler: no cc was found"):
        check_engine("native", CPU)


@compiled
def test_what_the_compiler_says_is_told(monkeypatch, tmp_path):
    broken = tmp_path / "native.c"
    broken.write_text("nonsense")
    monkeypatch.setattr(native, "SOURCE", broken)
    native.library.cache_clear()
    with pytest.raises(ValueError, match=r"does not compile here: .*error"):
        check_engine("native", CPU)


@compiled
def test_what_cannot_be_loaded_is_no_engine(monkeypatch):
    def forbidden(_):
        raise OSError("failed to map segment from shared object")

    monkeypatch.setattr(native.ctypes, "CDLL", forbidden)
    native.library.cache_clear()
    assert lasting_engine(CPU) == "int8"
    with pytest.raises(ValueError, match="cannot be loaded: failed to map"):
        check_engine("native", CPU)


def test_the_engine_is_for_a_cpu():
    with pytest.raises(ValueError, match="engine is 'native', which is for a CPU; the device is cuda"):
        check_engine("native", torch.device("cuda"))
