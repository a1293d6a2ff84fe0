"""The fused, the portable and the plain path at the edges: they agree wherever a batch or a training is unusual."""

import copy
import functools
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from rnnsearch.kernels.attention import Additive, Product, Scoring
from rnnsearch.kernels.cells import CellStep, Cudnn, Lstm, Paper
from rnnsearch.kernels.recurrence import Attended, recur
from rnnsearch.model.translator import Translator

from ..model.designs import MODERN, PAPER, Batch, batch, build
from ..model.oracle import Design
from ..training.test_module import collate, fit, module, rows, translator

KERNELS = ("fused", "portable", "plain")
DESIGNS = [
    PAPER,
    *(MODERN.but(cell=cell) for cell in ("cudnn", "lstm")),
    *(MODERN.but(mechanism=mechanism) for mechanism in ("general", "fixed")),
    MODERN.but(layers=2, residual=True),
    MODERN.but(mechanism="location_only"),
    *(MODERN.but(query_state="current", mechanism=mechanism) for mechanism in ("additive", "general")),
]
every_design = pytest.mark.parametrize("design", DESIGNS, ids=str)
BATCHES = {
    "length 1": ([[4], [9]], [[2], [2]]),
    "batch of 1": ([[4, 7, 5]], [[2, 6, 9, 5]]),
    "one word alone": ([[4]], [[2]]),
    "all lengths different": ([[4 + i % 6] * (7 - i) for i in range(7)], [[2, *[5] * (3 * i % 7)] for i in range(7)]),
    "500 words": ([[4 + i % 6 for i in range(500)], [7, 8]], [[2, 5, 6], [2, 4]]),
    "equal lengths": ([[4, 5], [6, 7], [8, 9]], [[2, 5], [2, 6], [2, 7]]),
}


def small(design: Design, kernels: str, dtype: torch.dtype = torch.float32) -> Translator:
    """A translator whose values are small enough for single precision to be compared closely."""
    built = build(design, kernels=kernels).to(dtype)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.mul_(0.5)
    return built


def outcome(model: torch.nn.Module, of: Translator, given: Batch) -> dict[str, Tensor]:
    """Log-probabilities, and the gradient of their sum over real words, of every parameter that has one."""
    readouts_BTR, _ = model(*given[:3])
    log_probs_BTV = torch.log_softmax(of.logits(readouts_BTR), dim=-1)
    log_probs_BTV.masked_fill(~given[3].unsqueeze(-1), 0.0).sin().sum().backward()
    found = {name: p.grad for name, p in of.named_parameters() if p.grad is not None}
    return {"log p": log_probs_BTV.detach()[given[3]], **found}


def assert_equal(found: Sequence[dict[str, Tensor]], *, relative: float) -> None:
    """Same names, and values that differ by a share of the largest."""
    first, *others = found
    for other in others:
        assert other.keys() == first.keys()
        for name, value in first.items():
            close = relative * max(1.0, float(value.abs().max()))
            torch.testing.assert_close(other[name], value, rtol=0, atol=close, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("name", [n if n != "500 words" else pytest.param(n, marks=pytest.mark.slow) for n in BATCHES])
@every_design
@pytest.mark.parametrize(("dtype", "relative"), [(torch.float32, 2e-5), (torch.float64, 1e-11)])
def test_paths_agree(design: Design, name: str, dtype: torch.dtype, relative: float) -> None:
    models = [small(design, kernels, dtype) for kernels in KERNELS]
    assert_equal([outcome(model, model, batch(*BATCHES[name])) for model in models], relative=relative)


FROZEN = [
    "encoder",
    "encoder.embedding",
    "encoder.layers",
    "decoder.embedding",
    "decoder.context",
    "decoder.transition",
]


@pytest.mark.parametrize("part", FROZEN)
@pytest.mark.parametrize("design", [PAPER, MODERN, MODERN.but(mechanism="fixed")], ids=str)
def test_frozen_parts_get_no_gradient_and_change_no_other(design: Design, part: str) -> None:
    found = []
    for kernels in KERNELS:
        model = small(design, kernels)
        model.get_submodule(part).requires_grad_(False)
        found.append(outcome(model, model, batch()))
        assert not any(name.startswith(part + ".") for name in found[-1])
    assert_equal(found, relative=2e-5)
    model = small(design, "fused")
    whole = outcome(model, model, batch())
    assert_equal([found[0], {name: whole[name] for name in found[0]}], relative=2e-5)


@pytest.mark.filterwarnings("ignore")  # the compiler warns of what it does itself
@pytest.mark.parametrize(("design", "backend"), [(PAPER, "eager"), (MODERN, "aot_eager")], ids=str)
@pytest.mark.slow
def test_torch_compile_changes_nothing(design: Design, backend: str) -> None:
    torch.compiler.reset()
    found = []
    for compiled in (False, True):
        model = small(design, "fused")
        run = torch.compile(model, backend=backend) if compiled else model
        found.append(outcome(run, model, batch()))
    torch.compiler.reset()
    assert_equal(found, relative=2e-5)


def trained(kernels: str, *, cell: str, context: str, precision: str = "32-true") -> list[Tensor]:
    """The weights after a few updates with accumulation and clipping."""
    model = translator(cell=cell, context=context, dropout=0.1, kernels=kernels)
    made = module(model, updates=4, optimizer=functools.partial(torch.optim.SGD, lr=0.5))
    batches = [collate(rows(size, seed=size)) for size in (6, 3, 9)]
    fit(made, batches, accumulate_grad_batches=2, gradient_clip_val=0.5, precision=precision)
    return [p.detach() for p in model.parameters()]


@pytest.mark.parametrize("context", ["Additive", "Fixed"])
@pytest.mark.parametrize("cell", ["cudnn", "paper", "lstm"])
def test_accumulated_and_clipped_updates_are_the_same(cell: str, context: str) -> None:
    fused, portable, plain, again = (trained(k, cell=cell, context=context) for k in (*KERNELS, "fused"))
    start = [p.detach() for p in translator(cell=cell, context=context).parameters()]
    assert max(float((a - b).abs().max()) for a, b in zip(fused, start, strict=True)) > 1e-3
    for one, *others, same in zip(fused, portable, plain, again, strict=True):
        assert torch.equal(one, same)
        for other in others:
            torch.testing.assert_close(other, one, rtol=0, atol=1e-5)


every_cell = pytest.mark.parametrize("cell", ["cudnn", "paper", "lstm"])
every_context = pytest.mark.parametrize("context", ["Additive", "General", "Fixed"])


@every_cell
@every_context
@pytest.mark.parametrize("kernels", ["fused", "portable"])
def test_gradients_in_mixed_precision_are_near(cell: str, context: str, kernels: str) -> None:
    exact = translator(16, cell=cell, context=context, kernels=kernels)
    mixed = copy.deepcopy(exact)
    given = collate(rows(12, longest=9))
    module(exact).log_likelihood_loss(given, 0.1).backward()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = module(mixed).log_likelihood_loss(given, 0.1)
    loss.backward()
    for (name, a), b in zip(exact.named_parameters(), mixed.parameters(), strict=True):
        assert b.grad is not None, name
        assert b.grad.dtype == torch.float32
        assert torch.cosine_similarity(a.grad.flatten(), b.grad.flatten(), dim=0) > 0.99, name


@every_cell
@every_context
def test_mixed_precision_trains(cell: str, context: str) -> None:
    exact, mixed = (trained("fused", cell=cell, context=context, precision=p) for p in ("32-true", "bf16-mixed"))
    start = [p.detach() for p in translator(cell=cell, context=context).parameters()]
    moves = [torch.cat([(a - b).flatten() for a, b in zip(end, start, strict=True)]) for end in (exact, mixed)]
    assert all(p.dtype == torch.float32 for p in mixed)
    assert torch.cosine_similarity(*moves, dim=0) > 0.98


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("kind", ["additive", "product"])
@pytest.mark.parametrize("cell", [Cudnn(), Lstm(), Paper()], ids=lambda cell: type(cell).__name__)
def test_gradients_have_the_types_of_what_they_belong_to(cell: CellStep, kind: str, compiled: bool) -> None:
    B, T, S, H, A = 3, 2, 4, 5, 6
    low = {"dtype": torch.bfloat16, "requires_grad": True}
    inputs, keys, gates = (
        torch.randn(size, **low) for size in ((1, T, B, cell.gates * H), (B, S, A), (B, S, cell.gates * H))
    )
    start, joined = (
        torch.randn(size, requires_grad=True) for size in ((1, B, cell.parts * H), (1, cell.joined * H, H))
    )
    query_AH, v_A = torch.randn(A, H, requires_grad=True), torch.randn(A, requires_grad=True)
    size = {Cudnn: (1, 1, H), Paper: (1, H, H), Lstm: None}[type(cell)]
    extra = torch.randn(size, requires_grad=True) if size else None
    scoring = Scoring(Additive, query_AH, v_A) if kind == "additive" else Scoring(Product, query_AH, None)
    attended = Attended(scoring, torch.zeros(B, S), keys, gates)
    states, weights = recur(cell, inputs, start, joined, extra, (B,) * T, attended, compiled=compiled)
    assert states.dtype == (torch.bfloat16 if compiled else torch.float32)
    assert weights is not None
    (states.sum() + weights.sin().sum()).backward()
    leaves = [
        inputs,
        keys,
        gates,
        start,
        joined,
        query_AH,
        *([v_A] if kind == "additive" else []),
        *([extra] if size else []),
    ]
    assert [leaf.grad.dtype for leaf in leaves] == [leaf.dtype for leaf in leaves]
