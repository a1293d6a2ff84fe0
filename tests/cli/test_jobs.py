"""Runs as processes: what is done already, what is taken up, what fails."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from rnnsearch.cli import jobs
from rnnsearch.cli.jobs import Job, is_finished, quoted, run_jobs


def write_record(folder: Path, status: str, hash_: str = "abc") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"format": 1, "status": status, "config_hash": hash_, "results": {}})
    (folder / "record.json").write_text(text)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Processes that finish their run at once, unless their folder's name begins with bad."""
    calls: list[list[str]] = []

    class Process:
        def __init__(self, words: list[str], **options: Any) -> None:
            calls.append(words)
            folder = next(w for w in words if w.startswith("hydra.run.dir=")).partition("=")[2].strip('"')
            bad = Path(folder).name.startswith("bad")
            write_record(Path(folder), "failed" if bad else "finished")
            options["stderr"].write("the reason, é\n".encode())
            self.returncode = int(bad)

        def poll(self) -> int:
            return self.returncode

    monkeypatch.setattr(subprocess, "Popen", Process)
    return calls


@pytest.mark.parametrize(
    "value", ["a", "a b", "a,b=c", "é", "it's", 'say "x"', "back\\slash", "end\\", "[x]", "{y}", "# no", "$z"]
)
def test_hydra_reads_a_quoted_value_as_it_was(value: str) -> None:
    assert OverridesParser.create().parse_override(f"key={quoted(value)}").value() == value


def test_what_is_finished(tmp_path: Path) -> None:
    job = Job(tmp_path / "run", (), "abc", 5)
    assert not is_finished(job)
    for status in ("running", "failed", "interrupted"):
        write_record(job.folder, status)
        assert not is_finished(job)
    write_record(job.folder, "finished")
    assert is_finished(job)
    write_record(job.folder, "finished", "other")
    with pytest.raises(ValueError, match=r"holds a run of other settings \(config other, now abc\).*study=NAME"):
        is_finished(job)


def test_all_run_and_the_failed_are_told(
    tmp_path: Path, started: list[list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    names = ("bad-one", "done", "fresh", "halted", "stale")
    all_jobs = {name: Job(tmp_path / name, ("seed=1",), "abc", 5) for name in names}
    write_record(all_jobs["done"].folder, "finished")
    for name in ("halted", "stale"):
        write_record(all_jobs[name].folder, "interrupted")
    (all_jobs["halted"].folder / "checkpoints").mkdir()
    (all_jobs["halted"].folder / "checkpoints" / "last.ckpt").touch()
    (all_jobs["stale"].folder / "rubbish").touch()
    failed = run_jobs(list(all_jobs.values()), at_once=2)
    assert [job.folder.name for job in failed] == ["bad-one"]
    resumed = {Path(words[-2].strip('"')).name: words[-1] for words in started if words[-1] == "ckpt=last"}
    assert len(started) == 4
    assert list(resumed) == ["halted"]
    assert not (all_jobs["stale"].folder / "rubbish").exists()
    assert "bad-one failed (exit code 1)" in caplog.text
    assert "the reason, é" in caplog.text
    assert all(words[1:4] == ["-m", "rnnsearch", "train"] and "seed=1" in words for words in started)


def test_processes_are_ended_when_the_comparison_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []

    class Endless:
        def __init__(self, words: list[str], **options: Any) -> None: ...

        def poll(self) -> None:
            raise KeyboardInterrupt

        def terminate(self) -> None:
            ended.append("terminated")

        def wait(self) -> None:
            ended.append("waited for")

    monkeypatch.setattr(jobs.subprocess, "Popen", Endless)
    with pytest.raises(KeyboardInterrupt):
        run_jobs([Job(tmp_path / "run", (), "abc", 5)], at_once=1)
    assert ended == ["terminated", "waited for"]
