"""The comparisons that a protocol planned, with p-values that may be read together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rnnsearch.evaluation.metrics import BLEU, CHRF, PERPLEXITY
from rnnsearch.evaluation.significance import Difference, holm
from rnnsearch.study.blocks import Section
from rnnsearch.study.folder import Study
from rnnsearch.study.measures import TITLES, Measure, is_comparison, text_metric
from rnnsearch.study.statistics import Comparison, better_score, paired, shared_seeds
from rnnsearch.study.tables import Table, interval, number, p_value, signed

LEVEL = 0.05  # of the whole family of comparisons
METRICS = {"bleu": BLEU.name, "chrf": CHRF.name, "perplexity": PERPLEXITY.name}


@dataclass(frozen=True, slots=True)
class Planned:
    """One comparison: system minus baseline.

    Attributes:
        seeds: that both have finished.
        score: the primary score of the better one.
        difference: None where they share no seed, or where the better one is too weak.
        adjusted: Holm's p-value over all that were planned; None without a difference.
    """

    system: str
    baseline: str
    seeds: tuple[int, ...]
    score: float | None
    difference: Difference | None
    adjusted: float | None

    @property
    def significant(self) -> bool:
        """Whether it holds at the level of the whole family."""
        return self.adjusted is not None and self.adjusted < LEVEL


def pairs(study: Study) -> list[tuple[str, str]]:
    """System and baseline of each comparison: those of the protocol, else each member with the baseline."""
    stated: Mapping[str, Any] = study.description.get("protocol") or {}
    written: Sequence[Sequence[str]] = stated.get("comparisons") or []
    if written:
        return [(str(system), str(baseline)) for system, baseline in written]
    return [(member, study.baseline) for member in study.members[1:]]


def metric_of(study: Study) -> str:
    """The primary metric, as `rnnsearch.evaluation.metrics` names it."""
    stated: Mapping[str, Any] = study.description.get("protocol") or {}
    metric = METRICS.get(str(stated.get("metric") or "bleu"), BLEU.name)
    return text_metric(study) if metric == BLEU.name else metric


def title(study: Study) -> str:
    """Of the primary metric on the test set."""
    return Measure(metric_of(study), "test").title


def planned(study: Study, comparison: Comparison) -> list[Planned]:
    """All comparisons. Holm's correction is over all of them: one that is not reported counts with p = 1."""
    metric = metric_of(study)
    found = [_compared(comparison, system, baseline, metric) for system, baseline in pairs(study)]
    adjusted = holm([one.difference.p_value if one.difference else 1.0 for one in found])
    return [replace(one, adjusted=p if one.difference else None) for one, p in zip(found, adjusted, strict=True)]


def _compared(comparison: Comparison, system: str, baseline: str, metric: str) -> Planned:
    if not {system, baseline} <= set(comparison.whole.scores):
        return Planned(system, baseline, (), None, None, None)
    drawn, seeds_of = comparison.whole.drawn, comparison.seeds_of
    shared = shared_seeds(seeds_of, system, baseline)
    if not shared:
        return Planned(system, baseline, (), None, None, None)
    score = better_score(comparison.whole.scores, seeds_of, system, baseline, comparison.metric)
    gap = paired(system, baseline, drawn, seeds_of, metric) if score >= comparison.weak else None
    return Planned(system, baseline, shared, score, gap, None)


def section(study: Study, comparison: Comparison) -> Section:
    """The table of comparisons and what its columns mean; empty for a search, whose trials are not to be compared."""
    heading = "Planned comparisons"
    if not is_comparison(study) or len(study.members) < 2:
        return Section(heading)
    found, name = planned(study, comparison), TITLES[comparison.metric]
    header = ("comparison", "difference", "p-value", "Holm", "by seed", "least seen, sentences", "and seeds")
    rows = tuple(_row(one, name) for one in found)
    reported = sum(one.difference is not None for one in found)
    certain = sum(one.significant for one in found)
    left_out = f", {len(found) - reported} of them not reported" if reported < len(found) else ""
    text = (
        f"{certain} of {len(found)} planned comparisons hold at {100 * LEVEL:.0f} % for the whole family{left_out} "
        "(Holm's correction of the two-sided p-values over test sentences and seeds).",
    )
    notes = (
        "“Least seen” is the smallest difference that a test at 5 % would find with 80 % power: with these test "
        "sentences for these very runs, and with as many sentences and seeds for new runs. "
        f"No comparison is reported where the better model has under {comparison.weak:.0f} {name}; the correction "
        "counts it as one that does not hold.",
        "Few seeds say little of the next training: an interval over three is about 2.5 standard deviations of them "
        "wide on either side (Student's t), over two 9. A difference may stay open that every seed shows.",
    )
    caption = f"Paired differences in {title(study)}, with 95 % intervals over sentences and seeds"
    return Section(heading, text, tables=(Table(caption, header, rows, 1),), notes=notes)


def _row(one: Planned, name: str) -> tuple[str, ...]:
    pair = f"{one.system} − {one.baseline}"
    gap = one.difference
    if gap is None or one.adjusted is None:
        weak = f"not reported: the better has {number(one.score)} {name}"
        why = "no seed finished by both" if one.score is None else weak
        return (pair, why, "", "", "", "", "")
    return (
        pair,
        f"{signed(gap.value)}\n{interval(gap.interval)}",
        p_value(gap.p_value),
        p_value(one.adjusted) + ("\nholds" if one.significant else "\nopen"),
        ", ".join(signed(value) for value in gap.by_seed),
        number(gap.detectable),
        number(gap.detectable_with_seeds) if len(one.seeds) > 1 else "–",
    )
