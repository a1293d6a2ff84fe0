"""The planned comparisons: which hold, what difference could be detected, and how many seeds a wished one takes."""

from collections.abc import Sequence
from dataclasses import dataclass

from rnnsearch.evaluation.error_model import ERROR
from rnnsearch.evaluation.power import LIMIT, POWER, detectable, floor, seeds_needed
from rnnsearch.evaluation.significance import Difference, equivalence
from rnnsearch.evaluation.summed_metrics import BLEU, CHRF, PERPLEXITY
from rnnsearch.records.metrics import TITLES
from rnnsearch.study.blocks import Section
from rnnsearch.study.folder import Study
from rnnsearch.study.measures import is_comparison
from rnnsearch.study.plan import Pair, title
from rnnsearch.study.spread import FEW
from rnnsearch.study.statistics import Comparison, shared_seeds
from rnnsearch.study.tables import NOTHING, Table, interval, number, p_value, signed

BOUNDS = {metric.name: metric.within for metric in (BLEU, CHRF, PERPLEXITY)}
WISHED = {"bleu": 1.0, "chrf": 1.0, "perplexity": 0.1}  # the difference for which the needed seeds are computed


@dataclass(frozen=True, slots=True)
class Planned:
    """One comparison: system minus baseline.

    Attributes:
        seeds: that both have finished.
        score: the better one's primary text score; None if they share no seed.
        difference: in the primary metric; None if they share no seed, or the better one is too weak.
    """

    system: str
    baseline: str
    seeds: tuple[int, ...]
    score: float | None
    difference: Difference | None

    @property
    def holds(self) -> bool:
        """Whether its interval, simultaneous with all others, excludes 0; never with one seed."""
        return self.difference is not None and self.difference.holds


def planned(comparison: Comparison) -> list[Planned]:
    """All comparisons; one that can't be reported still counts in the simultaneous intervals."""
    return [_compared(comparison, pair) for pair in comparison.pairs]


def _compared(comparison: Comparison, pair: Pair) -> Planned:
    shared = shared_seeds(comparison.seeds_of, pair)
    score = comparison.better_score(pair) if shared else None
    gap = comparison.whole.differences[pair][comparison.primary] if pair in comparison.compared else None
    return Planned(*pair, shared, score, gap)


def section(study: Study, comparison: Comparison) -> Section:
    """The table of comparisons and what its columns mean; empty if the study is no comparison or has one member."""
    heading = "Planned comparisons"
    if not is_comparison(study) or len(study.members) < 2:
        return Section(heading)
    plans = planned(comparison)
    wished = f"seeds for {WISHED[comparison.primary]:g} {TITLES[comparison.primary]}"
    margin = study.description.planned.equivalence
    rows = tuple((*_row(plan, comparison), *([_within(plan, margin)] if margin else [])) for plan in plans)
    measured = ("comparison", "difference", "p-value", "by seed", "sd, sentences", "sd, seeds", "detectable", wished)
    header = (*measured, *([f"within ±{margin:g}"] if margin else []))
    caption = (
        f"Paired differences in {title(study)}, with 95 % intervals over {chance(comparison)}{together(comparison)}"
    )
    text, notes = [_text(plans, comparison)], [*_notes(plans, comparison)]
    if margin:
        text.append(equivalent(plans, margin, TITLES[comparison.primary]))
        notes.append(_equivalence(len(plans)))
    return Section(heading, tuple(text), tables=(Table(caption, header, rows, 1),), notes=tuple(notes))


def chance(comparison: Comparison) -> str:
    """The sources of chance that the intervals cover."""
    most = max((len(gaps[comparison.primary].by_seed) for gaps in comparison.whole.differences.values()), default=1)
    return "test sentences and seeds" if most > 1 else "test sentences alone"


def together(comparison: Comparison) -> str:
    """How many intervals are simultaneous, if several are."""
    count = len(comparison.pairs)
    return f", simultaneous for all {count}" if count > 1 else ""


def _text(plans: list[Planned], comparison: Comparison) -> str:
    reported = [plan.difference for plan in plans if plan.difference]
    left_out = f", {len(plans) - len(reported)} of them not reported" if len(reported) < len(plans) else ""
    if not reported:
        return f"Nothing is reported, so that {_none(len(plans))} can hold: the table says why."
    if all(len(gap.by_seed) == 1 for gap in reported):
        return (
            f"One seed: {_none(len(plans))} can hold{left_out}. What is said is of these very "
            "runs, sentences alone; of training them again nothing is known."
        )
    several = f" of {len(plans)} together" if len(plans) > 1 else ""
    return (
        f"{sum(plan.holds for plan in plans)} of {len(plans)} planned comparisons hold{left_out}: the 95 % interval"
        f"{several} over {chance(comparison)} excludes 0."
    )


def _notes(plans: list[Planned], comparison: Comparison) -> tuple[str, ...]:
    """What the columns are and how they are computed."""
    count, least = len(plans), f"{comparison.weak:.0f} {TITLES[comparison.metric]}"
    level = f" / {count}" if count > 1 else ""
    several = (
        f" Each interval has the error {100 * ERROR:.0f} % / {count}, and p-values are times {count} (Bonferroni); "
        "one that is not reported counts too."
        if count > 1
        else ""
    )
    few = [len(plan.seeds) for plan in plans if 1 < len(plan.seeds) < FEW]
    wide = f" Of {min(few)} seeds the spread is known only roughly, which makes all of this large." if few else ""
    return (
        "Paired by sentence and by seed. Sentences: the standard deviation of the mean difference over resamples "
        "(bootstrap), as far as all seeds share it. Seeds: that of one difference over the seeds, by Student's t. Test "
        f"and interval are of both together (Behrens and Fisher), variances not pooled.{several} No comparison is "
        f"reported where the better model has under {least}.",
        f"“Detectable” is the smallest difference that a new study like this one finds, at an error of "
        f"{100 * ERROR:.0f} %{level}, with {100 * POWER:.0f} % power; the last column is how many seeds a study needs "
        "to find that difference so; none where the test sentences are too few for any number of seeds, with the "
        "smallest difference that they leave to be found. Both count that the spread over seeds is itself estimated; "
        f"of one seed, “detectable” is that of these very runs.{wide}",
    )


def _equivalence(count: int) -> str:
    """How equivalence is tested of so many comparisons together."""
    level = f" / {count}" if count > 1 else ""
    return (
        f"Equivalence is shown by two one-sided tests at an error of {100 * ERROR:.0f} %{level} (Schuirmann 1987): the "
        f"{100 * (1 - 2 * ERROR / count):.4g} % interval lies within the margin that the protocol states. An interval "
        "that includes 0 does not show it."
    )


def _row(plan: Planned, comparison: Comparison) -> tuple[str, ...]:
    pair, gap = f"{plan.system} − {plan.baseline}", plan.difference
    if gap is None:
        weak = f"not reported: the better has {number(plan.score)} {TITLES[comparison.metric]}"
        return (pair, "no seed finished by both" if plan.score is None else weak, *[""] * 6)
    several = len(gap.by_seed) > 1
    return (
        pair,
        f"{signed(gap.value)}\n{interval(gap.interval)}",
        f"{p_value(gap.p_value)}\n{verdict(gap)}",
        ", ".join(signed(value) for value in gap.by_seed),
        number(gap.errors.sentences**0.5),
        number(gap.deviation) if several else NOTHING,
        _detectable(gap, comparison.primary),
        _seeds(gap, WISHED[comparison.primary]) if several else NOTHING,
    )


def equivalent(plans: Sequence[Planned], margin: float, title: str) -> str:
    """Which planned comparisons are shown to differ by less than the margin."""
    shown = sum(plan.difference is not None and equivalence(plan.difference, margin).holds for plan in plans)
    within = f"Equivalence within ±{margin:g} {title}"
    if len(plans) > 1:
        return f"{within} is shown for {shown} of {len(plans)} pairs."
    return f"{within} of {plans[0].system} and {plans[0].baseline} is {'shown' if shown else 'not shown'}."


def _within(plan: Planned, margin: float) -> str:
    if plan.difference is None or len(plan.difference.by_seed) < 2:
        return NOTHING
    tested = equivalence(plan.difference, margin)
    return f"{interval(tested.interval)}\n{p_value(tested.p_value)} {'shown' if tested.holds else 'not shown'}"


def verdict(gap: Difference) -> str:
    """A comparison's outcome, in a word or two."""
    return "holds" if gap.holds else "open" if len(gap.by_seed) > 1 else "one seed"


def _detectable(gap: Difference, metric: str) -> str:
    """The smallest detectable difference; “none” if two scores cannot differ by so much."""
    smallest, (low, high) = detectable(gap.errors, error=gap.error), BOUNDS[metric]
    return "none" if smallest > high - low else number(smallest)


def _seeds(gap: Difference, wished: float) -> str:
    if wished <= (limit := floor(gap.errors, error=gap.error)):
        return f"none: {number(limit)}"
    needed = seeds_needed(wished, gap.errors, error=gap.error)
    return f"over {LIMIT}" if needed is None else str(needed)


def _none(count: int) -> str:
    return "no planned comparison" if count == 1 else f"none of {count} planned comparisons"
