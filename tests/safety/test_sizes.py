"""Files whose size is the attack: lines without an end, archives that unpack to far more, downloads that never stop."""

import gzip
import http.server
import lzma
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from backports import zstd

from rnnsearch.data import download, lines

from .conftest import Shell

MIB = 1 << 20
OPENERS: dict[str, Callable[..., object]] = {".txt": open, ".gz": gzip.open, ".xz": lzma.open, ".zst": zstd.open}
READ = """
import resource, sys
from pathlib import Path
from rnnsearch.data.lines import lines
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (160 << 20),) * 2)
try:
    print(sum(map(len, lines(Path(sys.argv[1])))))
except ValueError as error:
    print(error)
"""


def write_line(path: Path, mebibytes: int, end: bytes = b"\n") -> Path:
    with OPENERS[path.suffix](path, "wb") as file:  # type: ignore[attr-defined]
        for _ in range(mebibytes):
            file.write(b"a" * MIB)
        file.write(end + b"b\n")
    return path


def read(path: Path) -> str:
    done = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("suffix", OPENERS)
@pytest.mark.parametrize("mebibytes", [100, 500])
def test_a_line_of_100_megabytes_is_refused_within_160(tmp_path: Path, suffix: str, mebibytes: int) -> None:
    path = write_line(tmp_path / f"bomb{suffix}", mebibytes)
    if suffix != ".txt":
        assert path.stat().st_size < mebibytes * MIB / 500
    assert read(path) == (
        f"{path}: line 1 has more than 16,777,216 bytes, so it is no sentence; give a file of one sentence a line\n"
    )


def test_the_same_line_without_a_bound_needs_more_than_the_limit(tmp_path: Path) -> None:
    path = write_line(tmp_path / "bomb.gz", 100)
    program = READ.replace("lines(Path(sys.argv[1]))", "__import__('gzip').open(sys.argv[1])")
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=120)
    assert "MemoryError" in done.stderr


@pytest.mark.parametrize("suffix", OPENERS)
def test_the_longest_line_is_read(tmp_path: Path, suffix: str) -> None:
    path = write_line(tmp_path / f"long{suffix}", lines.LONGEST // MIB, end=b"")
    with pytest.raises(ValueError, match="line 1 has more than"):
        list(lines.lines(path))
    with OPENERS[suffix](path, "wb") as file:  # type: ignore[attr-defined]
        file.write(b"a" * (lines.LONGEST - 1) + b"\nb\n")
    assert list(map(len, lines.lines(path))) == [lines.LONGEST - 1, 1]


def test_train_and_translate_say_so(shell: Shell, tmp_path: Path, trained: Path) -> None:
    bomb = write_line(tmp_path / "bomb.gz", 100)
    sides = [f"data.{split}.{side}={bomb}" for split in ("train", "validation") for side in ("source", "target")]
    languages = ("data.source_language=de", "data.target_language=en")
    words = ("data=files", *sides, *languages, "model=tiny", "trainer=cpu", "validation.every=4", "budget.updates=4")
    said = shell("train", *words, f"paths.cache={tmp_path}/cache", f"hydra.run.dir={tmp_path}/run", code=1)
    assert f"{bomb}: line 1 has more than" in said.stderr
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and not path.name.startswith(".")]
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    shell("score", f"run={trained}", f"source={bomb}", f"target={bomb}", code=1)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss - before < 200 * 1024


class Endless(http.server.BaseHTTPRequestHandler):
    """Sends without end."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"a" * 65536)
        except OSError:
            pass

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endless)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/corpus"
    finally:
        server.shutdown()
        server.server_close()


def test_a_download_ends_at_its_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "LARGEST", 4 * MIB)
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0.0)
    with serving() as url, pytest.raises(ValueError, match="it has more than 4,194,304 bytes"):
        download.fetch([url], sha256="0" * 64, folder=tmp_path, name="corpus", remedy="get another")
    assert not [path for path in tmp_path.iterdir() if not path.name.endswith(".lock")]
