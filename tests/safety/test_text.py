"""Text of strangers is text wherever it is shown: in a terminal, a table of a spreadsheet, Markdown, LaTeX."""

import csv
import io
import logging
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from rnnsearch.cli import live
from rnnsearch.cli.stderr import StderrHandler, printable
from rnnsearch.study import export
from rnnsearch.study.tables import Table
from rnnsearch.sweep.ledger import Attempt, Point, State

ESCAPES = "\x1b]0;title\x07\x1b[2J\x9b31m"
NASTY = f"[red]x[/red] [link=http://x]y[/link] {ESCAPES}"


def test_a_label_in_the_live_table(tmp_path: Path) -> None:
    point = Point(folder=tmp_path, key="k", member=NASTY, seed=1, overrides=())
    state = State("failed", error=NASTY, attempts=(Attempt("now"), Attempt("now")))
    shown = io.StringIO()
    Console(file=shown, width=400, force_terminal=True, color_system="truecolor").print(
        live.table([point], {tmp_path: state})
    )
    text = shown.getvalue()
    assert text.count("[red]x[/red] [link=http://x]y[/link] \\x1b]0;title\\x07\\x1b[2J\\x9b31m") == 2
    assert "\x1b]0" not in text
    assert "\x9b" not in text


def test_a_line_of_the_log(capsys: Any) -> None:
    handler = StderrHandler()
    handler.emit(logging.LogRecord("x", logging.INFO, "", 0, "%s\nä\t%s", (NASTY, "é"), None))
    said = capsys.readouterr().err
    assert said == f"{printable(NASTY)}\nä\té\n"
    assert not set(said) & set(ESCAPES.replace("x", "")) - set(printable(ESCAPES))


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


def test_control_characters_are_shown_and_nothing_else_changes() -> None:
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    kept = "".join(c for c in every if c.isprintable() or c in "\n\t")
    assert printable(kept) == kept
    assert printable(printable("\x1b\x9b\u202e\r")) == "\\x1b\\x9b\\u202e\\r"
