"""The command line: a measurement at the smallest sizes, help, and one sentence for nonsense."""

import json

import pytest
from benchmarks.__main__ import COMMANDS, main

NONSENSE = {
    "train": "invalid choice: 'train'",
    "training_step --lengths 15,x": "'x' is no whole number from 1 on",
    "training_step --lengths 0": "'0' is no whole number from 1 on",
    "training_step --systems ours,theirs": "'theirs' is none of ours, ours_plain, plain_loop",
    "training_step --json nowhere/out.json": "'nowhere/out.json' can't be written",
    "training_step --peers /nowhere/python": "'/nowhere/python' is no Python with torch",
    "training_step --dtype int8": "invalid choice: 'int8'",
    "memory --lenghts 25": "unrecognized arguments: --lenghts 25",
    "decode --data-root nowhere": "'nowhere' is no folder",
    "end_to_end --updates 1": "'1' is no whole number from 2 on",
}


@pytest.mark.parametrize("words", NONSENSE)
def test_nonsense_is_refused_in_a_sentence(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words.split())
    said = capsys.readouterr().err
    assert stop.value.code == 2
    assert NONSENSE[words] in said
    assert said.count("\n") == 1


def test_updates_that_leave_nothing_to_time_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["end_to_end", "--updates", "10", "--skipped", "10"]) == 1
    assert capsys.readouterr().err == (
        "benchmarks end_to_end: --skipped 10 leaves none of --updates 10 to time; lower it\n"
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_is_measured(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert f"usage: benchmarks {command}" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "unit"), [("training_step --lengths 2", "tokens/s"), ("memory --lengths 3", "MiB")]
)
def test_a_measurement(command: str, unit: str, tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.json"
    words = f"{command} --model tiny --batch 2 --vocabulary 20 --repeats 1 --threads 1 --systems ours,joeynmt_modules"
    assert main([*words.split(), "--json", str(out)]) == 0
    document = json.loads(out.read_text(encoding="utf-8"))
    [row] = document["rows"]
    assert (row["system"], row["unit"], row["ratio_to_ours"]) == ("ours", unit, 1.0)
    assert row["value"] > 0
    assert [one["system"] for one in document["left_out"]] == ["joeynmt_modules"]
    assert "left out: joeynmt_modules (no --peers PYTHON was given" in capsys.readouterr().out


@pytest.mark.slow
def test_a_measurement_of_a_command(tmp_path) -> None:
    out, words = tmp_path / "out.json", "end_to_end --updates 3 --skipped 1 --repeats 1 --threads 1"
    assert main([*words.split(), "--json", str(out)]) == 0
    row = json.loads(out.read_text(encoding="utf-8"))["rows"][0]
    assert (row["system"], row["unit"]) == ("ours", "tokens/s")
    assert row["value"] > 0
