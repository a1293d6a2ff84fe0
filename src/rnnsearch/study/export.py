"""A study as tables for other programs (CSV, JSON) and for papers (LaTeX, Markdown)."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rnnsearch.study import ranking, spread
from rnnsearch.study.folder import Run, Study
from rnnsearch.study.measures import best_first, is_comparison, primary, ranked, scores, settings
from rnnsearch.study.plan import metric_of, title
from rnnsearch.study.planned import chance, planned, together, verdict
from rnnsearch.study.standing import marked
from rnnsearch.study.statistics import Comparison, compare
from rnnsearch.study.tables import Table, interval, number, p_value, plain, signed
from rnnsearch.visible import visible

RECORD = (
    *("updates", "tokens_seen", "training_seconds", "seconds", "tokens_per_second", "parameters"),
    *("parameters_without_embeddings", "flops_per_token", "peak_memory_bytes", "config_hash", "id"),
)
VALIDATION = ("bleu", "chrf", "nll")
TEST = ("bleu", "chrf", "ter", "nll", "perplexity", "aer", "aer_saliency", "sentences")
_LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": "$-$", "–": "--"}
_LATEX |= {letter: f"\\{letter}" for letter in "&%$#_{}"} | {letter: f"${letter}$" for letter in "<>|"}

FORMULA = ("=", "+", "-", "@", "\t")  # how what a spreadsheet would work out begins

Row = dict[str, Any]


def rows(study: Study) -> list[Row]:
    """One row a run with all that can be counted, in full precision; None where it was not measured.

    Of a sweep or search those of the best point first.
    """
    varied = settings(study)
    keys = list(dict.fromkeys(key for of_member in varied.values() for key in of_member))
    order = study.members if is_comparison(study) else best_first(study).members
    place = {member: number for number, member in enumerate(order)}
    runs = study.runs if is_comparison(study) else sorted(study.runs, key=lambda run: place.get(run.member, len(place)))
    return [_row(run, {key: varied.get(run.member, {}).get(key) for key in keys}) for run in runs]


def _row(run: Run, varied: Row) -> Row:
    metrics: Mapping[str, Mapping[str, Any]] = (run.record.get("results") or {}).get("metrics") or {}
    return {
        "member": run.member,
        "seed": run.seed,
        **varied,
        "status": run.status,
        "error": f"{run.error.get('type')}: {run.error.get('message')}" if run.error else None,
        **{f"validation_{key}": (metrics.get("validation") or {}).get(key) for key in VALIDATION},
        **{f"test_{key}": (metrics.get("test") or {}).get(key) for key in TEST},
        **{key: run.record.get(key) for key in RECORD},
        "commit": (run.record.get("git") or {}).get("commit"),
        "folder": run.folder.name,
    }


def as_csv(study: Study) -> str:
    """Rows as CSV, with a header; empty cells for None."""
    found = rows(study)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    header = list(found[0]) if found else ["member", "seed"]
    writer.writerows(map(_cell, line) for line in (header, *(row.values() for row in found)))
    return file.getvalue()


def _cell(value: Any) -> Any:
    """Numbers as they are, text so that no spreadsheet takes it for a formula."""
    if value is None or (isinstance(value, int | float) and type(value) is not bool):
        return value
    text = visible(plain(value).replace("\r", " "))
    return f"'{text}" if text.startswith(FORMULA) else text


def as_json(study: Study) -> str:
    """Rows as one JSON array."""
    return visible(json.dumps(rows(study), ensure_ascii=False, indent=1)) + "\n"


def summary(study: Study, comparison: Comparison | None) -> Table:
    """One row a member, by the primary metric: n, mean ± standard deviation over seeds, and the interval.

    Of a sweep or search the table of its report: the best first, a column for each setting.
    """
    if not is_comparison(study):
        return ranking.table(study, comparison, marked(study, comparison))
    if comparison is None:
        return _validated(study)
    body = []
    for member in study.members:
        found = comparison.whole.scores[member][metric_of(study)]
        body.append(
            (
                member,
                str(len(found.by_seed)),
                number(found.value) + (f" ± {number(found.deviation)}" if found.deviation is not None else ""),
                interval(found.interval),
            )
        )
    measure = title(study)
    header = ("member", "n", f"{measure}, mean ± sd", "95 % interval")
    over = f"95 % intervals over {spread.over(comparison)}"
    return Table(f"The {measure} of {_name(study)}, with {over}", header, tuple(body))


def comparisons(study: Study, comparison: Comparison | None) -> Table | None:
    """One row a planned comparison that is reported; None where there is none."""
    if comparison is None or not is_comparison(study):
        return None
    body = tuple(
        (
            f"{one.system} − {one.baseline}",
            str(len(one.seeds)),
            signed(one.difference.value),
            interval(one.difference.interval),
            p_value(one.difference.p_value),
            verdict(one.difference),
        )
        for one in planned(comparison)
        if one.difference is not None
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
    return str(study.description.get("name", study.folder.name))


def _validated(study: Study) -> Table:
    measure, found = primary(study), scores(study, primary(study))
    body = tuple((member, str(len(found[member].values)), number(found[member].mean)) for member in ranked(study))
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
    cells = [[_marked(text) for text in row] for row in (table.header, *table.rows)]
    lines = [f"| {' | '.join(row)} |" for row in cells]
    rule = "|" + " :-- |" * table.text_columns + " --: |" * (len(table.header) - table.text_columns)
    return "\n".join((f"**{_marked(table.caption)}**", "", lines[0], rule, *lines[1:], ""))


def _marked(text: str) -> str:
    return re.sub(r"([|\\`*_<]|\](?=[(\[:]))", r"\\\1", visible(" ".join(text.splitlines())))


FORMATS: Mapping[str, Callable[[Study], str]] = {
    "csv": as_csv,
    "json": as_json,
    "latex": as_latex,
    "markdown": as_markdown,
}
