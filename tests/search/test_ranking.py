import pytest
import torch

from rnnsearch.search.ranking import BLOCK, best_continuations, likeliest


def test_likeliest_breaks_ties_by_id() -> None:
    values_NV = torch.tensor([[0.1, 0.3, 0.3, 0.2, 0.3, 0.3], [0.5, 0.5, 0.5, 0.5, 0.5, 0.5], [1, 2, 3, 4, 5, 6.0]])
    for count, words in ((1, [[1], [0], [5]]), (3, [[1, 2, 4], [0, 1, 2], [5, 4, 3]])):
        values_NC, words_NC = likeliest(values_NV, count)
        assert words_NC.tolist() == words
        assert torch.equal(values_NC, values_NV.gather(1, words_NC))


def test_likeliest_is_a_stable_sort() -> None:
    generator = torch.Generator().manual_seed(0)
    for size in (5, 40, 300):
        values_NV = torch.randint(0, size // 3, (50, size), generator=generator).double()
        for count in (1, 2, 4, 5):
            expected = values_NV.sort(dim=-1, descending=True, stable=True).indices[:, :count]
            assert torch.equal(likeliest(values_NV, count)[1], expected)


@pytest.mark.parametrize("words", [1, 5, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 300])
@pytest.mark.parametrize(("width", "count"), [(1, 2), (5, 10), (40, 80)])
@pytest.mark.parametrize("values", [3, 10**9], ids=["many equals", "few equals"])
def test_continuations_are_those_of_a_stable_sort(words: int, width: int, count: int, values: int) -> None:
    generator = torch.Generator().manual_seed(0)
    log_probs_AKV = -torch.randint(0, values, (9, width, words), generator=generator).float()
    log_probs_AKV[torch.rand(log_probs_AKV.shape, generator=generator) < 0.1] = -torch.inf
    score_AK = -torch.randint(0, values, (9, width), generator=generator).double()
    score_AK[:3, 1:] = -torch.inf
    sums_AX = (score_AK.unsqueeze(-1) + log_probs_AKV).flatten(1)
    expected_AC, place_AC = (part[:, :count] for part in sums_AX.sort(dim=-1, descending=True, stable=True))
    score_AC, word_AC, slot_AC = best_continuations(score_AK, log_probs_AKV, count)
    assert torch.equal(score_AC[:, : words * width], expected_AC)
    real_AC = expected_AC > -torch.inf
    got_AC = (slot_AC * words + word_AC)[:, : expected_AC.shape[1]]
    assert torch.equal(got_AC[real_AC], place_AC[real_AC])
    assert (score_AC[:, words * width :] == -torch.inf).all()
