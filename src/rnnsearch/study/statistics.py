"""What a study's runs say: each member's scores, the paired differences, and both against source length.

Shape suffixes: N test sentences, K sufficient statistics, S seeds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from rnnsearch.data.scripts import Unit
from rnnsearch.evaluation.comparison import check_same_sentences
from rnnsearch.evaluation.error_model import Floats
from rnnsearch.evaluation.kept_counts import kept_counts
from rnnsearch.evaluation.length import MINIMUM, Bucket, buckets, length_unit
from rnnsearch.evaluation.scoring import Scoring
from rnnsearch.evaluation.significance import (
    RESAMPLES,
    SEED,
    UNBOUNDED,
    Bounds,
    Difference,
    Estimate,
    Resampled,
    difference,
    estimate,
    of_seeds,
    resample,
    weighted_sum,
)
from rnnsearch.evaluation.summed_metrics import (
    AER,
    BLEU,
    CHRF,
    PERPLEXITY,
    WAYS,
    SummedMetric,
    is_aligned,
    links_by,
)
from rnnsearch.study.folder import Row, Run, Study
from rnnsearch.study.measures import is_comparison, scoring
from rnnsearch.study.plan import Pair, metric_of, pairs

WEAK = {BLEU.name: 10.0, CHRF.name: 20.0}  # below these, models have not learnt to translate: comparing says nothing

Drawn = Mapping[str, Mapping[str, Resampled]]  # member -> metric -> scores and draws of its seeds
Seeds = Mapping[str, Sequence[int]]  # member -> the seeds it has finished


@dataclass(frozen=True, slots=True)
class Part:
    """Scores of every member on some of the test sentences, and the differences of pairs that are read together."""

    sentences: int
    scores: Mapping[str, Mapping[str, Estimate]]  # member -> metric -> score
    differences: Mapping[Pair, Mapping[str, Difference]]  # pair -> metric -> difference, on shared seeds
    drawn: Drawn


@dataclass(frozen=True, slots=True)
class Lengths:
    """Sentences of similar length: their mean length, and every member's scores on them."""

    mean: float
    part: Part


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that the report says about scores."""

    metric: str  # the primary text metric: bleu, or chrf where BLEU is degenerate
    primary: str  # what the study is decided by: the same, or perplexity or chrF if its protocol says so
    pairs: tuple[Pair, ...]  # all that are tested together, also those that can't be compared yet; none in a search
    seeds: tuple[int, ...]
    seeds_of: Seeds
    whole: Part
    unit: Unit  # of source lengths: words or characters
    buckets: tuple[Bucket, ...]
    by_length: tuple[Part, ...]  # only the primary text metric, one part for each bucket, each with its own resamples
    trained: tuple[Lengths, ...]  # the same for sentences no longer than those trained on; all if that isn't known
    output_tokens: Mapping[str, Floats]  # member -> BLEU's tokens of hypotheses and references, [S, N, 2]
    aer: Mapping[str, Part]  # method -> scores over sentences with gold links, of the members that have them

    @property
    def weak(self) -> float:
        """The score below which nothing is compared."""
        return WEAK[self.metric]

    @property
    def compared(self) -> tuple[Pair, ...]:
        """The pairs whose difference is reported: they share a seed, and one of the two translates."""
        return tuple(pair for pair in self.whole.differences if self.better_score(pair) >= self.weak)

    def better_score(self, pair: Pair) -> float:
        """The score of the better member on the seeds that both have finished."""
        shared = shared_seeds(self.seeds_of, pair)
        by_seed = {member: self.whole.scores[member][self.metric].by_seed for member in pair}
        return max(fmean(by_seed[m][list(self.seeds_of[m]).index(seed)] for seed in shared) for m in pair)


def compare(study: Study, *, resamples: int = RESAMPLES, seed: int = SEED) -> Comparison | None:
    """Compares the members, each on the seeds it has finished, pairs on those they share; None if none has finished.

    Intervals of differences hold together for all pairs; by source length, for all pairs and buckets.

    Raises: ValueError when two runs were tested on different sentences.
    """
    if not study.compared_seeds:
        return None
    runs = {member: study.compared(member) for member in study.members}
    rows = {member: [run.rows for run in of_member] for member, of_member in runs.items()}
    _check_same_sentences([run for of_member in runs.values() for run in of_member])
    how = scoring(study)
    statistics = {**_text_statistics(runs, how), PERPLEXITY: _statistics(PERPLEXITY, rows, how)}
    [chief] = [metric for metric in statistics if metric.name == how.primary]
    seeds_of = {member: [run.seed for run in of_member] for member, of_member in runs.items()}
    lengths = [int(row["source_words"]) for row in rows[study.baseline][0]]
    sorted_rows = buckets(lengths, edges=study.description.length_edges)
    family = pairs(study) if is_comparison(study) else ()

    def part(counted: Mapping[SummedMetric, Mapping[str, Floats]], *more: int, times: int = 1) -> Part:
        together = times * len(family)
        return _part(counted, seeds_of, family, together=together, resamples=resamples, seed=(seed, *more))

    def part_of(chosen: Sequence[int], place: int, times: int = 1) -> Part:
        return part({chief: _select(statistics[chief], chosen)}, place, times=times)

    places = range(1, len(sorted_rows) + 1)
    by_length = [
        part_of(bucket.rows, place, len(sorted_rows)) for place, bucket in zip(places, sorted_rows, strict=True)
    ]
    return Comparison(
        metric=chief.name,
        primary=metric_of(study),
        pairs=family,
        seeds=study.compared_seeds,
        seeds_of=seeds_of,
        whole=part(statistics),
        unit=length_unit(runs[study.baseline][0].record.data.length_units),
        buckets=tuple(sorted_rows),
        by_length=tuple(by_length),
        trained=_trained(sorted_rows, by_length, lengths, study.description.trained_length, part_of),
        output_tokens={member: of_member[..., :2] for member, of_member in statistics[BLEU].items()},
        aer={
            method: part({AER: _statistics(AER, linked, how)})
            for method in WAYS.values()
            if (linked := _linked(rows, method))
        },
    )


def _trained(
    found: Sequence[Bucket],
    parts: Sequence[Part],
    lengths: Sequence[int],
    longest: int | None,
    part_of: Callable[[Sequence[int], int], Part],
) -> tuple[Lengths, ...]:
    """Of each bucket the sentences no longer than those trained on, if they are many enough.

    Args:
        found: the buckets, and ``parts`` what is known of each.
        lengths: of all sentences.
        longest: of those trained on; None if that isn't known.
        part_of: what is found for other rows in a bucket's place, counted from 1.
    """
    trained = []
    for place, (bucket, of_bucket) in enumerate(zip(found, parts, strict=True), start=1):
        kept = [row for row in bucket.rows if longest is None or lengths[row] <= longest]
        if len(kept) >= min(MINIMUM, bucket.n):
            of_kept = of_bucket if len(kept) == bucket.n else part_of(kept, place)
            trained.append(Lengths(fmean(lengths[row] for row in kept), of_kept))
    return tuple(trained)


def paired(
    pair: Pair, drawn: Drawn, seeds_of: Seeds, metric: str, *, together: int, within: Bounds = UNBOUNDED
) -> Difference | None:
    """System minus baseline on the seeds that both have finished; None if they share none."""
    both = _shared(pair, drawn, seeds_of, metric)
    return difference(*both, together=together, within=within) if both else None


def gap(pair: Pair, drawn: Drawn, seeds_of: Seeds, metric: str) -> Resampled | None:
    """The difference itself, for each shared seed and in each resample; None if they share none."""
    both = _shared(pair, drawn, seeds_of, metric)
    return weighted_sum(both, (-1.0, 1.0)) if both else None


def _shared(pair: Pair, drawn: Drawn, seeds_of: Seeds, metric: str) -> tuple[Resampled, Resampled] | None:
    """Baseline and system on the seeds that both have."""
    system, baseline = pair
    shared = shared_seeds(seeds_of, pair) if {system, baseline} <= set(drawn) else ()
    if not shared:
        return None
    of_baseline, of_system = (
        of_seeds(drawn[member][metric], [list(seeds_of[member]).index(seed) for seed in shared])
        for member in (baseline, system)
    )
    return of_baseline, of_system


def shared_seeds(seeds_of: Seeds, pair: Pair) -> tuple[int, ...]:
    """The seeds that both have finished."""
    system, baseline = pair
    return tuple(seed for seed in seeds_of.get(system, ()) if seed in seeds_of.get(baseline, ()))


def sentence_chrf(run: Run, how: Scoring) -> Floats:
    """chrF of each translation alone, [N]."""
    return CHRF.score(kept_counts(run.folder, run.test_set, run.rows, how)[CHRF.name])


def _text_statistics(runs: Mapping[str, Sequence[Run]], how: Scoring) -> dict[SummedMetric, dict[str, Floats]]:
    counts = {
        member: [kept_counts(run.folder, run.test_set, run.rows, how) for run in of_member]
        for member, of_member in runs.items()
    }
    return {
        metric: {
            member: np.stack([of_run[metric.name] for of_run in of_member]) for member, of_member in counts.items()
        }
        for metric in (BLEU, CHRF)
    }


def _statistics(metric: SummedMetric, rows: Mapping[str, Sequence[Sequence[Row]]], how: Scoring) -> dict[str, Floats]:
    return {
        member: np.stack([metric.sentence_statistics(of_seed, how) for of_seed in of_member])
        for member, of_member in rows.items()
    }


def _select(statistics: Mapping[str, Floats], rows: Sequence[int]) -> dict[str, Floats]:
    return {member: of_member[:, list(rows)] for member, of_member in statistics.items()}


def _part(
    statistics: Mapping[SummedMetric, Mapping[str, Floats]],
    seeds_of: Seeds,
    family: Sequence[Pair],
    *,
    together: int,
    resamples: int,
    seed: Sequence[int],
) -> Part:
    members = list(next(iter(statistics.values())))
    drawn: dict[str, dict[str, Resampled]] = {member: {} for member in members}
    scores: dict[str, dict[str, Estimate]] = {member: {} for member in members}
    differences: dict[Pair, dict[str, Difference]] = {}
    for metric, of_members in statistics.items():
        for member in members:
            drawn[member][metric.name] = resample(of_members[member], metric.score, seed=seed, resamples=resamples)
            scores[member][metric.name] = estimate(drawn[member][metric.name], within=metric.within)
        for pair in family:
            found_gap = paired(pair, drawn, seeds_of, metric.name, together=together, within=metric.within)
            if found_gap is not None:
                differences.setdefault(pair, {})[metric.name] = found_gap
    sentences = next(iter(next(iter(statistics.values())).values())).shape[1]
    return Part(sentences, scores, differences, drawn)


def _linked(rows: Mapping[str, Sequence[Sequence[Row]]], method: str) -> dict[str, list[list[Row]]]:
    """The sentences with gold links, of the members that align by a method, that each of their runs aligns by it."""
    links = {member: [links_by(method, of_seed) for of_seed in of_member] for member, of_member in rows.items()}
    able = {member: runs for member, runs in links.items() if all(map(is_aligned, runs))}
    every_run = [of_seed for runs in able.values() for of_seed in runs]
    linked = [
        place
        for place, of_place in enumerate(zip(*every_run, strict=True))
        if all(row.get("gold") is not None and row["links"] is not None for row in of_place)
    ]
    chosen = {member: [[of_seed[place] for place in linked] for of_seed in runs] for member, runs in able.items()}
    return {member: runs for member, runs in chosen.items() if all(map(is_aligned, runs))}


def _check_same_sentences(runs: Sequence[Run]) -> None:
    texts = [[(row["source"], row["reference"]) for row in run.rows] for run in runs]
    for run, others in zip(runs[1:], texts[1:], strict=True):
        check_same_sentences(texts[0], others, names=(runs[0].folder.name, run.folder.name))
