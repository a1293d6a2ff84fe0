"""Reports and published studies on disks that are full, or can only be read: real commands on real disks."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.disks import leave, mounted

pytestmark = pytest.mark.slow

ONCE = "an earlier report"  # in place of what a report says


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MiB."""
    with mounted(tmp_path / "disk", "24m") as place:
        yield place


@pytest.fixture(scope="module")
def made(make_study: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small study with its report, and what is published of it. Tests only read it."""
    folder = make_study(tmp_path_factory.mktemp("outputs") / "s", seeds=(0,), sentences=40, matrices=2)
    said = rnnsearch("report", folder.parent, f"publish={folder.parent / 'published'}")
    assert said.returncode == 0, said.stderr
    return folder


def rnnsearch(
    command: str, output: Path, *words: str, into: int = subprocess.PIPE
) -> "subprocess.CompletedProcess[str]":
    line = [sys.executable, "-m", "rnnsearch", command, "study=s", f"paths.output={output}", *words]
    return subprocess.run(line, stdout=into, stderr=subprocess.PIPE, text=True, timeout=120)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def is_told(said: "subprocess.CompletedProcess[str]", what: str) -> bool:
    """Whether a command ended with one sentence, which says so."""
    (line,) = said.stderr.splitlines()
    return said.returncode == 1 and line.startswith("rnnsearch ") and what in line


def copied(folder: Path, place: Path) -> Path:
    """A copy whose report is an earlier one."""
    shutil.copytree(folder, place)
    for path in [*place.glob("report.*"), *place.glob("figures/*")]:
        path.write_text(ONCE)
    (place / "README.md").write_text("of the study's author")
    return place


@pytest.mark.parametrize("share", [0, 0.4, 0.9], ids=lambda share: f"{share} of the room")
@pytest.mark.parametrize("what", ["report", "publish"])
def test_a_full_disk(made: Path, disk: Path, tmp_path: Path, what: str, share: float) -> None:
    """What was there stays as it was, and is replaced as a whole when there is room."""
    original = made if what == "report" else made.parent / "published"
    there = copied(original, disk / "s")
    output, words = disk, []
    if what == "publish":
        output, words = Path(shutil.copytree(made, tmp_path / "s")).parent, [f"publish={there}"]
    before, after = files(there), files(original)
    written = [name for name in after if what == "publish" or name.startswith(("report.", "figures"))]
    filler = leave(disk, int(share * sum(len(after[name]) for name in written)))
    assert is_told(rnnsearch("report", output, *words), "no space left")
    assert files(there) == before
    filler.unlink()
    said = rnnsearch("report", output, *words)
    assert said.returncode == 0, said.stderr
    assert files(there) == after | {"README.md": before["README.md"]}


def test_a_table_for_a_full_disk(made: Path, disk: Path) -> None:
    filler, table = leave(disk, 0), disk / "table.csv"
    for room in (False, True):
        if room:
            filler.unlink()
        with table.open("w") as file:
            said = rnnsearch("export", made.parent, into=file.fileno())
        assert said.returncode == 0 if room else is_told(said, "no space left")
    assert table.read_bytes() == (made / "report.csv").read_bytes()


def test_a_disk_that_can_only_be_read(made: Path, disk: Path) -> None:
    """A study there can be looked at."""
    study, published = copied(made, disk / "s"), copied(made.parent / "published", disk / "published")
    before = files(disk)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert is_told(rnnsearch("report", disk), f"{study}")
    assert is_told(rnnsearch("report", made.parent, f"publish={published}"), "read-only file system")
    assert rnnsearch("export", disk).stdout == (made / "report.csv").read_text()
    assert files(disk) == before
