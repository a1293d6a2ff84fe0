"""A study as tables for other programs (CSV, JSON) and for papers (LaTeX, Markdown)."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rnnsearch.plots.style import value_text
from rnnsearch.records.metrics import MONITORED
from rnnsearch.records.run_record import Record
from rnnsearch.records.visible import visible
from rnnsearch.study import ranking, spread
from rnnsearch.study.folder import Run, Study
from rnnsearch.study.measures import best_first, is_comparison, primary, ranked, scores, settings
from rnnsearch.study.plan import metric_of, title
from rnnsearch.study.planned_comparisons import chance, planned, together, verdict
from rnnsearch.study.standing import marked
from rnnsearch.study.statistics import Comparison, compare
from rnnsearch.study.tables import Table, in_markdown, interval, labels_of, number, p_value, signed

RECORD = (
    *("updates", "tokens_seen", "training_seconds", "seconds", "tokens_per_second", "parameters"),
    *("parameters_without_embeddings", "flops_per_token", "peak_memory_bytes", "config_hash", "id"),
)
TEST = ("bleu", "chrf", "ter", "nll", "perplexity", "aer", "aer_saliency", "sentences")
_LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": "$-$", "–": "--"}
_LATEX |= {letter: f"\\{letter}" for letter in "&%$#_{}"} | {letter: f"${letter}$" for letter in "<>|"}

FORMULA = ("=", "+", "-", "@", "\t")  # what a formula in a spreadsheet begins with

Row = dict[str, Any]


def rows(study: Study) -> list[Row]:
    """One row a run with every number, in full precision; None where it was not measured.

    In a sweep or search the runs of the best point come first.
    """
    varied = settings(study)
    keys = list(dict.fromkeys(key for of_member in varied.values() for key in of_member))
    order = study.members if is_comparison(study) else best_first(study).members
    place = {member: number for number, member in enumerate(order)}
    runs = study.runs if is_comparison(study) else sorted(study.runs, key=lambda run: place.get(run.member, len(place)))
    labels = labels_of([run.record for run in runs])
    return [
        {
            **_row(run, {key: varied.get(run.member, {}).get(key) for key in keys}),
            **{name: shown(run.record) or None for name, shown in labels.items()},
        }
        for run in runs
    ]


def _row(run: Run, varied: Row) -> Row:
    return {
        "member": run.member,
        "seed": run.seed,
        **varied,
        "status": run.status,
        "error": f"{run.error.get('type')}: {run.error.get('message')}" if run.error else None,
        **measured(run.record),
        "folder": run.folder.name,
    }


def measured(record: Record) -> Row:
    """Every number of a record, and the commit that it was made by; None where it was not measured."""
    metrics = record.results.metrics
    return {
        **{f"validation_{key}": metrics.validation.get(key) for key in MONITORED},
        **{f"test_{key}": metrics.test.get(key) for key in TEST},
        **{key: getattr(record, key) for key in RECORD},
        "commit": record.git.commit if record.git else None,
    }


def as_csv(study: Study) -> str:
    """Rows as CSV, with a header; empty cells for None."""
    return csv_text(rows(study), empty=("member", "seed"))


def csv_text(of_runs: Sequence[Row], *, empty: Sequence[str]) -> str:
    """Rows as CSV, with a header, which is ``empty`` where there are none."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    header = list(of_runs[0]) if of_runs else empty
    writer.writerows(map(_cell, line) for line in (header, *(row.values() for row in of_runs)))
    return file.getvalue()


def _cell(value: Any) -> Any:
    """Numbers unchanged; text so that no spreadsheet takes it for a formula."""
    if value is None or (isinstance(value, int | float) and type(value) is not bool):
        return value
    text = visible(value_text(value).replace("\r", " "))
    return f"'{text}" if text.startswith(FORMULA) else text


def as_json(study: Study) -> str:
    """Rows as one JSON array."""
    return json_text(rows(study))


def json_text(of_runs: Sequence[Row]) -> str:
    """Rows as one JSON array."""
    return visible(json.dumps(of_runs, ensure_ascii=False, indent=1)) + "\n"


def summary(study: Study, comparison: Comparison | None) -> Table:
    """One row a member, by the primary metric: n, mean ± standard deviation over seeds, and the interval.

    For a sweep or search it is the table of the report: the best first, a column for each setting.
    """
    if not is_comparison(study):
        return ranking.table(study, comparison, marked(study, comparison))
    if comparison is None:
        return _validated(study)
    body = []
    for member in study.members:
        estimate = comparison.whole.scores[member][metric_of(study)]
        body.append(
            (
                member,
                str(len(estimate.by_seed)),
                number(estimate.value) + (f" ± {number(estimate.deviation)}" if estimate.deviation is not None else ""),
                interval(estimate.interval),
            )
        )
    measure = title(study)
    header = ("member", "n", f"{measure}, mean ± sd", "95 % interval")
    over = f"95 % intervals over {spread.over(comparison)}"
    return Table(f"The {measure} of {_name(study)}, with {over}", header, tuple(body))


def comparisons(study: Study, comparison: Comparison | None) -> Table | None:
    """One row for each planned comparison that is reported; None without any."""
    if comparison is None or not is_comparison(study):
        return None
    body = tuple(
        (
            f"{plan.system} − {plan.baseline}",
            str(len(plan.seeds)),
            signed(plan.difference.value),
            interval(plan.difference.interval),
            p_value(plan.difference.p_value),
            verdict(plan.difference),
        )
        for plan in planned(comparison)
        if plan.difference is not None
    )
    over = f"95 % intervals over {chance(comparison)}{together(comparison)}"
    caption = f"Planned comparisons of {_name(study)}, paired differences in {title(study)}, {over}"
    header = ("comparison", "n", "difference", "95 % interval", "p", "verdict")
    return Table(caption, header, body) if body else None


def tables(study: Study, comparison: Comparison | None) -> list[Table]:
    """What a paper needs: the members, and the planned comparisons."""
    compared = comparisons(study, comparison)
    return [summary(study, comparison), *((compared,) if compared else ())]


def _name(study: Study) -> str:
    return study.description.name or study.folder.name


def _validated(study: Study) -> Table:
    measure, by_member = primary(study), scores(study, primary(study))
    body = tuple(
        (member, str(len(by_member[member].values)), number(by_member[member].mean)) for member in ranked(study)
    )
    caption = f"{measure.title} of {_name(study)}, the best first"
    return Table(caption[0].upper() + caption[1:], ("member", "n", measure.title), body)


def latex(table: Table) -> str:
    """A table in LaTeX, with booktabs' rules and everything escaped."""
    columns = "l" * table.text_columns + "r" * (len(table.header) - table.text_columns)
    lines = [" & ".join(map(_escaped, row)) + r" \\" for row in (table.header, *table.rows)]
    return "\n".join(
        (
            "\\begin{table}",
            f"\\caption{{{_escaped(table.caption)}}}",
            f"\\begin{{tabular}}{{{columns}}}",
            "\\toprule",
            lines[0],
            "\\midrule",
            *lines[1:],
            "\\bottomrule",
            "\\end{tabular}",
            "\\end{table}",
            "",
        )
    )


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in visible(text).replace("\n", " ")).replace("±", r"$\pm$")


def document(tables: Iterable[Table]) -> str:
    """Tables in LaTeX, one after the other."""
    return "\n".join(("% needs \\usepackage{booktabs}", *map(latex, tables)))


def as_latex(study: Study) -> str:
    """Members and planned comparisons in LaTeX."""
    return document(tables(study, compare(study)))


def as_markdown(study: Study) -> str:
    """Members and planned comparisons in Markdown."""
    return "\n".join(map(markdown, tables(study, compare(study))))


def markdown(table: Table) -> str:
    """A table in Markdown, its caption before it."""
    cells = [[in_markdown(text) for text in row] for row in (table.header, *table.rows)]
    lines = [f"| {' | '.join(row)} |" for row in cells]
    rule = "|" + " :-- |" * table.text_columns + " --: |" * (len(table.header) - table.text_columns)
    return "\n".join((f"**{in_markdown(table.caption)}**", "", lines[0], rule, *lines[1:], ""))


FORMATS: Mapping[str, Callable[[Study], str]] = {
    "csv": as_csv,
    "json": as_json,
    "latex": as_latex,
    "markdown": as_markdown,
}
