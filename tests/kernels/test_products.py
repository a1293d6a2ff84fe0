import time
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from rnnsearch.kernels import libraries, products

Given = tuple[Tensor, Tensor, Tensor | None]


def given(*rows: int, bias: bool = True, dtype: torch.dtype = torch.float32) -> Given:
    generator = torch.Generator().manual_seed(0)
    values_NX, weight_YX, bias_Y = (
        torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((*rows, 24), (17, 24), (17,))
    )
    return values_NX.to(dtype), weight_YX.to(dtype), bias_Y.to(dtype) if bias else None


@pytest.fixture(params=["oneDNN", "torch"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The products of both libraries, however small."""
    if request.param == "torch":
        monkeypatch.setattr(products, "_ONEDNN", None)
    elif products._ONEDNN is None:
        pytest.skip("this torch has no oneDNN")
    monkeypatch.setattr(products, "ENOUGH", 1)
    return str(request.param)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [(1,), (9,), (3, 4), (2, 1, 5), (0,)], ids=str)
def test_value_and_gradient_are_those_of_float64(library: str, rows: tuple[int, ...], bias: bool) -> None:
    results = []
    for product, dtype in ((products.linear, torch.float32), (functional.linear, torch.float64)):
        inputs = [None if part is None else part.requires_grad_() for part in given(*rows, bias=bias, dtype=dtype)]
        value_NY = product(*inputs)
        (value_NY * torch.arange(17, dtype=dtype)).sum().backward()
        results.append([value_NY, *(part.grad for part in inputs if part is not None)])
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got.double(), expected, atol=2e-5, rtol=1e-5)


def test_nothing_is_kept_without_gradients(library: str) -> None:
    values_NX, weight_YX, bias_Y = given(5)
    weight_YX.requires_grad_()
    with torch.no_grad():
        assert products.linear(values_NX, weight_YX, bias_Y).grad_fn is None
    with torch.inference_mode():
        inference_NY = products.linear(values_NX, weight_YX, bias_Y)
    torch.testing.assert_close(inference_NY, products.linear(values_NX, weight_YX, bias_Y).detach())


def test_a_part_without_gradient_gets_none(library: str) -> None:
    values_NX, weight_YX, bias_Y = given(5)
    products.linear(values_NX.requires_grad_(), weight_YX, bias_Y).sum().backward()
    assert values_NX.grad is not None
    assert weight_YX.grad is None


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The libraries in use, back to what they were afterwards."""
    found: dict[str, str] = {}
    monkeypatch.setattr(products, "CHOSEN", found)
    return found


def test_a_library_is_measured_once(chosen: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = libraries.choose("auto", tmp_path / "cache", "a processor")
    assert found.keys() == libraries.SHAPES.keys()
    assert set(found.values()) <= set(libraries.LIBRARIES)
    monkeypatch.setattr(libraries, "measured", lambda: dict.fromkeys(libraries.SHAPES, "neither"))
    assert libraries.choose("auto", tmp_path / "cache", "a processor") == found == chosen
    for where in ("a processor with other instructions", "a third"):
        assert set(libraries.choose("auto", tmp_path / "cache", where).values()) == {"neither"}
    (tmp_path / "cache" / "products.json").write_text('{"a processor')
    assert set(libraries.choose("auto", tmp_path / "cache", "a processor").values()) == {"neither"}
    (tmp_path / "file").write_text("")
    assert set(libraries.choose("auto", tmp_path / "file", "a processor").values()) == {"neither"}


def test_a_library_may_be_given_by_kind(chosen: dict[str, str], tmp_path: Path) -> None:
    rest = dict.fromkeys(libraries.SHAPES, "onednn")
    assert libraries.choose({"rows": "torch"}, tmp_path, "a processor") == {**rest, "rows": "torch"} == chosen
    with pytest.raises(
        ValueError, match=r"products=\{columns: ...\}: there is no such kind of product; name rows, steps"
    ):
        libraries.choose({"columns": "torch"}, tmp_path, "a processor")
    libraries.use({"small rows": "torch"})  # as an earlier version wrote it
    assert chosen["small_rows"] == "torch"
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("faster", libraries.LIBRARIES)
def test_the_faster_library_is_taken(faster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not products.has_onednn():
        pytest.skip("this torch has no oneDNN")
    names = iter(["onednn", "torch"] * libraries.ROUNDS * len(libraries.SHAPES))
    monkeypatch.setattr(libraries, "timeit", lambda way, number: 1.0 if next(names) == faster else 2.0)
    assert set(libraries.measured().values()) == {faster}


def test_the_chosen_library_multiplies(chosen: dict[str, str]) -> None:
    """Both round in their own way, and search keeps to one."""
    if not products.has_onednn():
        pytest.skip("this torch has no oneDNN")
    values_NX, weight_YX = torch.randn(40, 500), torch.randn(400, 500)
    theirs, ours = functional.linear(values_NX, weight_YX), products.by_onednn(values_NX, weight_YX, None)
    assert torch.equal(products.product(values_NX, weight_YX), ours)
    libraries.choose("torch", Path(), "")
    assert torch.equal(products.product(values_NX, weight_YX), theirs)
    assert torch.equal(products.Repeated(weight_YX, 40)(values_NX), theirs)
    with torch.no_grad():
        assert torch.equal(products.linear(values_NX, weight_YX, None), ours)


@pytest.mark.parametrize("size", [5, 96, 512])
def test_in_search_a_row_does_not_depend_on_how_many_there_are(size: int) -> None:
    """Bit for bit, on the processor at hand, from 1 to 600 rows."""
    if not products.has_onednn():
        pytest.skip("this torch has no oneDNN")
    weight_YX, bias_Y, values_NX = torch.randn(3 * size, size), torch.randn(3 * size), torch.randn(600, size)
    with torch.no_grad():
        whole = products.linear(values_NX, weight_YX, bias_Y)
        for rows in (*range(1, 34), 63, 64, 65, 100, 128, 257, 512, 599):
            assert torch.equal(products.linear(values_NX[:rows], weight_YX, bias_Y), whole[:rows])


def test_the_matrix_alone_chooses_the_library() -> None:
    """Else a sentence would be rounded differently in another batch."""
    for rows in (1, 7, 500):
        assert products._suits(torch.zeros(rows, 128), torch.zeros(128, 128)) == (products._ONEDNN is not None)
        assert not products._suits(torch.zeros(rows, 8), torch.zeros(8, 8))


def test_views_multiply_as_their_copies(library: str) -> None:
    values_NX, weight_YX, bias_Y = given(9)
    turned_NX = values_NX.T.contiguous().T
    torch.testing.assert_close(
        products.linear(turned_NX, weight_YX, bias_Y), products.linear(values_NX, weight_YX, bias_Y)
    )


def test_double_precision_is_torchs_own(library: str) -> None:
    inputs = given(5, dtype=torch.float64)
    assert torch.equal(products.linear(*inputs), functional.linear(*inputs))


@pytest.mark.parametrize("autocast", [False, True])
def test_bfloat16_is_rounded_at_the_end(library: str, autocast: bool) -> None:
    """Sums are kept in float32 until then; under autocast so are a bias and the gradients of weights."""
    inputs = [part for part in given(3, 50, dtype=torch.float32 if autocast else torch.bfloat16) if part is not None]
    rounded = [part.bfloat16().double().requires_grad_() for part in inputs]
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        found = products.linear(*(part.requires_grad_() for part in inputs))
    expected = functional.linear(*rounded)
    (found.double() * expected.detach().sign()).sum().backward()
    (expected * expected.detach().sign()).sum().backward()
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.double(), expected, rtol=2**-7, atol=2**-7)
    for part, exact in zip(inputs, rounded, strict=True):
        assert part.grad is not None
        assert part.grad.dtype == part.dtype
        torch.testing.assert_close(part.grad.double(), exact.grad, rtol=2**-7, atol=0.1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("turned", [False, True])
def test_a_packed_matrix_multiplies_any_number_of_rows(library: str, dtype: torch.dtype, turned: bool) -> None:
    weight_YX = torch.randn(24, 17, dtype=dtype).T if turned else torch.randn(17, 24, dtype=dtype)
    packed = products.Repeated(weight_YX, 5)
    for rows in (1, 5, 40):
        values_NX = torch.randn(rows, 24, dtype=dtype)
        torch.testing.assert_close(packed(values_NX), values_NX @ weight_YX.T, rtol=2e-2, atol=1e-1)


def test_autocast_is_obeyed(library: str) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert products.linear(*given(5)).dtype == torch.bfloat16


def test_a_part_of_a_wider_matrix_is_no_slower_than_its_copy() -> None:
    wide_NY, values_NX = torch.randn(1280, 288), torch.randn(1280, 96)
    part_NY = wide_NY[:, -96:]

    def seconds(d_NY: Tensor) -> float:
        times = []
        for _ in range(5):
            begun = time.perf_counter()
            products.weight_gradient(d_NY, values_NX)
            times.append(time.perf_counter() - begun)
        return min(times)

    copied = seconds(part_NY.contiguous())
    assert seconds(part_NY) < 20 * copied  # 1,000 times, where oneDNN gets rows with gaps
    torch.testing.assert_close(products.weight_gradient(part_NY, values_NX), part_NY.T @ values_NX, atol=1e-3, rtol=0)
