"""A run against a baseline on the same sentences: how large the difference is, and whether it may be chance.

Three tests of each metric, all paired (both systems see the same draws):

- this project's bootstrap (`significance`): the interval of the difference, a two-sided p-value, and the smallest
  difference that the sentences could show. It is over sentences alone: with one run of each system it says how these
  two runs differ, and nothing about training the systems again;
- sacreBLEU's paired bootstrap (Koehn 2004), ``p_bootstrap``: the differences over resamples are made positive and moved
  to a mean of 0, and p is the share of them above the observed difference. Where the difference is clear, only one of
  the two tails can lie there, so this p is about half of a two-sided one;
- sacreBLEU's approximate randomisation (Riezler and Maxwell 2005), ``p_randomization``: each sentence's translations
  change places with probability 1/2, and p is the share of such shuffles with a larger absolute difference than the
  observed one. It is two-sided: the chance of a difference this large if the two systems were interchangeable.

TER is left out: counting it costs more than everything else here together, and both runs' scores have it already.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from textwrap import shorten
from typing import Any

from sacrebleu.metrics.bleu import BLEU as SacreBLEU
from sacrebleu.metrics.chrf import CHRF as SacreCHRF
from sacrebleu.significance import PairedTest, Result

from rnnsearch.data.normalization import normalized
from rnnsearch.evaluation.scoring import Scoring
from rnnsearch.evaluation.significance import Difference, difference, resample
from rnnsearch.evaluation.summed_metrics import AER, BLEU, CHRF, WAYS, Row, SummedMetric, is_aligned, links_by

SEED_VARIABLE = "SACREBLEU_SEED"  # where sacreBLEU looks for the seed of its tests
SIDES = ("source", "reference")


@dataclass(frozen=True, slots=True)
class Chance:
    """Numbers of draws: resamples of the sentences, shuffles of approximate randomisation, and the seed of both.

    Raises: ValueError for fewer than 2 resamples or 1 shuffle, or a seed of 0, which sacreBLEU takes for no seed.
    """

    resamples: int
    shuffles: int
    seed: int

    def __post_init__(self) -> None:
        if self.resamples < 2 or self.shuffles < 1:
            raise ValueError(
                f"{self.resamples} resamples and {self.shuffles} shuffles: at least 2 and 1 are needed, and some "
                "thousands for p-values to be trusted"
            )
        if self.seed < 1:
            raise ValueError(f"a seed of {self.seed} is none to sacreBLEU; choose 1 or more, such as its own, 12345")


@dataclass(frozen=True, slots=True)
class Compared:
    """One metric of a run and of its baseline. sacreBLEU's two p-values are None for a metric that it lacks."""

    run: float
    baseline: float
    difference: Difference
    p_bootstrap: float | None
    p_randomization: float | None


def compare(
    rows: Sequence[Row], baseline: Sequence[Row], *, chance: Chance, scoring: Scoring, together: int = 1
) -> dict[str, Compared]:
    """Every metric that both have, BLEU and chrF in percent, AER as a fraction: name -> comparison.

    Both are scored as ``scoring`` says; ``together`` runs are read against this baseline. AER is over the sentences
    with gold links for which both have links made the same way: ``aer`` by attention, ``aer_saliency`` by saliency.
    Both must be of the same sentences, see `check_same_sentences`.
    """
    p_values = sacrebleu_p_values(
        [row["hypothesis"] for row in rows],
        [row["hypothesis"] for row in baseline],
        [row["reference"] for row in rows],
        chance=chance,
        scoring=scoring,
    )
    settings: Any = {"chance": chance, "scoring": scoring, "together": together}
    by_metric = {
        metric.name: compare_by(metric, rows, baseline, p_values=p_values[metric.name], **settings)
        for metric in (BLEU, CHRF)
    }
    for name, method in WAYS.items():
        linked, others = _linked(links_by(method, rows), links_by(method, baseline))
        if is_aligned(linked) and is_aligned(others):
            by_metric[name] = compare_by(AER, linked, others, **settings)
    return by_metric


def _linked(rows: Sequence[Row], baseline: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The sentences with gold links for which both have links."""
    pairs = [
        pair
        for pair in zip(rows, baseline, strict=True)
        if pair[0]["gold"] is not None and all(row["links"] is not None for row in pair)
    ]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def compare_by(
    metric: SummedMetric,
    rows: Sequence[Row],
    baseline: Sequence[Row],
    *,
    chance: Chance,
    scoring: Scoring,
    together: int = 1,
    p_values: Mapping[str, float] | None = None,
) -> Compared:
    """One metric of rows and baseline; ``p_values`` are sacreBLEU's."""
    drawn = [
        resample([metric.sentence_statistics(run, scoring)], metric.score, seed=chance.seed, resamples=chance.resamples)
        for run in (baseline, rows)
    ]
    return Compared(
        run=float(drawn[1].score_S[0]),
        baseline=float(drawn[0].score_S[0]),
        difference=difference(*drawn, together=together, within=metric.within),
        p_bootstrap=None if p_values is None else p_values["bs"],
        p_randomization=None if p_values is None else p_values["ar"],
    )


def sacrebleu_p_values(
    hypotheses: Sequence[str], baseline: Sequence[str], references: Sequence[str], *, chance: Chance, scoring: Scoring
) -> dict[str, dict[str, float]]:
    """sacreBLEU's own p-values: metric -> test ("bs" paired bootstrap, "ar" approximate randomisation) -> p."""
    formed, other, own = (_normalized(texts, scoring) for texts in (references, baseline, hypotheses))
    metrics = {
        BLEU.name: SacreBLEU(tokenize=scoring.bleu_tokenizer, force=True, references=[formed]),
        CHRF.name: SacreCHRF(references=[formed]),
    }
    systems = [("baseline", other), ("run", own)]
    by_metric: dict[str, dict[str, float]] = {name: {} for name in metrics}
    for test, samples in (("bs", chance.resamples), ("ar", chance.shuffles)):
        with _sacrebleu_seed(chance.seed):
            paired = PairedTest(systems, metrics, references=None, test_type=test, n_samples=samples)
        scores = list(paired()[1].values())[1:]  # the first column names the systems
        for name, (_, result) in zip(metrics, scores, strict=True):
            assert isinstance(result, Result)
            assert result.p_value is not None
            by_metric[name][test] = result.p_value
    return by_metric


def _normalized(texts: Sequence[str], scoring: Scoring) -> Sequence[str]:
    return [normalized(text, scoring.normalization) for text in texts]


@contextmanager
def _sacrebleu_seed(seed: int) -> Iterator[None]:
    before = os.environ.get(SEED_VARIABLE)
    os.environ[SEED_VARIABLE] = str(seed)
    try:
        yield
    finally:
        del os.environ[SEED_VARIABLE]
        if before is not None:
            os.environ[SEED_VARIABLE] = before


def check_same_sentences(
    texts: Sequence[tuple[str, str]], others: Sequence[tuple[str, str]], *, names: tuple[str, str]
) -> None:
    """Raises ValueError, naming the first difference, if two runs have different (source, reference) texts."""
    mend = "a paired comparison needs the same sentences in the same order"
    if len(texts) != len(others):
        raise ValueError(f"{names[0]} has {len(texts)} sentences but {names[1]} has {len(others)}; {mend}")
    for number, (own, other) in enumerate(zip(texts, others, strict=True), start=1):
        if own != other:
            side = 0 if own[0] != other[0] else 1
            quoted = " and ".join(repr(shorten(pair[side], 60, placeholder=" ...")) for pair in (own, other))
            raise ValueError(
                f"{names[0]} and {names[1]} differ first in sentence {number}, in the {SIDES[side]} ({quoted}); {mend}"
            )
