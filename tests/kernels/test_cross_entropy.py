"""The loss in chunks equals the plain one, gradients too, at every size and type."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from rnnsearch.kernels.cross_entropy import chunk_rows, linear_cross_entropy


def problem(
    n: int = 7, r: int = 5, v: int = 11, *, dtype: torch.dtype = torch.float64, scale: float = 1.0
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(n * 1000 + v)
    readouts, weight = (torch.randn(size, generator=generator, dtype=torch.float64) for size in ((n, r), (v, r)))
    bias = torch.randn(v, generator=generator, dtype=torch.float64)
    targets = torch.randint(v, (n,), generator=generator)
    leaves = [(x * scale).to(dtype).requires_grad_() for x in (readouts, weight)]
    return leaves[0], leaves[1], bias.to(dtype).requires_grad_(), targets


def plain(readouts: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
    logits = functional.linear(readouts, weight, bias)
    return functional.cross_entropy(logits, targets, reduction="sum", label_smoothing=label_smoothing)


def with_gradients(loss: Any, *given: Tensor, **options: Any) -> list[Tensor]:
    """The loss, and its gradients multiplied by a factor that comes from behind."""
    value = loss(*given, **options)
    return [value.detach(), *torch.autograd.grad(value * 0.3, [x for x in given[:3] if x.requires_grad])]


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
def test_gradients_are_those_of_the_loss(smoothing: float, chunk: int) -> None:
    *leaves, targets = problem()

    def loss(*parts: Tensor) -> Tensor:
        return linear_cross_entropy(*parts, targets, label_smoothing=smoothing, chunk=chunk)

    assert torch.autograd.gradcheck(loss, leaves)


@pytest.mark.parametrize("n", [0, 1, 2, 9, 40])
@pytest.mark.parametrize("v", [1, 2, 50])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_it_equals_the_plain_loss(n: int, v: int, smoothing: float) -> None:
    given = problem(n, 6, v)
    expected = with_gradients(plain, *given, label_smoothing=smoothing)
    for chunk in (None, 1, 4, 13):
        found = with_gradients(linear_cross_entropy, *given, label_smoothing=smoothing, chunk=chunk)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_no_chunk_is_better_than_another() -> None:
    given = problem(64, 16, 300, dtype=torch.float32)
    whole, parts = (with_gradients(linear_cross_entropy, *given, label_smoothing=0.1, chunk=chunk) for chunk in (64, 5))
    torch.testing.assert_close(parts, whole, rtol=1e-5, atol=1e-5)
    again = with_gradients(linear_cross_entropy, *given, label_smoothing=0.1, chunk=5)
    assert all(map(torch.equal, parts, again))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_logits_of_ten_thousand(smoothing: float) -> None:
    given = problem(12, 4, 30, dtype=torch.float32, scale=70.0)
    assert float(functional.linear(*given[:3]).detach().abs().max()) > 1e4
    exact = [x.detach().double().requires_grad_() for x in given[:3]]
    expected = with_gradients(plain, *exact, given[3], label_smoothing=smoothing)
    found = with_gradients(linear_cross_entropy, *given, label_smoothing=smoothing, chunk=5)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-4, atol=1e-4 * float(other.abs().max()))


def test_only_what_is_asked_for_gets_a_gradient() -> None:
    for frozen in range(1, 8):
        *leaves, targets = problem()
        for i, leaf in enumerate(leaves):
            leaf.requires_grad_(not frozen >> i & 1)
        found = linear_cross_entropy(*leaves, targets, label_smoothing=0.1, chunk=2)
        assert found.requires_grad == (frozen != 7)
        if frozen != 7:
            expected = with_gradients(plain, *leaves, targets, label_smoothing=0.1)
            torch.testing.assert_close(
                with_gradients(linear_cross_entropy, *leaves, targets, label_smoothing=0.1, chunk=2), expected
            )
    with torch.no_grad():
        given = problem()
        assert not linear_cross_entropy(*given, label_smoothing=0.1).requires_grad


def test_a_tied_matrix_gets_both_gradients() -> None:
    words = torch.tensor([3, 0, 3, 8])
    _, weight, bias, _ = problem()
    targets = torch.tensor([1, 2, 3, 0])
    grads = []
    for loss in (plain, linear_cross_entropy):
        readouts = torch.tanh(functional.embedding(words, weight))
        grads.append(torch.autograd.grad(loss(readouts, weight, bias, targets, label_smoothing=0.1), [weight, bias]))
    torch.testing.assert_close(grads[0], grads[1])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("halved", [False, True], ids=["float32 read-outs", "bfloat16 read-outs"])
def test_autocast(smoothing: float, halved: bool) -> None:
    readouts, *rest = problem(200, 32, 500, dtype=torch.float32)
    exact = with_gradients(plain, readouts, *rest, label_smoothing=smoothing)
    if halved:
        readouts = readouts.detach().bfloat16().requires_grad_()
    found, usual = [], []
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = with_gradients(linear_cross_entropy, readouts, *rest, label_smoothing=smoothing, chunk=9)
        usual = with_gradients(plain, readouts, *rest, label_smoothing=smoothing)
    assert [x.dtype for x in found] == [x.dtype for x in usual]
    assert found[0].dtype == torch.float32
    for one, other, right in zip(found, usual, exact, strict=True):
        error, allowed = (float((x.float() - right).norm() / right.norm()) for x in (one, other))
        assert error <= max(1.2 * allowed, 1e-4)
        assert error < 0.02


def test_second_order_is_refused() -> None:
    *leaves, targets = problem()
    loss = linear_cross_entropy(*leaves, targets, label_smoothing=0.0)
    with pytest.raises(RuntimeError, match="no second derivative"):
        torch.autograd.grad(loss, leaves[0], create_graph=True)


def test_a_target_outside_the_vocabulary_is_refused() -> None:
    *leaves, _ = problem(1)
    with pytest.raises((RuntimeError, IndexError), match="out of bounds"):
        linear_cross_entropy(*leaves, torch.tensor([11]), label_smoothing=0.0)


def test_a_chunk_keeps_its_size_whatever_the_vocabulary() -> None:
    device = torch.device("cpu")
    assert [chunk_rows(v, device) for v in (8000, 32000, 10**8)] == [524, 131, 1]


def test_the_logits_are_never_held_whole() -> None:
    """The largest tensor made has a chunk's rows."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        elements = 0

        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            made = function(*args, **(kwargs or {}))
            for one in made if isinstance(made, tuple | list) else [made]:
                if isinstance(one, Tensor):
                    self.elements = max(self.elements, one.numel())
            return made

    given = problem(600, 4, 1000, dtype=torch.float32)
    with Largest() as seen:
        linear_cross_entropy(*given, label_smoothing=0.1, chunk=20).backward()
    assert seen.elements == 20 * 1000
