"""What a run's folder is good for, and what is said about it."""

import shlex
from pathlib import Path

import pytest

from rnnsearch.runs.run_folder import next_command


@pytest.mark.parametrize("name", ["run", "q, =é x"])
def test_the_next_command_is_one_that_a_shell_takes(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path(name)
    command, verb, run, split = shlex.split(next_command(folder))
    assert (command, verb, split) == ("rnnsearch", "evaluate", "split=validation")
    assert run in (f"run={name}", f'run="{name}"')
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "test.jsonl").write_text("{}\n")
    assert next_command(folder).endswith("split=test")
