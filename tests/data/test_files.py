"""Readers of local files and of data sets in a folder, and the YAML that constructs them."""

import bz2
import codecs
import gzip
import hashlib
import importlib
import inspect
import json
import lzma
import os
import socket
import tarfile
import threading
import zipfile
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from rnnsearch.data.corpus import Pair, swapped
from rnnsearch.data.files import FilesCorpus, JsonLinesCorpus, TsvCorpus
from rnnsearch.data.hub import HubCorpus
from rnnsearch.data.lines import lines, paired_lines
from rnnsearch.data.readable import zstd
from rnnsearch.data.scripts import units

CONF = Path(__file__).parents[2] / "conf"
MUCH = b"".join(b"%d\n" % number for number in range(20_000))
SOURCE, TARGET = b"a house\na dog\n", b"ein Haus\nein Hund\n"
PAIRS = [Pair("a house", "ein Haus", 1), Pair("a dog", "ein Hund", 2)]
LANGUAGES = {"source_language": "en", "target_language": "de"}


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def files_corpus(folder: Path, *, reverse: bool = False, **splits: dict[str, str | None] | None) -> FilesCorpus:
    given = {"source": str(write(folder / "en", SOURCE)), "target": str(write(folder / "de", TARGET))}
    splits = {"train": given, "validation": given, "test": {"source": None, "target": None}} | splits
    return FilesCorpus(**splits, **LANGUAGES, reverse=reverse, name="files")


OPTIONS = [f"data/{name}" for name in ("files", "tsv", "csv", "jsonl", "tmx", "hub", "multi30k", "greek_english")]


@pytest.mark.parametrize("name", [*OPTIONS, "filters/default"])
def test_yaml_is_one_constructor_call(name: str) -> None:
    keys = OmegaConf.to_container(OmegaConf.load(CONF / f"{name}.yaml"), resolve=False)
    module, _, constructor = keys.pop("_target_").rpartition(".")
    signature = inspect.signature(getattr(importlib.import_module(module), constructor))
    assert set(keys) == set(signature.parameters)
    signature.bind(**keys)


def encoded(encoding: str, text: bytes) -> bytes:
    return text.decode().encode(encoding)


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [
        *[("", bytes), (".gz", gzip.compress), (".xz", lzma.compress), (".zst", zstd.compress)],
        *[(".bz2", bz2.compress), (".GZ", gzip.compress), ("", gzip.compress), (".xz", zstd.compress), (".gz", bytes)],
        *[("", partial(lzma.compress, format=lzma.FORMAT_ALONE))],
        *[(encoding, partial(encoded, encoding)) for encoding in ("utf-16", "utf-32", "utf-8-sig")],
        ("be", lambda text: codecs.BOM_UTF16_BE + encoded("utf-16-be", text)),
        (".gz", lambda text: gzip.compress(encoded("utf-16", text))),
        (".xz", lambda text: lzma.compress(text[:5]) + lzma.compress(text[5:])),
        ("mac", lambda text: text.replace(b"\n", b"\r")),
        ("dos", lambda text: text.replace(b"\n", b"\r\n")),
    ],
)
def test_files_plain_and_compressed(tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes]) -> None:
    source = write(tmp_path / f"s{suffix}", compress(SOURCE))
    target = write(tmp_path / f"t{suffix}", compress(TARGET))
    paths = {"source": str(source), "target": str(target)}
    corpus = files_corpus(tmp_path, train=paths, test=None)
    corpus.prepare()
    assert list(corpus.pairs("train")) == PAIRS
    assert corpus.splits() == ("train", "validation")
    assert corpus.checksums()["train.source"] == hashlib.sha256(source.read_bytes()).hexdigest()


def test_reverse_swaps_text_languages_and_checksums(tmp_path: Path) -> None:
    forward, backward = files_corpus(tmp_path), files_corpus(tmp_path, reverse=True)
    assert list(backward.pairs("train")) == [Pair("ein Haus", "a house", 1), Pair("ein Hund", "a dog", 2)]
    assert (backward.source_language, backward.target_language) == ("de", "en")
    assert (forward.source_language, forward.target_language) == ("en", "de")
    assert backward.checksums()["train.source"] == forward.checksums()["train.target"]
    assert backward.checksums() != forward.checksums()


def test_swapped_turns_links_round() -> None:
    assert swapped(Pair("a b", "c d e", 7, ((0, 2), (1, 0), (1, 1)))) == Pair(
        "c d e", "a b", 7, ((0, 1), (1, 1), (2, 0))
    )


def test_lines_end_at_newlines_only(tmp_path: Path) -> None:
    text = "a\x0bb\x0cc\x85d\u2028e\u2029f\x1cg\rh\r\nsecond\r\r\n\n\r\nlast\r"
    expected = ["a\x0bb\x0cc\x85d\u2028e\u2029f\x1cg\rh", "second\r", "", "", "last\r"]
    assert list(lines(write(tmp_path / "x", text.encode()))) == expected


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\n\ufeff")), min_size=1))
def test_any_lines_come_back(tmp_path_factory: pytest.TempPathFactory, written: list[str]) -> None:
    written = [line.rstrip("\r") for line in written]
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes("".join(f"{line}\n" for line in written).encode())
    assert list(lines(path)) == written


def test_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    assert list(lines(write(tmp_path / "x", b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n"))) == ["a", "\ufeffb"]


@pytest.mark.parametrize(("n", "m"), [(5, 3), (3, 5), (1, 4)])
def test_unequal_files_give_both_counts_after_the_common_lines(tmp_path: Path, n: int, m: int) -> None:
    pairs = paired_lines(write(tmp_path / "s", b"x\n" * n), write(tmp_path / "t", b"y\n" * m))
    assert len(list(islice(pairs, min(n, m)))) == min(n, m)
    with pytest.raises(ValueError, match=rf"s: {n} lines but .*t: {m}; parallel files must pair line by line"):
        next(pairs)


def test_pairs_are_lazy(tmp_path: Path) -> None:
    paths = write(tmp_path / "s", b"fine\n\xff\n"), write(tmp_path / "t", b"gut\nschlecht\n")
    assert next(paired_lines(*paths)) == Pair("fine", "gut", 1)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x", b"", "x is empty"),
        ("x.gz", gzip.compress(b"", mtime=0), "x.gz is empty"),
        ("x", b"good\nb\xff\n", "line 2 is not valid UTF-8 .*byte 2 of the line"),
        ("x.gz", gzip.compress(MUCH, mtime=0)[:-9], r"x\.gz: the gzip file is broken or cut off .*copy it again"),
        ("x.xz", lzma.compress(SOURCE)[:-9], "the xz file is broken"),
        ("x.zst", zstd.compress(SOURCE)[:-5], "the zstd file is broken"),
        ("x", bz2.compress(SOURCE)[:-5], "the bzip2 file is broken"),
        ("x", bz2.compress(SOURCE)[:-9] + b"123456789", "the bzip2 file is broken"),
        ("x", gzip.compress(SOURCE, mtime=0)[:20] + b"\xff" * 20, "the gzip file is broken"),
        ("x", gzip.compress(gzip.compress(SOURCE, mtime=0), mtime=0), "x is compressed twice"),
        ("x", SOURCE.decode().encode("utf-16")[:-1], "the UTF-16 text is broken or cut off"),
        ("x", SOURCE.decode().encode("utf-16-le"), r"looks like UTF-16 without .*iconv -f UTF-16LE -t UTF-8"),
        ("x", SOURCE.decode().encode("utf-16-be"), r"looks like UTF-16 without .*iconv -f UTF-16BE -t UTF-8"),
        ("x", "ein \u00fc\n".encode("latin-1"), r"line 1 is not valid UTF-8 \(byte 5 .*iconv -f LATIN1"),
        ("x", b"good\n" + bytes(9) + b"\n", "line 2 holds a NUL byte"),
        ("x.gz", b"\x1f\x9d\x90abcdefgh", "compressed with compress, not lines of text"),
        ("x", b"%PDF-1.7\n", "is a PDF, not lines of text"),
    ],
)
def test_bad_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        list(lines(write(tmp_path / name, content)))
    assert "\n" not in str(caught.value)


def test_archives_are_named(tmp_path: Path) -> None:
    member = write(tmp_path / "member", SOURCE)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(member)
    for suffix in ("tar", "tar.gz"):
        with tarfile.open(tmp_path / f"x.{suffix}", "w:gz" if suffix.endswith("gz") else "w") as packed:
            packed.add(member, "member")
    for name, what in (("x.zip", "a zip archive"), ("x.tar", "a tar archive"), ("x.tar.gz", "a tar archive")):
        with pytest.raises(ValueError, match=f"{name} is {what}.*unpack"):
            list(lines(tmp_path / name))


def test_a_pipe_is_read_once_and_refused_where_it_would_be_read_again(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(gzip.compress(SOURCE),))
    writer.start()
    assert list(lines(pipe)) == ["a house", "a dog"]
    writer.join()
    with pytest.raises(ValueError, match="pipe is a pipe or a device, which can be read only once"):
        files_corpus(tmp_path, train={"source": str(pipe), "target": str(pipe)}).prepare()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        with pytest.raises(ValueError, match="is a socket"):
            list(lines(tmp_path / "socket"))


def test_a_language_that_yaml_took_for_a_boolean(tmp_path: Path) -> None:
    given = {"source": str(write(tmp_path / "no", SOURCE)), "target": str(write(tmp_path / "de", TARGET))}
    languages: Any = {"source_language": False, "target_language": "de"}
    corpus = FilesCorpus(train=given, validation=given, test=None, **languages, reverse=False, name="files")
    with pytest.raises(ValueError, match=r'data.source_language is false.* quote .*source_language: "no"'):
        corpus.prepare()


def test_missing_file_and_folder(tmp_path: Path) -> None:
    missing = {"source": str(tmp_path / "none"), "target": str(tmp_path / "none")}
    with pytest.raises(FileNotFoundError, match="none does not exist"):
        files_corpus(tmp_path, test=missing).prepare()
    with pytest.raises(FileNotFoundError, match="does not exist"):
        list(lines(tmp_path / ("x" * 1000)))
    folder = {"source": str(tmp_path), "target": str(tmp_path)}
    with pytest.raises(ValueError, match="is a folder; give the path of a file"):
        files_corpus(tmp_path, train=folder).prepare()


def test_missing_keys_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no train pairs; set data\.train\.source and data\.train\.target"):
        files_corpus(tmp_path, train={"source": None, "target": None}).prepare()
    with pytest.raises(ValueError, match=r"no validation pairs; set data\.validation\.source"):
        files_corpus(tmp_path, validation=None).prepare()
    with pytest.raises(ValueError, match=r"data\.test\.target is not set"):
        files_corpus(tmp_path, test={"source": "a", "target": None}).prepare()
    with pytest.raises(ValueError, match=r"no split 'test'; it has train, validation; set data\.test\.source"):
        files_corpus(tmp_path).pairs("test")
    with pytest.raises(ValueError, match=r"data\.train\.sorce is not a key"):
        files_corpus(tmp_path, train={"sorce": "a"})
    corpus = FilesCorpus(
        train=None, validation=None, test=None, source_language=None, target_language="de", reverse=False, name="files"
    )
    with pytest.raises(ValueError, match=r"data\.source_language is not set"):
        _ = corpus.source_language


def tsv(path: Path, source: int | str, target: int | str, *, header: bool, reverse: bool = False) -> TsvCorpus:
    return TsvCorpus(
        train=str(path),
        validation=str(path),
        test=None,
        source_column=source,
        target_column=target,
        header=header,
        **LANGUAGES,
        reverse=reverse,
        name="tsv",
    )


def test_tsv_by_number_and_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "x.tsv", b'id\tde\ten\n1\tein "Haus\ta house\n2\tein Hund\ta dog\n')
    named = tsv(path, "en", "de", header=True)
    named.prepare()
    assert list(named.pairs("train")) == [Pair("a house", 'ein "Haus', 2), Pair("a dog", "ein Hund", 3)]
    assert next(tsv(path, 2, 1, header=False).pairs("train")) == Pair("en", "de", 1)
    assert next(tsv(path, 2, 1, header=True, reverse=True).pairs("train")) == Pair('ein "Haus', "a house", 2)
    assert named.checksums() != tsv(path, "de", "en", header=True).checksums()
    assert named.splits() == ("train", "validation")


def test_tsv_errors(tmp_path: Path) -> None:
    path = write(tmp_path / "x.tsv", b"en\tde\na house\tein Haus\na dog\n")
    with pytest.raises(ValueError, match=r"no column 'fr'; its header names en, de"):
        list(tsv(path, "en", "fr", header=True).pairs("train"))
    with pytest.raises(ValueError, match=r"line 3 has 1 columns, but column 1 \(from 0\)"):
        list(tsv(path, 0, 1, header=True).pairs("train"))
    with pytest.raises(ValueError, match="column -1 is not allowed"):
        list(tsv(path, 0, -1, header=True).pairs("train"))
    assert next(tsv(path, "en", 1, header=False).pairs("train")).source == "a house"  # a name says that there is one
    with pytest.raises(ValueError, match="holds no rows"):
        list(tsv(write(tmp_path / "head", b"en\tde\n"), "en", "de", header=True).pairs("train"))


def jsonl(path: Path, source: str = "translation.en", target: str = "translation.de") -> JsonLinesCorpus:
    return JsonLinesCorpus(
        train=str(path),
        validation=str(path),
        test=None,
        source_field=source,
        target_field=target,
        **LANGUAGES,
        reverse=False,
        name="jsonl",
    )


def test_json_lines(tmp_path: Path) -> None:
    rows = [{"translation": {"en": pair.source, "de": pair.target}} for pair in PAIRS]
    path = write(tmp_path / "x.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())
    corpus = jsonl(path)
    corpus.prepare()
    assert list(corpus.pairs("train")) == PAIRS
    assert list(corpus.checksums()) == [
        f"{split}.{side}[translation.{code}]"
        for split in ("train", "validation")
        for side, code in (("source", "en"), ("target", "de"))
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{'en': 1}", r"line 2 is not JSON \(from character 2 on\)"),
        (b"\n{}", "line 2 is blank, and rows follow it"),
        (b'{"en": "x"}', r"line 2 has no field 'de' .*fields there are en"),
        (b"[1, 2]", "line 2 has no field 'en'"),
        (b'{"en": "x", "de": 3}', "line 2: field 'de' holds int, not text"),
        (b'{"en": "x", "de": "\\ud800"}', "line 2: field 'de' holds half a surrogate pair"),
    ],
)
def test_bad_json_lines(tmp_path: Path, line: bytes, message: str) -> None:
    path = write(tmp_path / "x.jsonl", b'{"en": "a", "de": "b"}\n' + line + b"\n")
    with pytest.raises(ValueError, match=message):
        list(jsonl(path, "en", "de").pairs("train"))


def test_a_json_array_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "x.json", b'[\n {"en": "a", "de": "b"}\n]\n')
    with pytest.raises(ValueError, match="is one JSON array, not an object a line"):
        list(jsonl(path, "en", "de").pairs("train"))


def test_blank_lines_at_the_end_are_no_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "x.tsv", b"a house\tein Haus\na dog\tein Hund\n\n\r\n \n")
    assert list(tsv(path, 0, 1, header=False).pairs("train")) == PAIRS
    path = write(tmp_path / "y.tsv", b"a house\tein Haus\n\na dog\tein Hund\n")
    with pytest.raises(ValueError, match=r"y.tsv: line 2 is blank, and rows follow it; remove it"):
        list(tsv(path, 0, 1, header=False).pairs("train"))


def hub(
    folder: Path | str, cache: Path, *, test: str | None = None, target: str = "translation.de", **more: Any
) -> HubCorpus:
    return HubCorpus(
        path=str(folder),
        configuration=None,
        **{"revision": None, **more},
        train_split="train",
        validation_split="validation",
        test_split=test,
        source_field="translation.en",
        target_field=target,
        **LANGUAGES,
        reverse=False,
        name="hub",
        cache=str(cache),
    )


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    folder = tmp_path / "set é"
    folder.mkdir()
    rows = [{"translation": {"en": pair.source, "de": pair.target}} for pair in PAIRS]
    for split in ("train", "validation"):
        write(folder / f"{split}.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())
    return folder


def test_hub_reads_a_local_folder(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    corpus = hub(dataset, tmp_path / "cache")
    corpus.prepare()
    assert corpus.splits() == ("train", "validation")
    assert list(corpus.pairs("train")) == PAIRS
    assert list(corpus.checksums()) == ["train.pairs", "validation.pairs"]
    assert corpus.checksums() == hub(dataset, tmp_path / "other").checksums()


def test_hub_streams_and_keeps_nothing(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    kept, streamed = hub(dataset, tmp_path / "kept"), hub(dataset, tmp_path / "streamed", streaming=1000)
    for corpus in (kept, streamed):
        corpus.prepare()
        assert list(corpus.pairs("train")) == list(corpus.pairs("train")) == PAIRS
    assert streamed.checksums() == kept.checksums()
    assert list((tmp_path / "kept").rglob("*.arrow"))
    assert not list((tmp_path / "streamed").rglob("*.arrow"))


def test_slices_are_not_streamed(dataset: Path, tmp_path: Path) -> None:
    for name in ("train[:1%]", "train+validation"):
        with pytest.raises(ValueError, match=r"data\.test_split=train.*: only whole splits are streamed"):
            hub(dataset, tmp_path, streaming=1000, test=name).prepare()


def test_what_is_streamed_from_the_hub_is_named_by_its_commit(tmp_path: Path) -> None:
    for revision in (None, "main"):
        with pytest.raises(ValueError, match=rf"data\.revision={revision}: .* known by its commit"):
            hub("wmt/wmt16", tmp_path, streaming=1000, revision=revision).prepare()
    sums = [
        hub("wmt/wmt16", tmp_path, streaming=1000, revision=letter * 40)._checksum_of_commit("train")
        for letter in "aab"
    ]
    assert sums[0] == sums[1] != sums[2]


def test_hub_errors(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"split test, could not be loaded \(.*check data\.path"):
        hub(dataset, tmp_path / "cache", test="test").prepare()
    with pytest.raises(ValueError, match=r"row 1 of train has no field 'translation\.fr' .*the fields there are"):
        list(hub(dataset, tmp_path / "cache", target="translation.fr").pairs("train"))


def test_words_are_separated_by_white_space_of_any_kind() -> None:
    assert units(" a\u00a0b  c\td ") == 4
