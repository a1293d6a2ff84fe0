"""Encoded corpora and the cache: contents, reuse, damage, races, failures."""

import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rnnsearch.data import arrow_cache
from rnnsearch.data.corpus import Pair
from rnnsearch.data.tokenizer import TokenizerPair
from rnnsearch.data.word_tokenizer import WordTokenizer

TOKENIZERS = TokenizerPair(WordTokenizer("de", ["a", "bb", "‿."]), WordTokenizer("en", ["x"]), {"kind": "word"})
PAIRS = [Pair("a  bb.", "x y", 1, ((0, 1), (2, 0))), Pair("", "x", 5, ()), Pair("bb", "", 9)]


class Builder:
    """Writes one file and counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, folder: Path) -> None:
        self.calls += 1
        (folder / "value.txt").write_text("right", encoding="utf-8")


def test_columns(tmp_path: Path) -> None:
    assert arrow_cache.encode_pairs(PAIRS, TOKENIZERS, tmp_path / arrow_cache.ARROW) == 3
    dataset = arrow_cache.open_encoded(tmp_path)
    assert dataset[0] == {
        "source": [4, 5, 6],
        "target": [4, 1],
        "source_text": "a  bb.",
        "target_text": "x y",
        "links": "0-1 2-0",
        "member": None,
        "line": 1,
        "source_words": 2,
        "target_words": 2,
    }
    assert dataset["links"][:] == ["0-1 2-0", "", None]
    assert dataset["line"][:] == [1, 5, 9]
    assert dataset["source"][:] == [[4, 5, 6], [], [5]]
    assert dataset["target_words"][:] == [2, 1, 0]
    assert list(arrow_cache.texts(dataset)) == [(pair.source, pair.target) for pair in PAIRS]
    assert arrow_cache.token_counts(dataset.data, "source").tolist() == [3, 0, 1]
    assert arrow_cache.token_counts(dataset.data, "target").dtype == np.int64


def test_more_rows_than_a_group(tmp_path: Path) -> None:
    pairs = [Pair("a " * (k % 5), "x", k) for k in range(2500)]
    assert arrow_cache.encode_pairs(iter(pairs), TOKENIZERS, tmp_path / arrow_cache.ARROW) == 2500
    dataset = arrow_cache.open_encoded(tmp_path)
    assert arrow_cache.token_counts(dataset.data, "source").tolist() == [k % 5 for k in range(2500)]
    assert dataset["line"][:] == list(range(2500))
    assert [source for source, _ in arrow_cache.texts(dataset)] == [pair.source for pair in pairs]
    assert dataset.cache_files == [{"filename": str(tmp_path / arrow_cache.ARROW)}]  # mapped, not copied


def test_a_folder_is_built_once(tmp_path: Path) -> None:
    build = Builder()
    for _ in range(3):
        folder = arrow_cache.cached_folder(tmp_path / "deep" / "cache", build)
        assert (folder / "value.txt").read_text(encoding="utf-8") == "right"
    assert build.calls == 1
    assert sorted(path.name for path in folder.parent.iterdir()) == [".cache.lock", "cache"]


@pytest.mark.parametrize("harm", ["changed", "flipped", "cut", "missing", "extra", "manifest", "no manifest", "a file"])
def test_a_damaged_folder_is_built_again(tmp_path: Path, caplog: pytest.LogCaptureFixture, harm: str) -> None:
    build = Builder()
    folder = arrow_cache.cached_folder(tmp_path / "cache", build)
    value, manifest = folder / "value.txt", folder / arrow_cache.MANIFEST
    if harm == "changed":
        value.write_text("wrong", encoding="utf-8")
    elif harm == "flipped":  # as a disk does it
        times = value.stat().st_atime_ns, value.stat().st_mtime_ns
        value.write_text("sight", encoding="utf-8")
        os.utime(value, ns=times)
    elif harm == "cut":
        value.write_text("rig", encoding="utf-8")
    elif harm == "missing":
        value.unlink()
    elif harm == "extra":
        (folder / "more.txt").touch()
    elif harm == "manifest":
        manifest.write_text(manifest.read_text(encoding="utf-8")[:-5], encoding="utf-8")
    elif harm == "no manifest":
        manifest.unlink()
    else:
        for path in (value, manifest):
            path.unlink()
        folder.rmdir()
        folder.touch()
    arrow_cache.cached_folder(folder, build)
    assert build.calls == 2
    assert value.read_text(encoding="utf-8") == "right"
    assert f"{folder} is damaged; making it anew" in caplog.text


def test_a_failed_build_leaves_nothing_and_can_be_tried_again(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half.txt").write_text("half", encoding="utf-8")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="no space left"):
        arrow_cache.cached_folder(tmp_path / "cache", fail)
    assert [path.name for path in tmp_path.iterdir()] == [".cache.lock"]
    arrow_cache.cached_folder(tmp_path / "cache", Builder())
    assert (tmp_path / "cache" / "value.txt").exists()


def test_the_rest_of_a_killed_build_is_swept_away(tmp_path: Path) -> None:
    (tmp_path / ".cache.partial").mkdir()
    (tmp_path / ".cache.partial" / "half.txt").touch()
    folder = arrow_cache.cached_folder(tmp_path / "cache", Builder())
    assert sorted(path.name for path in folder.iterdir()) == [arrow_cache.MANIFEST, "value.txt"]
    assert not (tmp_path / ".cache.partial").exists()


RACER = """
import sys, time
from pathlib import Path
from rnnsearch.data.arrow_cache import cached_folder
root = Path(sys.argv[1])
def build(folder):
    with (root / "builds").open("a") as log:
        log.write("built\\n")
    time.sleep(0.5)
    (folder / "value.txt").write_text("right")
(root / f"ready{sys.argv[2]}").touch()
while not (root / "go").exists():
    time.sleep(0.005)
print((cached_folder(root / "cache", build) / "value.txt").read_text())
"""


@pytest.mark.slow
def test_of_two_processes_one_builds(tmp_path: Path) -> None:
    racers = [
        subprocess.Popen([sys.executable, "-c", RACER, str(tmp_path), str(k)], stdout=subprocess.PIPE, text=True)
        for k in range(2)
    ]
    end = time.monotonic() + 60
    while not all((tmp_path / f"ready{k}").exists() for k in range(2)) and time.monotonic() < end:
        time.sleep(0.01)
    (tmp_path / "go").touch()
    assert [racer.communicate(timeout=60)[0] for racer in racers] == ["right\n", "right\n"]
    assert (tmp_path / "builds").read_text(encoding="utf-8") == "built\n"


def test_keys_depend_on_every_value() -> None:
    values = {"checksums": {"train.source": "ab"}, "size": 5}
    key = arrow_cache.cache_key(values)
    assert key == arrow_cache.cache_key(json.loads(json.dumps(dict(reversed(values.items())))))
    assert len({key, arrow_cache.cache_key({**values, "size": 6}), arrow_cache.cache_key({"size": 5})}) == 3


def test_the_format_version_changes_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = arrow_cache.cache_key({})
    monkeypatch.setattr(arrow_cache, "FORMAT", arrow_cache.FORMAT + 1)
    assert arrow_cache.cache_key({}) != before


def test_tokenizers_come_back(tmp_path: Path) -> None:
    arrow_cache.save_tokenizers(tmp_path, TOKENIZERS)
    loaded = arrow_cache.load_tokenizers(tmp_path)
    assert loaded.source.checksum == TOKENIZERS.source.checksum != loaded.target.checksum
    assert loaded.notes == {"kind": "word"}
    joint = TokenizerPair(TOKENIZERS.source, TOKENIZERS.source, {})
    arrow_cache.save_tokenizers(tmp_path, joint)
    assert (loaded := arrow_cache.load_tokenizers(tmp_path)).source is loaded.target


def many(count: int) -> list[Pair]:
    return [Pair("a bb " * (k % 7) + str(k), "x " * (k % 3), k + 1, ((0, 0),) if k % 2 else None) for k in range(count)]


@pytest.mark.slow
def test_any_number_of_processes_writes_the_same_file(tmp_path: Path) -> None:
    files = []
    for processes in (1, 2, 3):
        file = tmp_path / f"{processes}.arrow"
        seen: list[int] = []
        count = arrow_cache.encode_pairs(many(23_456), TOKENIZERS, file, processes=processes, advance=seen.append)
        assert count == sum(seen) == 23_456
        files.append(file.read_bytes())
    assert files[0] == files[1] == files[2]
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.slow
def test_a_pair_that_cannot_be_encoded_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    pairs = many(25_000)
    pairs[24_000] = Pair(source=3, target="x", line=77, member="news")
    with pytest.raises(ValueError, match="news: line 77 could not be encoded"):
        arrow_cache.encode_pairs(pairs, TOKENIZERS, tmp_path / "file", processes=processes)
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_pairs_that_break_off_end_the_workers(tmp_path: Path) -> None:
    def broken() -> Iterator[Pair]:
        yield from many(23_000)
        raise ValueError("line 23001 is not valid UTF-8")

    with pytest.raises(ValueError, match="line 23001"):
        arrow_cache.encode_pairs(broken(), TOKENIZERS, tmp_path / "file", processes=2)
    assert not multiprocessing.active_children()


KILLED = """
import multiprocessing, sys, time
from rnnsearch.data.corpus import Pair
from rnnsearch.data.encode_pairs import batches
from rnnsearch.data.word_tokenizer import WordTraining

if __name__ == "__main__":
    pairs = [Pair("a b", "x", k + 1) for k in range(40_000)]
    tokenizers = WordTraining(source_size=9, target_size=9).fit(lambda: iter(pairs), "a", "b")
    read = batches(iter(pairs), tokenizers, processes=2)
    for _ in range(21):
        next(read)
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
    time.sleep(60)
"""


@pytest.mark.slow
def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "encodes.py").write_text(KILLED)
    parent = subprocess.Popen([sys.executable, str(tmp_path / "encodes.py")], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    workers = [Path("/proc", pid) for pid in parent.stdout.readline().split()]
    assert len(workers) == 2
    assert all(worker.exists() for worker in workers)
    parent.kill()
    parent.communicate()
    end = time.monotonic() + 20
    while any(worker.exists() for worker in workers) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(worker.exists() for worker in workers)


def test_a_whole_file_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = Builder()
    folder = arrow_cache.cached_folder(tmp_path / "cache", build)
    monkeypatch.setattr(arrow_cache, "file_sha256", lambda path: pytest.fail(f"{path} was read"))
    arrow_cache.cached_folder(folder, build)
    assert build.calls == 1


def test_a_copied_cache_is_whole(tmp_path: Path) -> None:
    build = Builder()
    folder = arrow_cache.cached_folder(tmp_path / "cache", build)
    os.utime(folder / "value.txt", ns=(1, 1))
    arrow_cache.cached_folder(folder, build)
    assert build.calls == 1


def test_a_cache_that_cannot_be_written_is_said_by_its_key(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match=r"can't be written \(.*\); name a folder .* paths.cache=DIR or RNNSEARCH_CACHE"):
        arrow_cache.cached_folder(tmp_path / "file" / "encoded" / "x", lambda aside: None)
