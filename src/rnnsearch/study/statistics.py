"""What a study's runs say: each member's scores, the paired differences, and both against source length.

Shape suffixes: N test sentences, K sufficient statistics, S seeds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from rnnsearch.data.scripts import Unit
from rnnsearch.evaluation.comparison import check_same_sentences
from rnnsearch.evaluation.length import Bucket, buckets, length_unit
from rnnsearch.evaluation.metrics import AER, BLEU, CHRF, PERPLEXITY, Metric, alignment_metrics
from rnnsearch.evaluation.scoring import Scoring
from rnnsearch.evaluation.significance import (
    RESAMPLES,
    SEED,
    Difference,
    Estimate,
    Floats,
    Resampled,
    difference,
    estimate,
    of_seeds,
    resample,
)
from rnnsearch.study.folder import Row, Run, Study
from rnnsearch.study.measures import is_comparison, scoring

WEAK = {BLEU.name: 10.0, CHRF.name: 20.0}  # a comparison of models that have not learnt to translate says nothing

Drawn = Mapping[str, Mapping[str, Resampled]]  # member -> metric -> scores and draws of its seeds
Seeds = Mapping[str, Sequence[int]]  # member -> the seeds it has finished


@dataclass(frozen=True, slots=True)
class Part:
    """Scores of every member on some of the test sentences; differences from the baseline for all but the first."""

    sentences: int
    scores: Mapping[str, Mapping[str, Estimate]]  # member -> metric -> score
    differences: Mapping[str, Mapping[str, Difference]]  # member -> metric -> member minus baseline, on shared seeds
    drawn: Drawn


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that the report says about scores."""

    metric: str  # the primary one of text: bleu, or chrf where BLEU is degenerate
    seeds: tuple[int, ...]
    seeds_of: Seeds
    whole: Part
    unit: Unit  # of source lengths: words or characters
    buckets: tuple[Bucket, ...]
    mean_lengths: tuple[float, ...]  # of a bucket's sentences
    by_length: tuple[Part, ...]  # the primary metric alone, one part a bucket, each with resamples of its own
    aer: Part | None  # over sentences with gold links; members whose sentences have no links are left out
    alignment_methods: Mapping[str, str]  # of those members: attention or saliency

    @property
    def weak(self) -> float:
        """The score under which nothing is compared."""
        return WEAK[self.metric]

    @property
    def compared(self) -> tuple[str, ...]:
        """The members of which a difference from the baseline is reported: they share a seed, and one translates.

        None in a search.
        """
        baseline = next(iter(self.whole.scores))
        return tuple(
            member
            for member, found in self.whole.differences.items()
            if found and better_score(self.whole.scores, self.seeds_of, member, baseline, self.metric) >= self.weak
        )


def compare(study: Study, *, resamples: int = RESAMPLES, seed: int = SEED) -> Comparison | None:
    """Compares the members, each on the seeds it has finished, pairs on those they share; None where none has finished.

    Raises: ValueError when two runs were tested on different sentences.
    """
    if not study.compared_seeds:
        return None
    runs = {member: study.compared(member) for member in study.members}
    rows = {member: [run.rows for run in of_member] for member, of_member in runs.items()}
    _check_same_sentences([run for of_member in runs.values() for run in of_member])
    how = scoring(study)
    statistics = {metric: _statistics(metric, rows, how) for metric in (BLEU, CHRF, PERPLEXITY)}
    [chief] = [metric for metric in statistics if metric.name == how.primary]
    linked = _linked(rows)
    seeds_of = {member: [run.seed for run in of_member] for member, of_member in runs.items()}
    lengths = [int(row["source_words"]) for row in rows[study.baseline][0]]
    sorted_rows = buckets(lengths, edges=study.description.get("length_edges"))

    pairs = is_comparison(study)

    def part(counted: Mapping[Metric, Mapping[str, Floats]], *more: int) -> Part:
        return _part(counted, seeds_of, pairs=pairs, resamples=resamples, seed=(seed, *more))

    by_length = tuple(
        part({chief: _select(statistics[chief], bucket.rows)}, place)
        for place, bucket in enumerate(sorted_rows, start=1)
    )
    return Comparison(
        metric=chief.name,
        seeds=study.compared_seeds,
        seeds_of=seeds_of,
        whole=part(statistics),
        unit=length_unit(runs[study.baseline][0].record),
        buckets=tuple(sorted_rows),
        mean_lengths=tuple(fmean(lengths[row] for row in bucket.rows) for bucket in sorted_rows),
        by_length=by_length,
        aer=part({AER: _statistics(AER, linked, how)}) if linked else None,
        alignment_methods={member: _method(of_member) for member, of_member in linked.items()},
    )


def paired(system: str, baseline: str, drawn: Drawn, seeds_of: Seeds, metric: str) -> Difference | None:
    """System minus baseline on the seeds that both have finished; None where they share none."""
    shared = shared_seeds(seeds_of, system, baseline)
    if not shared:
        return None
    found = (
        of_seeds(drawn[member][metric], [list(seeds_of[member]).index(one) for one in shared])
        for member in (baseline, system)
    )
    return difference(*found)


def shared_seeds(seeds_of: Seeds, system: str, baseline: str) -> tuple[int, ...]:
    """The seeds that both have finished."""
    return tuple(seed for seed in seeds_of[system] if seed in seeds_of[baseline])


def better_score(
    scores: Mapping[str, Mapping[str, Estimate]], seeds_of: Seeds, system: str, baseline: str, metric: str
) -> float:
    """The score of the better of two on the seeds that both have finished."""
    shared = shared_seeds(seeds_of, system, baseline)
    by_seed = {member: scores[member][metric].by_seed for member in (system, baseline)}
    return max(fmean(by_seed[m][list(seeds_of[m]).index(seed)] for seed in shared) for m in by_seed)


def sentence_chrf(rows: Sequence[Row], how: Scoring) -> Floats:
    """chrF of each translation alone, [N]."""
    return CHRF.score(CHRF.sentence_statistics(rows, how))


def _statistics(metric: Metric, rows: Mapping[str, Sequence[Sequence[Row]]], how: Scoring) -> dict[str, Floats]:
    return {
        member: np.stack([metric.sentence_statistics(of_seed, how) for of_seed in of_member])
        for member, of_member in rows.items()
    }


def _select(statistics: Mapping[str, Floats], rows: Sequence[int]) -> dict[str, Floats]:
    return {member: of_member[:, list(rows)] for member, of_member in statistics.items()}


def _part(
    statistics: Mapping[Metric, Mapping[str, Floats]],
    seeds_of: Seeds,
    *,
    pairs: bool,
    resamples: int,
    seed: Sequence[int],
) -> Part:
    members = list(next(iter(statistics.values())))
    drawn: dict[str, dict[str, Resampled]] = {member: {} for member in members}
    differences: dict[str, dict[str, Difference]] = {member: {} for member in members[1:]}
    for metric, of_members in statistics.items():
        for member in members:
            drawn[member][metric.name] = resample(of_members[member], metric.score, seed=seed, resamples=resamples)
        for member in members[1:] if pairs else ():
            gap = paired(member, members[0], drawn, seeds_of, metric.name)
            if gap is not None:
                differences[member][metric.name] = gap
    scores = {member: {name: estimate(one) for name, one in of_member.items()} for member, of_member in drawn.items()}
    sentences = next(iter(next(iter(statistics.values())).values())).shape[1]
    return Part(sentences, scores, differences, drawn)


def _linked(rows: Mapping[str, Sequence[Sequence[Row]]]) -> dict[str, list[list[Row]]]:
    """The sentences with gold links of the members that align every one of them."""
    gold = {
        member: [[row for row in of_seed if row.get("gold") is not None] for of_seed in of_member]
        for member, of_member in rows.items()
    }
    return {
        member: of_member
        for member, of_member in gold.items()
        if all(alignment_metrics(of_seed) and all(row["links"] is not None for row in of_seed) for of_seed in of_member)
    }


def _method(rows: Sequence[Sequence[Row]]) -> str:
    """How a member's links were made; runs from before there was a choice read them off attention weights."""
    return " and ".join(dict.fromkeys(str(row.get("links_method", "attention")) for row in rows[0]))


def _check_same_sentences(runs: Sequence[Run]) -> None:
    texts = [[(row["source"], row["reference"]) for row in run.rows] for run in runs]
    for run, others in zip(runs[1:], texts[1:], strict=True):
        check_same_sentences(texts[0], others, names=(runs[0].folder.name, run.folder.name))
