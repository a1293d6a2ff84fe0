"""Folders whose files appear together or not at all."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rnnsearch.records.folders import written_aside


def test_files_written_aside_appear_together_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")

    def on_a_full_disk() -> None:
        with written_aside(tmp_path) as aside:
            (aside / "a").write_text("new")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        on_a_full_disk()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "old")]
    with written_aside(tmp_path) as aside:
        (aside / "below").mkdir()
        for path in (aside / "a", aside / "below" / "b"):
            path.write_text("new")
        assert (tmp_path / "a").read_text() == "old"
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")} == {"a", "below", "below/b"}
    assert (tmp_path / "a").read_text() == "new"


def test_what_a_killed_process_wrote_aside_is_removed(tmp_path: Path) -> None:
    killed = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, signal, sys\nfrom pathlib import Path\nfrom rnnsearch.records.folders import written_aside\n"
            "with written_aside(Path(sys.argv[1])) as aside:\n"
            "    (aside / 'a').write_text('new')\n    os.kill(os.getpid(), signal.SIGKILL)",
            str(tmp_path),
        ],
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
    with written_aside(tmp_path) as aside:
        assert list(tmp_path.iterdir()) == [aside]
    assert not list(tmp_path.iterdir())


def test_what_an_earlier_process_of_this_number_left_is_removed(tmp_path: Path) -> None:
    """As in a container, whose processes have the same numbers each time."""
    with written_aside(tmp_path) as aside:
        left = aside
    left.mkdir()
    with written_aside(tmp_path) as aside:
        assert aside == left
