"""An ensemble is the mixture of its members' probabilities, word by word."""

import math

import pytest
import torch

from rnnsearch.data.batching import pad
from rnnsearch.search.ensemble import Ensemble
from rnnsearch.search.hypotheses import Search

from .models import TableModel, random_translator
from .searches import beam_search, n_best, random_sources, sampling

EOS, A, B = 3, 4, 5
FIRST = [[0, 0, 0, 0.1, 0.8, 0.1]] * 6
SECOND = [[0, 0, 0, 0.7, 0.0, 0.3]] * 6


@pytest.mark.parametrize(
    "search", [beam_search(n_best=3, coverage_penalty=0.2), sampling(n_best=3)], ids=["beam", "sampling"]
)
def test_a_model_with_itself_is_the_model(search: Search) -> None:
    model, sources = random_translator(), random_sources(9)
    single, double = n_best(search, model, sources), n_best(search, Ensemble([model, model]), sources)
    for one, other in zip(single, double, strict=True):
        assert [h.ids for h in one] == [h.ids for h in other]
        for part in ("score", "log_prob"):
            assert [getattr(h, part) for h in one] == pytest.approx([getattr(h, part) for h in other], abs=1e-10)


def test_probabilities_are_averaged_word_by_word() -> None:
    """A: (0.8 + 0) / 2 and then the end: (0.1 + 0.7) / 2. The members' sentences average to another figure, 0.04."""
    ensemble = Ensemble([TableModel(FIRST), TableModel(SECOND)])
    (found,) = n_best(beam_search(n_best=3, normalization="none", max_length=1, beam_size=4), ensemble, [[7]])
    assert [h.ids for h in found] == [[], [A], [B]]
    assert [h.log_prob for h in found] == pytest.approx([math.log(0.4), math.log(0.4 * 0.4), math.log(0.2 * 0.4)])


def test_the_order_of_the_members_does_not_matter() -> None:
    members, sources = (
        [random_translator(name, seed=seed) for seed, name in enumerate(["dot", "fixed"])],
        random_sources(5),
    )
    search = beam_search(n_best=3)
    one, other = (n_best(search, Ensemble(order), sources) for order in (members, members[::-1]))
    assert [[h.ids for h in found] for found in one] == [[h.ids for h in found] for found in other]


def test_far_below_what_exponentials_hold() -> None:
    class Sure(TableModel):
        def step(self, *given: object) -> tuple[torch.Tensor, object, None]:
            log_probs_NV, state, _ = super().step(*given)
            return torch.full_like(log_probs_NV, -2000.0), state, None

    model = Ensemble([Sure(FIRST), Sure(FIRST)])
    state, memory = model.encode(*[pad([[7]])] * 2)
    log_probs_NV, _, _ = model.step(torch.tensor([2]), state, memory, 0)
    assert log_probs_NV.tolist() == [[-2000.0] * 6]


def weights(names: list[str], *sources: list[int]) -> list[torch.Tensor | None]:
    """The weights of a step of each member alone, and of them together."""
    members = [random_translator(name, seed=seed) for seed, name in enumerate(names)]
    padded, found = [pad([source]) for source in sources], []
    for model, given in (*((m, s) for m, s in zip(members, padded, strict=True)), (Ensemble(members), padded)):
        state, memory = model.encode(*given)
        found.append(model.step(torch.tensor([2]), state, memory, 0)[2])
    return found


def test_weights_are_averaged_where_all_read_the_same() -> None:
    first, second, mean = weights(["additive", "dot"], [5, 6, 7], [5, 6, 7])
    assert torch.allclose(mean, (first + second) / 2)
    assert not torch.allclose(first, second, atol=0.01)


@pytest.mark.parametrize(
    ("names", "second"),
    [(["additive", "fixed"], [5, 6, 7]), (["additive", "dot"], [5, 6]), (["additive", "dot"], [5, 6, 8])],
    ids=["one without", "other length", "other tokens"],
)
def test_else_there_are_no_weights(names: list[str], second: list[int]) -> None:
    assert weights(names, [5, 6, 7], second)[2] is None


def test_each_member_reads_its_own_source() -> None:
    members = [random_translator(seed=1), random_translator("general", seed=2)]
    sources = [pad([[5, 6], [7]]), pad([[9, 4, 8, 4], [11, 10]])]
    search = beam_search(n_best=2)
    together = search.search(Ensemble(members), tuple(sources), torch.tensor([2, 1]))
    for row in range(2):
        own = tuple((ids[row : row + 1], mask[row : row + 1]) for ids, mask in sources)
        (alone,) = search.search(Ensemble(members), own, torch.tensor([[2, 1][row]]))
        assert [h.ids for h in alone] == [h.ids for h in together[row]]
        assert [h.score for h in alone] == pytest.approx([h.score for h in together[row]], abs=1e-10)


def test_nobody_is_no_ensemble() -> None:
    with pytest.raises(ValueError, match="at least one member"):
        Ensemble([])
