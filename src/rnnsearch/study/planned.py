"""The comparisons that a protocol planned, with p-values that may be read together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rnnsearch.evaluation.metrics import BLEU, CHRF, PERPLEXITY
from rnnsearch.evaluation.significance import SEED, Difference, holm
from rnnsearch.study.blocks import Section
from rnnsearch.study.folder import Study
from rnnsearch.study.measures import primary
from rnnsearch.study.statistics import Comparison, paired
from rnnsearch.study.tables import Table, interval, number, p_value, signed

LEVEL = 0.05  # of the whole family of comparisons
WEAK = 10.0  # BLEU: a comparison of models that have not learnt to translate says nothing
METRICS = {"bleu": BLEU.name, "chrf": CHRF.name, "perplexity": PERPLEXITY.name}


@dataclass(frozen=True, slots=True)
class Planned:
    """One comparison: system minus baseline.

    Attributes:
        seeds: that both have finished.
        bleu: of the better one.
        difference: None where they share no seed, or where the better one is too weak.
        adjusted: Holm's p-value over all comparisons that are reported; None without a difference.
    """

    system: str
    baseline: str
    seeds: tuple[int, ...]
    bleu: float | None
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
    return METRICS.get(str(stated.get("metric") or "bleu"), BLEU.name)


def planned(study: Study, comparison: Comparison) -> list[Planned]:
    """All comparisons; Holm's correction is over those that are reported."""
    metric = metric_of(study)
    found = [_compared(comparison, system, baseline, metric) for system, baseline in pairs(study)]
    reported = [one for one in found if one.difference is not None]
    adjusted = holm([one.difference.p_value for one in reported if one.difference is not None])
    by_pair = {(one.system, one.baseline): value for one, value in zip(reported, adjusted, strict=True)}
    return [
        Planned(one.system, one.baseline, one.seeds, one.bleu, one.difference, by_pair.get((one.system, one.baseline)))
        for one in found
    ]


def _compared(comparison: Comparison, system: str, baseline: str, metric: str) -> Planned:
    scores = comparison.whole.scores
    if system not in scores or baseline not in scores:
        return Planned(system, baseline, (), None, None, None)
    shared = tuple(one for one in comparison.seeds_of[system] if one in comparison.seeds_of[baseline])
    bleu = max(scores[member][BLEU.name].value for member in (system, baseline))
    if bleu < WEAK:
        return Planned(system, baseline, shared, bleu, None, None)
    drawn, seeds_of = comparison.whole.drawn, comparison.seeds_of
    return Planned(system, baseline, shared, bleu, paired(system, baseline, drawn, seeds_of, metric, seed=SEED), None)


def section(study: Study, comparison: Comparison) -> Section:
    """The table of comparisons and what its columns mean; empty for a search, whose trials are not to be compared."""
    title = "Planned comparisons"
    if study.description.get("kind") == "search" or len(study.members) < 2:
        return Section(title)
    found = planned(study, comparison)
    header = ("comparison", "difference", "p-value", "Holm", "by seed", "least seen, sentences", "and seeds")
    rows = tuple(_row(one) for one in found)
    reported = [one for one in found if one.difference is not None]
    certain = sum(one.significant for one in reported)
    text = (
        f"{certain} of {len(reported)} comparisons hold at {100 * LEVEL:.0f} % for the whole family (Holm's correction "
        "of the two-sided p-values over test sentences and seeds).",
    )
    notes = (
        "“Least seen” is the smallest difference that a test at 5 % would find with 80 % power: with these test "
        "sentences for these very runs, and with as many sentences and seeds for new runs. "
        f"No comparison is reported where the better model has under {WEAK:.0f} BLEU.",
    )
    caption = f"Paired differences in {primary(study).title}, with 95 % intervals over sentences and seeds"
    return Section(title, text, tables=(Table(caption, header, rows, 1),), notes=notes)


def _row(one: Planned) -> tuple[str, ...]:
    pair = f"{one.system} − {one.baseline}"
    gap = one.difference
    if gap is None or one.adjusted is None:
        why = "not finished" if one.bleu is None else f"not reported: the better has {number(one.bleu)} BLEU"
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
