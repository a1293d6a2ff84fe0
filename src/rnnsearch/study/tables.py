"""The report's tables: functions of a study and its comparison that return text cells.

A newline in a cell starts a smaller second line. "–" means not measured.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from rnnsearch.evaluation.significance import Estimate, Interval
from rnnsearch.evaluation.summed_metrics import AER, BLEU, CHRF, PERPLEXITY
from rnnsearch.plots.style import value_text
from rnnsearch.records.metrics import METRICS
from rnnsearch.records.run_record import Record
from rnnsearch.records.visible import visible
from rnnsearch.study.folder import OTHER_DATA, Run, Study
from rnnsearch.study.measures import compares
from rnnsearch.study.statistics import Comparison

NOTHING = "–"
_MARKUP = re.compile(r"([\\`*_<|~$&]|\](?=[(\[:]))")  # what starts markup inside a line or a table of Markdown
COLUMNS = 4  # up to so many members have a column each


@dataclass(frozen=True, slots=True)
class Table:
    """Cells of text; the first `text_columns` are set left, the others right."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: int = 1


def in_markdown(text: object) -> str:
    """A text as it stands in a line or a cell of Markdown."""
    return _MARKUP.sub(r"\\\1", visible(str(text))).replace("\n", " ")


def oriented(table: Table, members: int) -> Table:
    """A table with a column for each member, transposed to a row for each if there are many."""
    if members <= COLUMNS:
        return table
    header, *rows = zip(table.header, *table.rows, strict=True)
    return Table(table.caption, tuple(header), tuple(rows), 1)


def number(value: float | None, digits: int = 2) -> str:
    """A number with a fixed count of digits after the point and commas between thousands."""
    if value is None or not math.isfinite(value):
        return NOTHING if value is None else str(value)
    return f"{value:,.{digits}f}".replace("-", "−")


def signed(value: float, digits: int = 2) -> str:
    """A difference with its sign, without one if it rounds to 0."""
    text = f"{value:+,.{digits}f}"
    return (text[1:] if float(text.replace(",", "")) == 0 else text).replace("-", "−")


def interval(found: Interval, digits: int = 2) -> str:
    """Both ends in brackets."""
    return f"[{number(found.low, digits)}, {number(found.high, digits)}]"


def p_value(value: float) -> str:
    """p with three decimals, or that it is smaller."""
    if math.isnan(value):
        return NOTHING
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def duration(seconds: float | None) -> str:
    """Hours, minutes and seconds, the larger two of them."""
    if seconds is None:
        return NOTHING
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def config_difference(study: Study) -> Table:
    """The keys in which the members' configs differ, and nothing else."""
    rows = tuple(
        (entry.key, *(value_text(entry.values.get(member, NOTHING)) for member in study.members))
        for entry in study.description.config_difference or []
    )
    return Table(
        "Configuration keys in which the members differ", ("key", *study.members), rows, 1 + len(study.members)
    )


def scores(study: Study, comparison: Comparison) -> Table:
    """Test scores of each member: mean over seeds, 95 % interval, standard deviation over seeds."""
    whole = comparison.whole.scores
    rows = [
        (METRICS[metric.name].arrow, *(_score(whole[member][metric.name]) for member in study.members))
        for metric in (BLEU, CHRF)
    ]
    rows.append((METRICS["ter"].arrow, *(_ter(study.compared(member)) for member in study.members)))
    rows.append((METRICS[PERPLEXITY.name].arrow, *(_score(whole[member][PERPLEXITY.name]) for member in study.members)))
    caption = f"Test scores, {comparison.whole.sentences:,} sentences, {seeds_text(comparison.seeds)}"
    return oriented(Table(caption, ("", *study.members), tuple(rows)), len(study.members))


def differences(study: Study, comparison: Comparison) -> Table:
    """Each compared pair by every metric: difference, interval, p-value, and the difference for each seed."""
    pairs = comparison.compared
    several = len(pairs) > 1
    rows = []
    for pair in pairs:
        for metric in (BLEU, CHRF, PERPLEXITY):
            gap = comparison.whole.differences[pair][metric.name]
            named = [" − ".join(pair) if metric is BLEU else ""] if several else []
            rows.append(
                (
                    *named,
                    METRICS[metric.name].arrow,
                    f"{signed(gap.value)}\n{interval(gap.interval)}",
                    p_value(gap.p_value),
                    ", ".join(signed(value) for value in gap.by_seed),
                )
            )
    lead = ("pair", "metric") if several else ("",)
    caption = f"Differences of {len(comparison.pairs)} pairs read together" if several else " minus ".join(pairs[0])
    return Table(f"{caption}, paired", (*lead, "difference", "p-value", "by seed"), tuple(rows), len(lead))


def by_length(study: Study, comparison: Comparison) -> Table:
    """The primary score of each member and the paired differences in each length bucket."""
    metric = comparison.metric
    rows = []
    for bucket, part in zip(comparison.buckets, comparison.by_length, strict=True):
        of_members = [_score(part.scores[member][metric], deviation=False) for member in study.members]
        gaps = [part.differences[pair][metric] for pair in comparison.compared]
        of_pairs = [f"{signed(gap.value)}\n{interval(gap.interval)}" for gap in gaps]
        rows.append((f"{bucket.label}\nn = {bucket.n:,}", *of_members, *of_pairs))
    pairs = [" − ".join(pair) for pair in comparison.compared]
    cells = len(comparison.pairs) * len(comparison.buckets)
    caption = f"{METRICS[metric].title} by source length in {comparison.unit}"
    caption += f"; the intervals of {cells} differences hold together" if pairs and cells > 1 else ""
    table = Table(caption, (comparison.unit, *study.members, *pairs), tuple(rows))
    return oriented(table, len(study.members))


def alignment(comparison: Comparison) -> Table | None:
    """AER of the members by method, comparable only within one method; None without gold links."""
    if not comparison.aer:
        return None
    rows = tuple(
        (method, member, f"{part.sentences:,}", _score(estimates[AER.name], digits=3))
        for method, part in comparison.aer.items()
        for member, estimates in part.scores.items()
    )
    caption = "Alignment error rate ↓ over sentences with gold links (0 to 1); compare within one way to link"
    return Table(caption, ("links by", "member", "sentences", "AER"), rows, 2)


def runs(study: Study) -> Table:
    """One line for each run, finished or not."""
    header = ("member", "seed", "status", "BLEU", "chrF", "TER", "perplexity", "validation BLEU", "updates", "time")
    labels = labels_of([run.record for run in study.runs])
    rows = ((*_run_row(run), *(shown(run.record) for shown in labels.values())) for run in study.runs)
    return Table("Every run", (*header, *labels), tuple(rows), 3)


def labels_of(records: Sequence[Record]) -> dict[str, Callable[[Record], str]]:
    """The columns of what users call their runs and say of them, as far as any of the records has it."""
    columns: dict[str, Callable[[Record], str]] = {
        "tags": lambda record: ", ".join(record.tags),
        "note": lambda record: record.note or "",
    }
    return {name: shown for name, shown in columns.items() if any(map(shown, records))}


def not_compared(study: Study) -> Table | None:
    """Runs that are left out, and why; None if there are none, or the study compares nothing."""
    if not compares(study):
        return None
    left_out = [run for run in study.runs if not run.comparable]
    if not left_out:
        return None
    rows = tuple((run.member, str(run.seed), run.status, _reason(run)) for run in left_out)
    return Table("Runs that are not in the comparison", ("member", "seed", "status", "reason"), rows, 4)


def seeds_text(seeds: Sequence[int]) -> str:
    """The seeds in words."""
    return f"{len(seeds)} seeds ({', '.join(map(str, seeds))})" if len(seeds) > 1 else f"one seed ({seeds[0]})"


def _score(estimate: Estimate, digits: int = 2, *, deviation: bool = True) -> str:
    lines = [number(estimate.value, digits), interval(estimate.interval, digits)]
    if deviation and estimate.deviation is not None:
        lines.append(f"sd {number(estimate.deviation, digits)}, n {len(estimate.by_seed)}")
    return "\n".join(lines)


def _ter(compared: Sequence[Run]) -> str:
    values = [float(run.test["ter"]) for run in compared if run.test.get("ter") is not None]
    if not values:
        return NOTHING
    return number(fmean(values)) + (f"\nsd {number(stdev(values))}" if len(values) > 1 else "")


def _run_row(run: Run) -> tuple[str, ...]:
    validation = run.record.results.metrics.validation
    test = (number(run.test.get(name)) for name in ("bleu", "chrf", "ter", "perplexity"))
    rest = (number(validation.get("bleu")), count(run.record.updates), duration(run.record.seconds))
    return (run.member, str(run.seed), run.status, *test, *rest)


def _reason(run: Run) -> str:
    if run.error:
        message = str(run.error.get("message") or "").strip()
        return f"{run.error.get('type')}: {message}" if message else str(run.error.get("type"))
    reasons = {"finished": "no test translations", OTHER_DATA: "made from other data; see above"}
    return reasons.get(run.status, "did not finish")


def count(value: float | None) -> str:
    """A whole number with commas between thousands."""
    return number(value, 0)


def mebibytes(value: float | None) -> str:
    """Bytes as whole mebibytes."""
    return NOTHING if value is None else f"{count(value / 2**20)} MiB"
