"""``rnnsearch runs``, as it is typed in a shell."""

import csv
import json
from pathlib import Path

import pytest
from tests.runs.known.records import write_run

from rnnsearch.cli.main import main


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two runs."""
    monkeypatch.chdir(tmp_path)
    for name, bleu in (("weak", 12.0), ("strong", 35.5)):
        words = ["model/context=additive"]
        write_run(tmp_path / "outputs/mine" / name, test={"bleu": bleu}, words=words, study="mine", member=name)
    return tmp_path / "outputs"


def test_commands_of_the_documentation(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", 'where="bleu>30 and model/context=additive"', "sort=bleu"]) == 0
    head, row, counts = capsys.readouterr().out.splitlines()
    assert head.split() == ["study", "member", "seed", "status", "bleu", "model/context", "run"]
    assert row.split() == ["mine", "strong", "0", "finished", "35.50", "additive", "outputs/mine/strong"]
    assert counts == "1 of 2 runs"
    assert main(["runs", 'where="bleu>0"', "sort=bleu"]) == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()[1:3]] == ["strong", "weak"]


def test_without_the_inner_quotes(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for where in ("where=bleu>30", "where=(bleu>30 and not member='weak')", 'where=member="strong"'):
        assert main(["runs", where, "rows=1"]) == 0
        assert "1 of 2 runs" in capsys.readouterr().out


def test_for_other_programs(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["runs", "sort=-bleu", "columns=[model/context]"]
    for form in ("csv", "json", "jsonl"):
        assert main([*words, f"format={form}"]) == 0
        out, err = capsys.readouterr()
        assert err == "2 of 2 runs\n"
        if form == "csv":
            rows = list(csv.DictReader(out.splitlines()))
        else:
            rows = json.loads(out) if form == "json" else [json.loads(line) for line in out.splitlines()]
        assert [row["run"] for row in rows] == ["outputs/mine/weak", "outputs/mine/strong"]
        assert [float(row["test_bleu"]) for row in rows] == [12.0, 35.5]
        assert rows[0]["model/context"] == "additive"
    assert main(["runs", "where=bleu>99", "format=csv"]) == 0
    assert capsys.readouterr().out == "run,study,member,seed,status\n"


def test_mistakes_are_one_sentence(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in (
        (["where=blue>3"], "no run has blue; did you mean bleu?"),
        (["where=bleu>"], "can't be read at its end"),
        (["where=bleu>x"], "'x' is none"),
        (["sort=blue"], "did you mean bleu?"),
        (["paths.output=none"], "none is no folder"),
        (["format=xml"], "choose one of table, csv, json, jsonl"),
    ):
        assert main(["runs", *words]) == 1
        assert said in capsys.readouterr().err


def test_texts_of_others_act_on_no_terminal(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(outputs / "mine/evil", test={"bleu": 50.0}, member="\x1b[2J[red]x\u202e\n", study="=1+1")
    for form in ("table", "csv", "jsonl"):
        assert main(["runs", f"format={form}"]) == 0
        out = capsys.readouterr().out
        assert not {"\x1b", "\u202e"} & {*out}
        assert "[red]x" in out
    assert main(["runs", "format=csv"]) == 0
    assert "'=1+1" in capsys.readouterr().out
