"""Multi30k from a folder and from mirrors."""

import gzip
import hashlib
from pathlib import Path

import pytest

from rnnsearch.data import multi30k
from rnnsearch.data.corpus import SPLITS, Pair
from rnnsearch.data.multi30k import LANGUAGES, SHA256, STEMS, Multi30kCorpus


def corpus(
    root: Path | None, cache: Path, source: str = "de", target: str = "en", reverse: bool = False
) -> Multi30kCorpus:
    return Multi30kCorpus(
        root=None if root is None else str(root),
        source_language=source,
        target_language=target,
        reverse=reverse,
        cache=str(cache),
        mirrors=["https://example.org/raw/"],
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "a root, é=1"
    folder.mkdir()
    for stem in STEMS.values():
        for code in LANGUAGES:
            content = f"{stem} {code} 1\n{stem} {code} 2\n".encode()
            if code == "cs":
                (folder / f"{stem}.{code}").write_bytes(content)
            else:
                (folder / f"{stem}.{code}.gz").write_bytes(gzip.compress(content))
    return folder


def test_table_holds_every_file() -> None:
    assert set(SHA256) == {f"{stem}.{code}.gz" for stem in STEMS.values() for code in LANGUAGES}
    assert len(set(SHA256.values())) == 12
    assert all(len(bytes.fromhex(value)) == 32 for value in SHA256.values())


def test_root_with_packed_and_plain_files(root: Path, tmp_path: Path) -> None:
    read = corpus(root, tmp_path / "cache", "fr", "cs")
    read.prepare()
    assert read.splits() == SPLITS
    assert list(read.pairs("validation")) == [Pair("val fr 1", "val cs 1", 1), Pair("val fr 2", "val cs 2", 2)]
    assert read.checksums()["test.target"] == hashlib.sha256((root / "test_2016_flickr.cs").read_bytes()).hexdigest()
    assert not (tmp_path / "cache").exists()


def test_reverse(root: Path, tmp_path: Path) -> None:
    backward = corpus(root, tmp_path, "de", "en", reverse=True)
    assert (backward.source_language, backward.target_language) == ("en", "de")
    assert next(backward.pairs("test")) == Pair("test_2016_flickr en 1", "test_2016_flickr de 1", 1)
    assert backward.checksums() == corpus(root, tmp_path, "en", "de").checksums()


@pytest.mark.parametrize(("source", "target"), [("de", "de"), ("de", "nl"), ("xx", "en")])
def test_pairs_that_multi30k_lacks(tmp_path: Path, source: str, target: str) -> None:
    with pytest.raises(ValueError, match=f"no pair {source} to {target}; .* two of cs, de, en, fr"):
        corpus(None, tmp_path, source, target)


def test_missing_files(root: Path, tmp_path: Path) -> None:
    (root / "val.en.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"holds neither val\.en\.gz nor val\.en; set data\.root"):
        corpus(root, tmp_path).prepare()
    with pytest.raises(FileNotFoundError, match=r"data\.root=.*none is not a folder"):
        corpus(tmp_path / "none", tmp_path).prepare()


def test_without_root_each_file_is_fetched_with_its_checksum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}

    def fetch(urls: list[str], *, sha256: str, folder: Path, name: str, remedy: str) -> Path:
        asked[name] = (urls, sha256)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(gzip.compress(name.encode()))
        return folder / name

    monkeypatch.setattr(multi30k, "fetch", fetch)
    read = corpus(None, tmp_path)
    read.prepare()
    assert set(asked) == {f"{stem}.{code}.gz" for stem in STEMS.values() for code in ("de", "en")}
    assert asked["val.de.gz"] == (["https://example.org/raw/val.de.gz"], SHA256["val.de.gz"])
    assert list(read.pairs("train")) == [Pair("train.de.gz", "train.en.gz", 1)]
