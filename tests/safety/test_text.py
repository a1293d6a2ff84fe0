"""Text of strangers is text wherever it is shown: in a terminal, a table of a spreadsheet, Markdown, LaTeX."""

import csv
import io
import logging
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from rich.console import Console

from rnnsearch.config import errors
from rnnsearch.config.terminal import StderrHandler, for_stdout, say
from rnnsearch.evaluation.heatmap import heatmap
from rnnsearch.plots.images import svg
from rnnsearch.plots.style import plain
from rnnsearch.records.visible import visible
from rnnsearch.runs.recording import Discreet
from rnnsearch.study import export
from rnnsearch.study.blocks import Example, Fold, Section
from rnnsearch.study.remarks import Remark
from rnnsearch.study.report import Card, First, Report, render_html, render_markdown
from rnnsearch.study.tables import Table
from rnnsearch.sweeps import live_table
from rnnsearch.sweeps.ledger import Attempt, Point, State

ESCAPES = "\x1b]0;title\x07\x1b[2J\x9b31m"
NASTY = f"[red]x[/red] [link=http://x]y[/link] {ESCAPES}"


def test_a_label_in_the_live_table(tmp_path: Path) -> None:
    point = Point(folder=tmp_path, key="k", member=NASTY, seed=1, overrides=())
    state = State("failed", error=NASTY, attempts=(Attempt("now"), Attempt("now")))
    shown = io.StringIO()
    Console(file=shown, width=400, force_terminal=True, color_system="truecolor").print(
        live_table.table([point], {tmp_path: state})
    )
    text = shown.getvalue()
    assert text.count("[red]x[/red] [link=http://x]y[/link] \\u001b]0;title\\u0007\\u001b[2J\\u009b31m") == 2
    assert "\x1b]0" not in text
    assert "\x9b" not in text


def test_a_line_of_the_log(capsys: Any) -> None:
    handler = StderrHandler()
    handler.emit(logging.LogRecord("x", logging.INFO, "", 0, "%s\nä\t%s", (NASTY, "é"), None))
    said = capsys.readouterr().err
    assert said == f"{visible(NASTY)}\nä\té\n"


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1"])
def test_no_cell_of_a_csv_is_a_formula(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"member": text, "seed": -1, "test_nll": -2.5, "error": f"{text}: {text}", "status": None, "fit": True}
    monkeypatch.setattr(export, "rows", lambda study: [row])
    study: Any = SimpleNamespace()
    [read] = csv.DictReader(io.StringIO(export.as_csv(study), newline=""))
    assert read["member"] == f"'{text}"
    assert read["error"].startswith("'")
    assert (read["seed"], read["test_nll"], read["status"], read["fit"]) == ("-1", "-2.5", "", "true")


def test_tables_for_papers() -> None:
    nasty = r"\input{/etc/passwd} \write18{x} %$#_{}~^ [a](javascript:x) <img src=x> *b*" + "\n| c"
    table = Table(nasty, (nasty, "n"), ((nasty, "1"),), 1)
    latex = export.latex(table)
    assert r"\input" not in latex
    assert r"\write18" not in latex
    assert latex.count("\n") == export.latex(Table("x", ("x", "n"), (("x", "1"),), 1)).count("\n")
    markdown = export.markdown(table)
    assert markdown.count("\\](") == markdown.count("](") == 3
    assert markdown.count("\\<img") == markdown.count("<img") == 3
    assert markdown.count("\n") == export.markdown(Table("x", ("x", "n"), (("x", "1"),), 1)).count("\n")


ACTING = st.sampled_from([*"\x1b\x07\r\0\x7f\x85\x9b\u200e\u200f\u061c\u202a\u202e\u2066\u2069\u2028\ud800\ufffe"])
HOSTILE = st.lists(st.text(st.characters(codec="utf-8"), max_size=4) | ACTING, max_size=8).map("".join)
STUDY: Any = SimpleNamespace()


def ways(text: str, folder: Path) -> Iterator[str]:
    """A stranger's text as each way to show it shows it."""
    point = Point(folder=folder, key="k", member=text, seed=1, overrides=())
    shown = io.StringIO()
    Console(file=shown, width=400).print(live_table.table([point], {folder: State("failed", error=text)}))
    yield shown.getvalue()
    yield StderrHandler().format(logging.LogRecord("x", logging.INFO, "", 0, "%s", (text,), None))
    yield Discreet().format(logging.LogRecord("x", logging.INFO, "", 0, "%s", (text,), None))
    for stderr in (False, True):
        said = io.StringIO()
        with (redirect_stderr if stderr else redirect_stdout)(said):
            say(text, stderr=stderr)
        yield said.getvalue()
    for error in (ValueError(text), OSError(5, "no", text), RuntimeError(text)):  # the last with its traceback
        said = io.StringIO()
        with redirect_stderr(said):
            errors.report(error, "train", [])
        yield said.getvalue()
    table = Table(text, (text, "n"), ((text, "1"),), 1)
    yield export.latex(table)
    yield export.markdown(table)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(export, "rows", lambda study: [{"member": text, text: text}])
        yield export.as_csv(STUDY)
        yield export.as_json(STUDY)
    yield heatmap([text], [text], np.ones((1, 1)), [(0, 0)], caption=text)
    first = First(text, others=(text,), cards=(Card(text, text, text),))
    remarks = (Remark("doubt", text, text, (text,)), Remark("note", text, text, (text,)))
    report = Report(text, text, first, remarks, (every_block(text),), (text,), comparison=None)
    yield render_html(report, {})
    yield render_markdown(report, {})
    figure = Figure()
    figure.subplots().set_title(plain(text), parse_math=False)
    yield svg(figure)


def every_block(text: str) -> Section:
    """A section with the text wherever text may stand."""
    facts = ((text, (text,)),)
    table = Table(text, (text,), ((text,),), 1)
    fold = Fold(text, text, tables=(table,), facts=facts, own=frozenset([text]), code=text)
    shown = Example(text, text, text, ((text, text, text),))
    return Section(
        text,
        (text,),
        facts,
        tables=(table,),
        examples=(shown,),
        facts=facts,
        folds=(fold,),
        notes=(text,),
        left_out=(text,),
    )


@settings(max_examples=15, deadline=None)
@given(HOSTILE)
@example("\x9b31m\u202e\u2066")
def test_nothing_that_is_shown_acts(text: str) -> None:
    for shown in ways(text, Path("a")):
        assert visible(shown) == shown


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_result_is_data_in_a_file_and_visible_on_a_terminal() -> None:
    with redirect_stdout(io.StringIO()):
        assert for_stdout(ESCAPES) == ESCAPES
    with redirect_stdout(Terminal()):
        assert for_stdout(ESCAPES) == visible(ESCAPES) != ESCAPES
