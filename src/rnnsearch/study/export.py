"""A study as tables for other programs (CSV, JSON) and for papers (LaTeX, Markdown)."""

import csv
import io
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from rnnsearch.evaluation.metrics import BLEU
from rnnsearch.evaluation.significance import over_seeds
from rnnsearch.study.folder import Run, Study
from rnnsearch.study.measures import primary, ranked, scores, settings
from rnnsearch.study.planned import planned
from rnnsearch.study.statistics import Comparison, compare
from rnnsearch.study.tables import NOTHING, Table, interval, number, p_value, signed

RECORD = (
    *("status", "updates", "tokens_seen", "training_seconds", "tokens_per_second", "parameters"),
    *("parameters_without_embeddings", "flops_per_token", "peak_memory_bytes", "config_hash", "id"),
)
VALIDATION = ("bleu", "chrf", "nll")
TEST = ("bleu", "chrf", "ter", "nll", "perplexity", "aer", "sentences")
_LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": "$-$", "–": "--"}
_LATEX |= {letter: f"\\{letter}" for letter in "&%$#_{}"}

Row = dict[str, Any]


def rows(study: Study) -> list[Row]:
    """One row a run with all that can be counted, in full precision; None where it was not measured."""
    varied = settings(study)
    keys = list(dict.fromkeys(key for of_member in varied.values() for key in of_member))
    return [_row(run, {key: varied.get(run.member, {}).get(key) for key in keys}) for run in study.runs]


def _row(run: Run, varied: Row) -> Row:
    metrics: Mapping[str, Mapping[str, Any]] = (run.record.get("results") or {}).get("metrics") or {}
    return {
        "member": run.member,
        "seed": run.seed,
        **varied,
        "status": run.status,
        **{f"validation_{key}": (metrics.get("validation") or {}).get(key) for key in VALIDATION},
        **{f"test_{key}": (metrics.get("test") or {}).get(key) for key in TEST},
        **{key: run.record.get(key) for key in RECORD if key != "status"},
        "commit": (run.record.get("git") or {}).get("commit"),
        "folder": run.folder.name,
    }


def as_csv(study: Study) -> str:
    """Rows as CSV, with a header; empty cells for None."""
    found = rows(study)
    file = io.StringIO()
    writer = csv.DictWriter(file, list(found[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    return file.getvalue()


def as_json(study: Study) -> str:
    """Rows as one JSON array."""
    return json.dumps(rows(study), ensure_ascii=False, indent=1) + "\n"


def summary(study: Study, comparison: Comparison | None) -> Table:
    """One row a member: n, mean and standard deviation over seeds, intervals, and Holm's p-value of its comparison."""
    if comparison is None:
        return _validated(study)
    tests = {(one.system, one.baseline): one for one in planned(study, comparison)} if len(study.members) > 1 else {}
    body = []
    for member in study.members:
        found = comparison.whole.scores[member][BLEU.name]
        seeds = over_seeds(found.by_seed)
        test = tests.get((member, study.baseline))
        gap = test.difference if test else None
        body.append(
            (
                member,
                str(len(found.by_seed)),
                number(found.value) + (f" ± {number(found.deviation)}" if found.deviation is not None else ""),
                interval(seeds) if seeds else NOTHING,
                interval(found.interval),
                f"{signed(gap.value)} {interval(gap.interval)}" if gap else NOTHING,
                p_value(test.adjusted) if test and test.adjusted is not None else NOTHING,
            )
        )
    header = ("member", "n", "BLEU, mean ± sd", "95 % over seeds", "95 % bootstrap", f"minus {study.baseline}", "Holm")
    return Table(f"Test BLEU of {study.description.get('name', study.folder.name)}", header, tuple(body))


def _validated(study: Study) -> Table:
    measure, found = primary(study), scores(study, primary(study))
    body = tuple((member, str(len(found[member].values)), number(found[member].mean)) for member in ranked(study))
    caption = f"{measure.title} of {study.description.get('name', study.folder.name)}, the best first"
    return Table(caption[0].upper() + caption[1:], ("member", "n", measure.title), body)


def latex(table: Table) -> str:
    """A table in LaTeX, with booktabs' rules and everything escaped."""
    columns = "l" * table.text_columns + "r" * (len(table.header) - table.text_columns)
    lines = [" & ".join(map(_escaped, row)) + r" \\" for row in (table.header, *table.rows)]
    return "\n".join(
        (
            "% needs \\usepackage{booktabs}",
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
    return "".join(_LATEX.get(letter, letter) for letter in text.replace("\n", " ")).replace("±", r"$\pm$")


def as_latex(study: Study) -> str:
    """The members' table in LaTeX."""
    return latex(summary(study, compare(study)))


def as_markdown(study: Study) -> str:
    """The members' table in Markdown."""
    table = summary(study, compare(study))
    cells = [[re.sub(r"([|\\`*_<])", r"\\\1", text) for text in row] for row in (table.header, *table.rows)]
    lines = [f"| {' | '.join(row)} |" for row in cells]
    rule = "|" + " :-- |" * table.text_columns + " --: |" * (len(table.header) - table.text_columns)
    return "\n".join((lines[0], rule, *lines[1:], ""))


FORMATS: Mapping[str, Callable[[Study], str]] = {
    "csv": as_csv,
    "json": as_json,
    "latex": as_latex,
    "markdown": as_markdown,
}
