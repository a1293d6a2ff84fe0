"""Verses and links out of a wheel: a small one built here, and (slow) the real one."""

import gzip
import hashlib
import json
import logging
import zipfile
from pathlib import Path

import pytest

from rnnsearch.data import greek_english
from rnnsearch.data.corpus import Pair
from rnnsearch.data.greek_english import ALIGNMENTS, SOURCE, TARGET, GreekEnglishCorpus, read_wheel, split_of

# Books 40, 41: one verse in the test chapter 40 1, one in the validation chapter 41 2, three in training chapters.
GREEK = {
    "40001001": ["Βίβλος", "γενέσεως"],
    "40002001": ["Τοῦ", "δὲ"],
    "40002002": ["λέγοντες"],
    "40002003": ["μόνος"],
    "41002001": ["καὶ", "πάλιν"],
}
ENGLISH = {
    "40001001": ["the", "book", "of", "origin"],
    "40002001": ["Now", "his", '"'],
    "40002002": ["saying"],
    "41002001": ["and", "again"],
}
RECORDS = [
    (["n40001001002"], ["40001001003", "40001001004"]),
    (["n40001001001"], ["40001001001", "40001001002"]),
    (["n40002001001", "n40002001002"], ["40002001002"]),
    (["n40002002001"], ["40002001001", "40002002001"]),  # the first leaves the verse
    (["n40002003001"], ["41002001001"]),  # the only link of its verse leaves it
    (["n41002001001"], ["41002001001"]),
]


def build_wheel(path: Path) -> Path:
    sources = [
        f"n{verse}{i:03}\t{word}\t{word}\tG1" for verse, words in GREEK.items() for i, word in enumerate(words, 1)
    ]
    targets = [
        f"{verse}{i:03}\t{verse}\t{word}\t" for verse, words in ENGLISH.items() for i, word in enumerate(words, 1)
    ]
    records = [{"source": source, "target": target, "meta": {}} for source, target in RECORDS]
    metadata = "Metadata-Version: 2.1\nName: bible-alignments\nVersion: 0.4.2\n"
    metadata += "Requires-Python: <3.5\nRequires-Dist: none-such\n"
    tag = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(SOURCE, "\n".join(["id\taltId\ttext\tstrongs", *sources]) + "\n")
        archive.writestr(TARGET, "\n".join(["id\tsource_verse\ttext\texclude", *targets]) + "\n")
        archive.writestr(ALIGNMENTS, json.dumps({"documents": [], "records": records}))
        archive.writestr("bible_alignments-0.4.2.dist-info/METADATA", metadata)
        archive.writestr("bible_alignments-0.4.2.dist-info/WHEEL", tag)
        archive.writestr("bible_alignments-0.4.2.dist-info/RECORD", "")
    return path


EXPECTED = {
    "train": [
        Pair("Τοῦ δὲ", 'Now his "', 1, ((0, 1), (1, 1))),
        Pair("λέγοντες", "saying", 2, ((0, 0),)),
    ],
    "validation": [Pair("καὶ πάλιν", "and again", 1, ((0, 0),))],
    "test": [Pair("Βίβλος γενέσεως", "the book of origin", 1, ((0, 0), (0, 1), (1, 2), (1, 3)))],
}


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for its only package index."""
    folder = tmp_path / "index"
    folder.mkdir()
    wheel = build_wheel(folder / "bible_alignments-0.4.2-py3-none-any.whl")
    monkeypatch.setattr(greek_english, "WHEEL_SHA256", hashlib.sha256(wheel.read_bytes()).hexdigest())
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    return folder


def corpus(cache: Path, *, root: Path | None = None, reverse: bool = False) -> GreekEnglishCorpus:
    return GreekEnglishCorpus(root=None if root is None else str(root), cache=str(cache), reverse=reverse)


def test_wheel_to_pairs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert read_wheel(build_wheel(tmp_path / "x.whl")) == EXPECTED
    assert "left out 1 verses without links and 2 links across verses" in caplog.text


def test_splits_go_by_chapter() -> None:
    verses = ["40001025", "40002001", "41002028", "41003001", "66021027"]
    assert list(map(split_of, verses)) == ["test", "train", "validation", "train", "test"]


def test_pip_fetches_once_and_the_cache_reads_the_same(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = corpus(tmp_path / "a cache é")
    read.prepare()
    assert {split: list(read.pairs(split)) for split in read.splits()} == EXPECTED
    assert (read.name, read.source_language, read.target_language) == ("greek_english", "grc", "en")
    monkeypatch.setattr(greek_english, "build", None)  # a second time would fail
    again = corpus(tmp_path / "a cache é")
    again.prepare()
    assert again.checksums() == read.checksums()
    assert set(read.checksums()) == {f"{s}.{e}" for s in EXPECTED for e in ("source", "target", "links")}
    assert not list((tmp_path / "a cache é").rglob(".building-*"))


def test_reverse_turns_text_and_links(index: Path, tmp_path: Path) -> None:
    read = corpus(tmp_path, reverse=True)
    read.prepare()
    assert list(read.pairs("test")) == [
        Pair("the book of origin", "Βίβλος γενέσεως", 1, ((0, 0), (1, 0), (2, 1), (3, 1)))
    ]
    assert (read.source_language, read.target_language) == ("en", "grc")


def test_wrong_wheel(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    got = greek_english.WHEEL_SHA256
    monkeypatch.setattr(greek_english, "WHEEL_SHA256", "0" * 64)
    with pytest.raises(ValueError, match=rf"wrong file, SHA-256 expected {'0' * 64}, got {got}; use .* data\.root"):
        corpus(tmp_path / "cache").prepare()
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.suffix != ".lock" and path.is_file()]


def test_no_index(index: Path, tmp_path: Path) -> None:
    next(index.glob("*.whl")).unlink()
    with pytest.raises(FileNotFoundError, match=r"could not be fetched with pip \(No matching .*data\.root") as caught:
        corpus(tmp_path / "cache").prepare()
    assert "\n" not in str(caught.value)


def root_folder(folder: Path, **changed: str) -> Path:
    folder.mkdir()
    for stem in ("train", "valid", "test"):
        for ending, text in ({"grc": "α β\n", "en": "a b c\n", "talp": "0-0 1-2\n"} | changed).items():
            (folder / f"{stem}.{ending}.gz").write_bytes(gzip.compress(text.encode()))
    return folder


def test_root_folder(tmp_path: Path) -> None:
    read = corpus(tmp_path / "cache", root=root_folder(tmp_path / "root"))
    read.prepare()
    assert list(read.pairs("validation")) == [Pair("α β", "a b c", 1, ((0, 0), (1, 2)))]
    assert not (tmp_path / "cache").exists()
    with pytest.raises(FileNotFoundError, match=r"train\.grc does not exist"):
        corpus(tmp_path / "cache", root=tmp_path / "none").prepare()


@pytest.mark.parametrize(
    ("links", "message"),
    [
        ("0-0 1-3\n", r"line 1: link 1-3 leaves the verse of 2 and 3 words"),
        ("0-0 1p2\n", "line 1: '0-0 1p2' is not a list of links"),
        ("0-0\n0-0\n", "part at line 2"),
    ],
)
def test_bad_links(tmp_path: Path, links: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(corpus(tmp_path, root=root_folder(tmp_path / "root", talp=links)).pairs("train"))


@pytest.mark.slow
def test_the_real_wheel(tmp_path: Path) -> None:
    read = corpus(tmp_path)
    read.prepare()
    assert {split: sum(1 for _ in read.pairs(split)) for split in read.splits()} == {
        "train": 7295,
        "validation": 145,
        "test": 479,
    }
    first = next(read.pairs("test"))
    assert first.source == "Βίβλος γενέσεως Ἰησοῦ χριστοῦ υἱοῦ Δαυὶδ υἱοῦ Ἀβραάμ"
    assert first.target.startswith("This is the record of the genealogy of Jesus Christ , the son of David")
    assert first.links is not None
    assert first.links[:8] == ((0, 0), (0, 1), (0, 2), (0, 3), (1, 4), (1, 5), (1, 6), (2, 7))
    assert read.checksums()["train.links"] == "074130a50008e4d10812813e8f6d71ce0d88c05a9505c13e4fe5d84abea2bb66"
