"""Files whose size is the attack: lines without an end, archives that unpack to far more, downloads that never stop."""

import bz2
import gzip
import http.server
import json
import lzma
import resource
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

import rnnsearch
from rnnsearch.data import download, lines
from rnnsearch.data.readable import zstd
from rnnsearch.model.checkpoint import read_checkpoint
from rnnsearch.records import json_files
from rnnsearch.records.json_files import read_object
from rnnsearch.records.run_record import NO_RECORD
from rnnsearch.runs import run_folder
from rnnsearch.search.settings import own_search
from rnnsearch.study import folder

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
    with OPENERS[path.suffix](path, "wb") as file:
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
@pytest.mark.slow
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
    with OPENERS[suffix](path, "wb") as file:
        file.write(b"a" * (lines.LONGEST - 1) + b"\nb\n")
    assert list(map(len, lines.lines(path))) == [lines.LONGEST - 1, 1]


@pytest.mark.slow
def test_train_and_translate_say_so(
    shell: Shell, tmp_path: Path, trained: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bomb = write_line(tmp_path / "bomb.gz", 100)
    sides = [f"data.{split}.{side}={bomb}" for split in ("train", "validation") for side in ("source", "target")]
    languages = ("data.source_language=de", "data.target_language=en")
    words = ("data=files", *sides, *languages, "model=tiny", "trainer=cpu", "validation.every=4", "budget.updates=4")
    places = (f"paths.cache={tmp_path}/cache", f"hydra.run.dir={tmp_path}/run")
    assert f"{bomb}: line 1 has more than" in shell.refused("train", *words, *places, capfd=capfd)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and not path.name.startswith(".")]
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    shell("score", f"run={trained}", f"source={bomb}", f"target={bomb}", code=1)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss - before < 200 * 1024


@pytest.mark.slow
def test_a_published_study_that_unpacks_to_far_more(tmp_path: Path) -> None:
    path = tmp_path / "translations.test.jsonl.bz2"
    with bz2.open(path, "wb") as file:
        for _ in range(300):
            file.write(b"a" * MIB)
    assert path.stat().st_size < 1000
    with pytest.raises(ValueError, match="has more than 268,435,456 bytes"):
        folder._read_lines(path)


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


def changed_run(trained: Path, place: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A run whose best checkpoint a stranger wrote."""
    run = Path(shutil.copytree(trained, place / "run"))
    content = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    change(content)
    torch.save(content, run / "checkpoints" / "best.ckpt")
    return run


SIZES = [("encoder", "hidden_size"), ("encoder", "embedding_size"), ("encoder", "layers"), ("decoder", "hidden_size")]


@pytest.mark.parametrize("size", [10**5, 10**9, 10**18])
@pytest.mark.parametrize(("part", "key"), SIZES)
def test_a_model_is_no_larger_than_its_weights(trained: Path, tmp_path: Path, part: str, key: str, size: int) -> None:
    run = changed_run(trained, tmp_path, lambda content: content["rnnsearch"]["model"][part].update({key: size}))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="holds no model that can be used"):
        rnnsearch.load(run, device="cpu")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


def test_a_weight_is_no_larger_than_what_is_stored(trained: Path, tmp_path: Path) -> None:
    def stretch(content: dict[str, Any]) -> None:
        content["state_dict"]["translator.encoder.embedding.weight"] = torch.zeros(1, 1).expand(10**6, 10**4)

    with pytest.raises(ValueError, match="weights that are none"):
        rnnsearch.load(changed_run(trained, tmp_path, stretch), device="cpu")


def test_a_compressed_checkpoint_is_not_unpacked(trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "bomb.ckpt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("archive/data/0", "w") as entry:
        for _ in range(200):
            entry.write(bytes(MIB))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="can't be read as a checkpoint"):
        read_checkpoint(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024


YAMLS = {
    "deep": "a: " + "[" * 5000 + "]" * 5000,
    "multiplied": "a0: &a0 [x, x]\n" + "".join(f"a{i + 1}: &a{i + 1} [*a{i}, *a{i}]\n" for i in range(30)),
    "large": "a: b\n" * (MIB // 4),
    "no text": "a: \udcff",
    "a date that is none": "a: 2001-99-99",
    "a tag": "!!python/object/apply:os.system [true]",
}


@pytest.mark.parametrize("kind", YAMLS)
def test_a_config_is_bounded(tmp_path: Path, kind: str) -> None:
    (tmp_path / "config.yaml").write_text(YAMLS[kind], errors="surrogateescape")
    for read in (run_folder.read_config, lambda folder: own_search(folder, NO_RECORD)):
        if kind != "a date that is none" or read != run_folder.read_config:
            with pytest.raises(ValueError, match="is no config of a run"):
                read(tmp_path)


@pytest.mark.parametrize("text", ["[" * 10**5, '{"a":' * 10**5, "9" * 10**5, '"\\ud800', "", "[]", "\0"])
def test_json_is_bounded(tmp_path: Path, text: str) -> None:
    path = tmp_path / "record.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="is damaged: it holds no JSON"):
        read_object(path)


def test_a_record_of_another_size_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_files, "LARGEST", 100)
    (tmp_path / "record.json").write_text(json.dumps({"a": "b" * 200}))
    with pytest.raises(ValueError, match="has more than 100 bytes"):
        read_object(tmp_path / "record.json")
