"""Products and log-probabilities of a search, which come by native.c."""

import pytest
import torch
from torch import Tensor

from rnnsearch.kernels import compiled, products, rounded_products
from rnnsearch.kernels.log_probabilities import log_probabilities

LOW, CPU = "bf16-mixed", torch.device("cpu")
SHAPES = [(1, 1, 1), (3, 2, 5), (8, 17, 33), (9, 64, 96), (37, 31, 100), (600, 128, 77)]  # N, X, Y
needs_compiler = pytest.mark.skipif(compiled.library() is None, reason="needs a C compiler")


@pytest.fixture(autouse=True)
def any_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those without instructions of their own for bfloat16 too, where native.c multiplies as it can."""
    monkeypatch.setattr(compiled, "multiplies_low", lambda: compiled.library() is not None)


def given(rows: int, depth: int, columns: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(rows)
    values_NX, weight_YX, bias_Y = (
        torch.randn(size, generator=generator) for size in ((rows, depth), (columns, depth), (columns,))
    )
    return values_NX, weight_YX, bias_Y


def multiplied(*parts: Tensor | None) -> Tensor:
    with torch.inference_mode(), rounded_products.multiplying_in(LOW, CPU):
        return products.linear(*parts)


@needs_compiler
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_what_goes_in_is_rounded_and_what_comes_out_is_not(shape: tuple[int, int, int], bias: bool) -> None:
    values_NX, weight_YX, bias_Y = given(*shape)
    expected_NY = values_NX.bfloat16().double() @ weight_YX.bfloat16().double().T + (bias_Y.double() if bias else 0.0)
    found_NY = multiplied(values_NX, weight_YX, bias_Y if bias else None)
    assert found_NY.dtype == torch.float32
    size = values_NX.abs().double() @ weight_YX.abs().double().T + 1.0
    assert float(((found_NY - expected_NY).abs() / size).max()) < 1e-6


@needs_compiler
def test_rows_of_any_shape_and_matrices_that_are_turned() -> None:
    values_NX, weight_YX, bias_Y = given(12, 7, 40)
    expected_NY = multiplied(values_NX, weight_YX, bias_Y)
    assert torch.equal(multiplied(values_NX.view(3, 4, 7), weight_YX, bias_Y), expected_NY.view(3, 4, 40))
    turned = values_NX.T.contiguous().T, weight_YX.T.contiguous().T, bias_Y.repeat_interleave(2)[::2]
    assert torch.equal(multiplied(*turned), expected_NY)
    assert multiplied(values_NX[:0], weight_YX, bias_Y).shape == (0, 40)
    of_a_part = multiplied(values_NX, weight_YX[8:24], bias_Y[8:24])
    assert torch.equal(of_a_part, expected_NY[:, 8:24])


@needs_compiler
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_row_s_result_is_its_own(shape: tuple[int, int, int], threads: int) -> None:
    """Bitwise the same in any number of rows, at any place, on any number of threads."""
    values_NX, weight_YX, bias_Y = given(600, *shape[1:])
    together_NY = multiplied(values_NX, weight_YX, bias_Y)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for first, rows in ((0, 1), (0, 2), (5, 7), (31, 64), (100, 333), (1, 599)):
            part = slice(first, first + rows)
            assert torch.equal(multiplied(values_NX[part], weight_YX, bias_Y), together_NY[part])
    finally:
        torch.set_num_threads(before)


@needs_compiler
def test_weights_that_are_gone_are_not_taken_for_others() -> None:
    """However soon another matrix lies where one was."""
    with torch.inference_mode(), rounded_products.multiplying_in(LOW, CPU):
        for seed in range(50):
            values_NX, weight_YX, _ = given(5, 16, 32)
            weight_YX = weight_YX + seed
            expected_NY = values_NX.bfloat16().float() @ weight_YX.bfloat16().float().T
            torch.testing.assert_close(products.linear(values_NX, weight_YX, None), expected_NY, atol=1e-3, rtol=1e-5)


@needs_compiler
def test_nothing_else_is_rounded() -> None:
    values_NX, weight_YX, bias_Y = given(6, 50, 9)
    exact_NY = torch.nn.functional.linear(values_NX, weight_YX, bias_Y)
    with rounded_products.multiplying_in(LOW, CPU):
        with torch.no_grad():
            assert not torch.allclose(products.linear(values_NX, weight_YX, bias_Y), exact_NY, atol=1e-4)
            double = [part.double() for part in (values_NX, weight_YX, bias_Y)]
            torch.testing.assert_close(products.linear(*double).float(), exact_NY)
        torch.testing.assert_close(products.linear(values_NX, weight_YX, bias_Y), exact_NY)  # with gradients
        with torch.no_grad(), rounded_products.multiplying_in("32-true", CPU):
            torch.testing.assert_close(products.linear(values_NX, weight_YX, bias_Y), exact_NY)
    with torch.no_grad():
        torch.testing.assert_close(products.linear(values_NX, weight_YX, bias_Y), exact_NY)


def test_what_is_not_to_be_had_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"^search.precision=16-mixed: allowed are 32-true, bf16-mixed$"):
        rounded_products.check_precision("16-mixed", "search.precision")
    monkeypatch.setattr(compiled, "multiplies_low", lambda: False)
    with pytest.raises(ValueError, match=r"^precision=bf16-mixed multiplies by .* leave it at 32-true$"):
        rounded_products.check_precision("bf16-mixed", "precision")
    rounded_products.check_precision("32-true", "precision")
    monkeypatch.setattr(compiled, "multiplies_low", lambda: True)
    with (
        pytest.raises(ValueError, match=r"^search.precision=bf16-mixed is for a processor, and the model is on cuda"),
        rounded_products.multiplying_in("bf16-mixed", torch.device("cuda")),
    ):
        pass


@needs_compiler
@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (5, 64), (40, 1001)], ids=str)
def test_log_probabilities_are_those_of_float64_and_each_row_s_own(shape: tuple[int, int]) -> None:
    logits_NV = 8 * torch.randn(shape, generator=torch.Generator().manual_seed(0))
    expected_NV = torch.log_softmax(logits_NV.double(), dim=-1)
    alone = [logits_NV[n : n + 1].clone() for n in range(len(logits_NV))]
    with torch.inference_mode():
        found_NV = log_probabilities(logits_NV)
        torch.testing.assert_close(found_NV.double(), expected_NV, atol=1e-5, rtol=1e-6)
        assert found_NV.data_ptr() == logits_NV.data_ptr()
        assert torch.equal(torch.cat([log_probabilities(row_1V) for row_1V in alone]), found_NV)


@needs_compiler
@torch.inference_mode()
def test_log_probabilities_of_what_is_no_number() -> None:
    rows = [[0.0, float("nan"), 1.0], [float("inf"), 0.0, 1.0], [-float("inf")] * 3, [-float("inf"), 0.0, 1.0]]
    logits_NV = torch.tensor(rows)
    expected_NV = torch.log_softmax(logits_NV, dim=-1)
    torch.testing.assert_close(log_probabilities(logits_NV.clone()), expected_NV, equal_nan=True)


def test_log_probabilities_with_gradients_are_torch_s() -> None:
    logits_NV = torch.randn(3, 5, requires_grad=True)
    log_probabilities(logits_NV)[:, 0].sum().backward()
    assert logits_NV.grad is not None
    torch.testing.assert_close(log_probabilities(logits_NV), torch.log_softmax(logits_NV, dim=-1))
