"""The compiled steps against the ones made of torch's operations, and what happens where they can't be compiled."""

import logging
import platform
from pathlib import Path

import pytest
import torch
from torch import Tensor

from rnnsearch.kernels import attention, choice, compiled, native, one_call, products
from rnnsearch.kernels.attention import Additive, Product, Scoring
from rnnsearch.kernels.cells import CellStep, Cudnn, Lstm, Paper
from rnnsearch.kernels.recurrence import Attended, recur
from rnnsearch.training.hardware import hardware

needs_compiler = pytest.mark.skipif(compiled.library() is None, reason="needs a C compiler")
SHAPES = [(1, 1, 1, 1, 1), (3, 4, 2, 5, 7), (5, 2, 6, 33, 17), (2, 3, 500, 16, 64), (21, 3, 4, 12, 9)]  # B, T, S, H, A


def outcome(
    cell: CellStep,
    kind: str | None,
    shape: tuple[int, ...],
    *,
    compiled: bool,
    device: str = "cpu",
    low: torch.dtype = torch.float32,
) -> list[Tensor]:
    """Everything that comes out forward and backward, in single precision, with rows that end and padded sources.

    ``low``: the precision of what autocast would have lowered.
    """
    B, T, S, H, A = shape
    torch.manual_seed(0)
    directions = 1 if kind else 2
    extra = {Cudnn: (directions, 1, H), Paper: (directions, H, H), Lstm: None}[type(cell)]
    sizes = [(directions, T, B, cell.gates * H), (directions, B, cell.parts * H), (directions, cell.joined * H, H)]
    sizes += [extra] if extra else []
    values = [torch.randn(size).to(device).requires_grad_() for size in sizes]
    source = [torch.randn(size).to(device).requires_grad_() for size in ((B, S, A), (B, S, cell.gates * H))]
    weights = [torch.randn(size).to(device).requires_grad_() for size in ((A, H), (A,))]
    padding_BS = torch.zeros(B, S).masked_fill_(torch.arange(S) >= torch.randint(1, S + 1, (B, 1)), -torch.inf)
    active = sorted(torch.randint(1, B + 1, (T,)).tolist(), reverse=True)
    v_A = weights[1] if kind == "additive" else None
    scoring = Scoring(Additive if kind == "additive" else Product, weights[0], v_A)
    attended = Attended(scoring, padding_BS.to(device), source[0].to(low), source[1].to(low)) if kind else None
    given = (values[0].to(low), *values[1:3], values[3] if extra else None)
    states, alphas = recur(cell, *given, active, attended, compiled=compiled)
    (states.sin().sum() + (0.0 if alphas is None else alphas.cos().sum())).backward()
    leaves = values + (source + weights if kind else [])
    found = [states.detach(), *([] if alphas is None else [alphas.detach()])]
    return found + [leaf.grad for leaf in leaves if leaf.grad is not None]


@needs_compiler
@pytest.mark.parametrize("most", [one_call.MOST_THREADS, 0], ids=["in one call", "step by step"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", [None, "additive", "product"])
@pytest.mark.parametrize("cell", [Cudnn(), Lstm(), Paper()], ids=lambda cell: type(cell).__name__)
def test_compiled_steps_are_equal(
    cell: CellStep, kind: str | None, shape: tuple[int, ...], most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_call, "MOST_THREADS", most)
    monkeypatch.setattr(one_call, "SMALL", 0)
    ours, theirs = (outcome(cell, kind, shape, compiled=compiled) for compiled in (True, False))
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5 * max(1.0, float(b.abs().max())))


@needs_compiler
@pytest.mark.parametrize("shape", SHAPES[1:], ids=str)
@pytest.mark.parametrize("kind", [None, "additive", "product"])
@pytest.mark.parametrize("cell", [Cudnn(), Lstm(), Paper()], ids=lambda cell: type(cell).__name__)
def test_what_products_read_and_write_may_lie_in_bfloat16(
    cell: CellStep, kind: str | None, shape: tuple[int, ...]
) -> None:
    """They are then as near as torch's operations, which round the same products' results."""
    exact = outcome(cell, kind, shape, compiled=False)
    found, usual = (outcome(cell, kind, shape, compiled=compiled, low=torch.bfloat16) for compiled in (True, False))
    states, *rest = found
    assert states.dtype == torch.bfloat16
    assert all(part.dtype == torch.float32 for part in rest)
    for a, b, right in zip(found, usual, exact, strict=True):
        assert float((a - right).norm()) < 2 * float((b - right).norm()) + 2**-8 * float(right.norm())


@needs_compiler
def test_bfloat16_is_rounded_as_torch_rounds() -> None:
    """To the nearest, ties to even, infinities and what is no number kept: here as gradients of single logits."""
    patterns = torch.arange(2**16, dtype=torch.int32)
    ends = torch.cat([(patterns << 16) + low for low in (0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF)])
    values = ends.view(torch.float32)
    values = values[values.isfinite()]
    bias, zero = torch.zeros(1, 1, 1), torch.zeros(1, len(values), 1)
    d_s, kept = values.view(1, -1, 1).clone(), torch.zeros(1, len(values), 4)  # r = z = n = 0: d_n = d_s
    d_x, d_p = (torch.empty(1, len(values), 3, dtype=torch.bfloat16) for _ in range(2))
    native.Cudnn().backward(d_s, zero, zero, kept, d_x, d_p, bias)
    assert torch.equal(d_x[0, :, 2], values.bfloat16())


@needs_compiler
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(1, 1), (0, 3), (7, 130), (300, 64)], ids=str)
def test_compiled_sums_of_columns(shape: tuple[int, int], dtype: torch.dtype) -> None:
    matrix_NY = torch.randn(shape).to(dtype)
    torch.testing.assert_close(products.column_sums(matrix_NY), matrix_NY.float().sum(0))


@needs_compiler
@pytest.mark.parametrize("kind", [None, "additive"])
def test_the_number_of_threads_changes_nothing_in_the_compiled_steps(kind: str | None) -> None:
    threads = torch.get_num_threads()
    try:
        found = []
        for count in (1, 2, 2):
            torch.set_num_threads(count)
            found.append(outcome(Cudnn(), kind, (3, 4, 2, 5, 7), compiled=True))
    finally:
        torch.set_num_threads(threads)
    for once, twice, again in zip(*found, strict=True):
        assert torch.equal(twice, again)
        torch.testing.assert_close(once, twice, rtol=1e-5, atol=1e-6)


@needs_compiler
@pytest.mark.parametrize("low", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("cell", [Cudnn(), Lstm(), Paper()], ids=lambda cell: type(cell).__name__)
def test_a_row_s_states_do_not_depend_on_the_rows_beside_it(cell: CellStep, low: torch.dtype) -> None:
    """To the last bit, whatever group of rows it is multiplied in."""
    B, T, S, H, A = 21, 3, 4, 33, 9
    inputs, start = torch.randn(1, T, B, cell.gates * H), torch.randn(1, B, cell.parts * H)
    matrices = torch.randn(1, cell.joined * H, H), torch.randn(A, H), torch.randn(A)
    extra = {Cudnn: torch.randn(1, 1, H), Paper: torch.randn(1, H, H), Lstm: None}[type(cell)]
    keys, gates = torch.randn(B, S, A), torch.randn(B, S, cell.gates * H)

    def states_of(rows: slice) -> tuple[Tensor, Tensor | None]:
        scoring = Scoring(Additive, *matrices[1:])
        attended = Attended(scoring, torch.zeros(B, S)[rows], keys[rows].to(low), gates[rows].to(low))
        given = (inputs[:, :, rows].to(low), start[:, rows], matrices[0], extra)
        return recur(cell, *given, [len(range(B)[rows])] * T, attended, compiled=True)

    states, weights = states_of(slice(0, B))
    assert weights is not None
    for rows in (slice(0, 1), slice(3, 5), slice(8, 15), slice(20, 21), slice(0, 0)):
        few, their_weights = states_of(rows)
        assert torch.equal(few, states[:, :, rows])
        assert their_weights is not None
        assert torch.equal(their_weights, weights[:, rows])


@needs_compiler
@pytest.mark.parametrize("value", [-60.0, -8.0, -0.01, 0.0, 1e-4, 0.3, 8.0, 60.0])
def test_compiled_weights_are_those_of_tanh(value: float) -> None:
    keys_BSA = torch.tensor([[[value, 0.2], [0.1, -value], [-0.5, 0.4]]])
    v_A, padding_BS = torch.tensor([1.5, -0.5]), torch.tensor([[0.0, 0.0, -torch.inf]])
    step = native.Additive(keys_BSA, v_A, padding_BS)
    weights_BS, kept_BA, query_BA = torch.empty(1, 3), torch.empty(1, 2), torch.tensor([[0.7, value / 2]])
    step.forward(query_BA, weights_BS, kept_BA)
    expected_BS = (torch.tanh(query_BA.unsqueeze(1) + keys_BSA) @ v_A + padding_BS).softmax(-1)
    torch.testing.assert_close(weights_BS, expected_BS, rtol=0, atol=1e-6)


@needs_compiler
@pytest.mark.parametrize("shape", [(1, 1), (3, 70), (64, 64), (65, 129)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_compiled_transposes(shape: tuple[int, int], dtype: torch.dtype) -> None:
    matrix_XY = torch.randn(shape).to(dtype)
    assert torch.equal(products.transposed(matrix_XY), matrix_XY.T.float())
    assert torch.equal(products.transposed(matrix_XY.T), matrix_XY.float())
    assert products.transposed(matrix_XY).is_contiguous()


def test_double_precision_keeps_to_torch() -> None:
    assert choice.scoring_step(attention.Additive, torch.zeros(1, dtype=torch.float64)) is attention.Additive


@needs_compiler
@pytest.mark.skipif(platform.machine() != "x86_64", reason="names processors of this kind")
@pytest.mark.parametrize("kind", ["x86-64", *(pytest.param(f"x86-64-v{n}", marks=pytest.mark.slow) for n in (3, 4))])
def test_the_steps_of_other_processors(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Narrower registers, and bfloat16 without instructions for it, where this processor runs what those have."""
    wanted = {"x86-64": set(), "x86-64-v3": {"avx2"}, "x86-64-v4": {"avx512f"}}[kind]
    if not wanted <= {*hardware()["instructions"]}:
        pytest.skip(f"this processor has no {', '.join(wanted)}")
    monkeypatch.setattr(compiled, "FLAGS", tuple(flag.replace("native", kind) for flag in compiled.FLAGS))
    monkeypatch.setattr(one_call, "multiplies_low", lambda: True)
    compiled.library.cache_clear()
    try:
        for cell in (Cudnn(), Lstm(), Paper()):
            for shape in SHAPES[1:]:
                exact = outcome(cell, "additive", shape, compiled=False)
                for a, b in zip(outcome(cell, "additive", shape, compiled=True), exact, strict=True):
                    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5 * max(1.0, float(b.abs().max())))
                usual, low = (
                    outcome(cell, "additive", shape, compiled=compiled, low=torch.bfloat16)
                    for compiled in (False, True)
                )
                for a, b, right in zip(low, usual, exact, strict=True):
                    assert float((a - right).norm()) < 2 * float((b - right).norm()) + 2**-8 * float(right.norm())
    finally:
        monkeypatch.undo()
        compiled.library.cache_clear()


@pytest.mark.parametrize("trouble", ["no compiler", "broken compiler", "read-only cache"])
def test_without_a_compiler_one_line_says_so(
    trouble: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cache = tmp_path / "cache"
    if trouble == "no compiler":
        monkeypatch.setenv("PATH", str(tmp_path))
    elif trouble == "broken compiler":
        (tmp_path / "cc").write_text("#!/bin/sh\necho 'out of licences' >&2\nexit 1\n")
        (tmp_path / "cc").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    else:
        cache.write_text("a file where a folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    compiled.library.cache_clear()
    try:
        with caplog.at_level(logging.INFO, logger="rnnsearch"):
            assert compiled.library() is None
            assert compiled.library() is None
            assert outcome(Cudnn(), "additive", (2, 2, 2, 2, 2), compiled=True)
    finally:
        monkeypatch.undo()
        compiled.library.cache_clear()
    assert len(caplog.records) == 1
    expected = {
        "no compiler": "no C compiler",
        "broken compiler": "out of licences",
        "read-only cache": "exists|directory",
    }
    assert any(word in caplog.text for word in expected[trouble].split("|"))
