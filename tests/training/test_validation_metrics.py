"""Sums of halves equal the whole, and sacreBLEU's own figures."""

import math

import pytest
import sacrebleu
import torch

from rnnsearch.evaluation.scoring import EARLIER, perplexity
from rnnsearch.training.validation_metrics import CorpusScore, TokenLikelihood

HYPOTHESES = ["the cat sat on the mat .", "a dog", "", "two men are running , fast !", "Das ist ein Test ."]
REFERENCES = ["the cat sat on a mat .", "the dog barks", "nothing here", "two men run , fast !", "Dies ist ein Test ."]


@pytest.mark.parametrize("kind", ["bleu", "chrf"])
@pytest.mark.parametrize("cut", [0, 1, 3, 5])
def test_two_processes_equal_one(kind: str, cut: int) -> None:
    whole, first, second = CorpusScore(kind, EARLIER), CorpusScore(kind, EARLIER), CorpusScore(kind, EARLIER)
    whole.update(HYPOTHESES, REFERENCES)
    for part, slice_ in ((first, slice(cut)), (second, slice(cut, None))):
        if HYPOTHESES[slice_]:
            part.update(HYPOTHESES[slice_], REFERENCES[slice_])
    reduce = first._reductions["statistics"]  # what torchmetrics does with the states of all processes
    assert callable(reduce)
    summed = reduce(torch.stack([first.statistics, second.statistics]))
    assert summed.equal(whole.statistics)
    first.statistics = summed
    first._update_count = 1
    assert float(first.compute()) == float(whole.compute())


@pytest.mark.parametrize(("kind", "score"), [("bleu", sacrebleu.corpus_bleu), ("chrf", sacrebleu.corpus_chrf)])
def test_sacrebleu_agrees(kind: str, score: object) -> None:
    metric = CorpusScore(kind, EARLIER)
    for hypothesis, reference in zip(HYPOTHESES, REFERENCES, strict=True):
        metric.update([hypothesis], [reference])
    assert float(metric.compute()) == score(HYPOTHESES, [REFERENCES]).score
    metric.reset()
    assert not metric.statistics.any()


def test_the_likelihood_is_a_sum_over_a_count() -> None:
    metric = TokenLikelihood()
    metric.update(torch.tensor(6.0), 2)
    metric.update(torch.tensor(1.0), 8)
    assert float(metric.compute()) == pytest.approx(0.7, rel=1e-15)  # not the mean of 3 and 1/8
    assert metric.nll.dtype == torch.float64


@pytest.mark.parametrize(("nll", "expected"), [(0.0, 1.0), (2.0, math.exp(2.0)), (1e6, math.exp(700.0))])
def test_perplexity_stays_finite(nll: float, expected: float) -> None:
    assert perplexity(nll) == expected
