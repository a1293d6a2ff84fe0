"""New Testament, Greek (SBLGNT) to English (BSB), verse by verse, with word alignments made by hand.

Text and alignments come out of the PyPI wheel `bible-alignments` 0.4.2 (Clear Bible / Biblica; SBLGNT and alignments
CC BY 4.0, BSB public domain), which is only read as a zip file. A sentence is a verse: its tokens joined by blanks.

Splits go by chapter, so that no verse's neighbours are in another split: the chapters below are validation and test,
all others training; 7,295 / 145 / 479 verses. Verses that no link touches are left out, and so are links between
words of different verses; both are counted in the log.
"""

import csv
import io
import json
import logging
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path

from rnnsearch.data.corpus import SPLITS, DirectedCorpus, Pair, words
from rnnsearch.data.exclusive import enough_space, exclusive
from rnnsearch.data.lines import check_file, lines, paired_lines
from rnnsearch.records.json_files import file_sha256

logger = logging.getLogger(__name__)

PACKAGE, VERSION = "bible-alignments", "0.4.2"
WHEEL_SHA256 = "84f6b15e706657777824aac811567cb5cb2b38ad2b94497209f5f3c3f67b0984"
SOURCE = "data/sources/SBLGNT.tsv"
TARGET = "data/eng/targets/BSB/nt_BSB.tsv"
ALIGNMENTS = "data/eng/alignments/BSB/SBLGNT-BSB-manual.json"

VALIDATION_CHAPTERS = frozenset({"41002", "42015", "42016", "45004", "51001"})
"""Two digits of the book (40 Matthew ... 66 Revelation), three of the chapter."""
TEST_CHAPTERS = frozenset(
    (
        *("40001", "42009", "42024", "43003", "43008", "43021", "44024", "46012", "47008", "52004", "55003"),
        *("56003", "58006", "62005", "66019", "66021"),
    )
)

STEMS = dict(zip(SPLITS, ("train", "valid", "test"), strict=True))
ENDINGS = {"source": "grc", "target": "en", "links": "talp"}
Words = dict[str, tuple[str, int, str]]
"""Word id -> (verse, index in the verse, text)."""


class GreekEnglishCorpus(DirectedCorpus):
    """Greek verses, their English translation and gold links; the pairs' `line` counts within the split.

    With `root`, the files {train,valid,test}.{grc,en,talp}, plain or .gz, are read from that folder; otherwise pip
    fetches the wheel and what is read from it is kept in `cache` in the same form.
    """

    def __init__(self, *, root: str | None, cache: str, reverse: bool) -> None:
        super().__init__(name="greek_english", source_language="grc", target_language="en", reverse=reverse)
        self._given = root is not None
        built = Path(cache).expanduser() / "greek_english" / f"{PACKAGE}-{VERSION}"
        self._folder = built if root is None else Path(root).expanduser()

    def splits(self) -> tuple[str, ...]:
        """All three."""
        return SPLITS

    def prepare(self) -> None:
        """Fetch and read the wheel unless that is done, or check that `root` holds the files.

        Raises FileNotFoundError where pip cannot fetch it or a file is missing, ValueError for a wrong checksum.
        """
        if not self._given:
            with exclusive(self._folder):
                if not self._folder.exists():
                    build(self._folder)
        for split in SPLITS:
            for ending in ENDINGS.values():
                check_file(self._path(split, ending), again=True)

    def stored_pairs(self, split: str) -> Iterator[Pair]:
        """Greek to English pairs with their links, in the order of the books."""
        path = self._path(split, ENDINGS["links"])
        texts = paired_lines(*(self._path(split, ENDINGS[side]) for side in ("source", "target")))
        for number, (pair, line) in enumerate(zip_longest(texts, lines(path)), start=1):
            if pair is None or line is None:
                raise ValueError(
                    f"{path} and the verses part at line {number}; there must be one line of links a verse"
                )
            yield Pair(pair.source, pair.target, pair.line, _links(line, pair, f"{path}: line {number}"))

    def checksums(self) -> dict[str, str]:
        """SHA-256 of the files that are read, under keys such as train.source and train.links."""
        return {
            f"{split}.{side}": file_sha256(self._path(split, ENDINGS[stored]))
            for split in SPLITS
            for side, stored in (*self.sides().items(), ("links", "links"))
        }

    def _path(self, split: str, ending: str) -> Path:
        plain = self._folder / f"{STEMS[split]}.{ending}"
        packed = plain.with_name(f"{plain.name}.gz")
        return packed if packed.exists() else plain


def _links(line: str, pair: Pair, where: str) -> tuple[tuple[int, int], ...]:
    """Links such as "0-0 1-2" of a line. Raises ValueError for another form, or a word that the verse lacks."""
    try:
        links = tuple((int(i), int(j)) for i, j in (link.split("-") for link in line.split()))
    except ValueError as error:
        raise ValueError(f"{where}: {line!r} is not a list of links such as 0-0 1-2") from error
    n, m = len(words(pair.source)), len(words(pair.target))
    for i, j in links:
        if not (0 <= i < n and 0 <= j < m):
            raise ValueError(f"{where}: link {i}-{j} leaves the verse of {n} and {m} words, counted from 0")
    return links


def build(folder: Path) -> None:
    """Fetch the wheel, and write its verses and links into `folder`, which appears whole or not at all."""
    with enough_space(folder), tempfile.TemporaryDirectory(dir=folder.parent, prefix=".building-") as scratch:
        wheel = fetch_wheel(Path(scratch) / "wheel")
        built = Path(scratch) / folder.name
        built.mkdir()
        _write(read_wheel(wheel), built)
        os.replace(built, folder)


def fetch_wheel(folder: Path) -> Path:
    """The pinned wheel, fetched by pip from the package index it is set up for; nothing is installed.

    Raises FileNotFoundError if pip cannot get it, ValueError for a wrong checksum.
    """
    logger.info("fetching %s %s with pip", PACKAGE, VERSION)
    folder.mkdir(parents=True)
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{WHEEL_SHA256}\n", encoding="utf-8")
    command = [
        *(sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--ignore-requires-python", "--require-hashes"),
        *("--disable-pip-version-check", "--no-input", "-r", str(requirements), "-d", str(folder)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        _raise_pip_failure(done.stderr)
    if file_sha256(wheels[0]) != WHEEL_SHA256:
        raise ValueError(_wrong_wheel(file_sha256(wheels[0])))
    return wheels[0]


def _raise_pip_failure(stderr: str) -> None:
    got = [line.split()[-1] for line in stderr.splitlines() if line.split()[:1] == ["Got"]]
    if got:
        raise ValueError(_wrong_wheel(got[0]))
    if "No space left" in stderr:
        raise OSError("no space left to fetch bible-alignments; free some, or set paths.cache to another disk")
    reasons = [line.removeprefix("ERROR: ") for line in stderr.splitlines() if line.startswith("ERROR:")]
    reason = (reasons or stderr.splitlines() or ["pip said nothing"])[-1]
    raise FileNotFoundError(
        f"{PACKAGE} {VERSION} could not be fetched with pip ({reason}); check that this machine reaches a package "
        "index, or set data.root to a folder with train.grc, train.en, train.talp, valid.*, test.*"
    )


def _wrong_wheel(got: str) -> str:
    return (
        f"{PACKAGE} {VERSION}: wrong file, SHA-256 expected {WHEEL_SHA256}, got {got}; "
        "use a package index that serves the original, or set data.root"
    )


def read_wheel(wheel: Path) -> dict[str, list[Pair]]:
    """The verses of each split with their links, in the order of the Greek text."""
    with zipfile.ZipFile(wheel) as archive:
        source = _words((id_, id_[1:9], text) for id_, text in _columns(archive, SOURCE, ("id", "text")))
        target = _words(_columns(archive, TARGET, ("id", "source_verse", "text")))
        links, crossing = _links_by_verse(json.loads(archive.read(ALIGNMENTS))["records"], source, target)
    sources, targets = _verses(source), _verses(target)
    unlinked = len(sources) - len(links)
    logger.info("%s: left out %d verses without links and %d links across verses", wheel.name, unlinked, crossing)
    splits: dict[str, list[Pair]] = {split: [] for split in SPLITS}
    for verse in filter(links.__contains__, sources):
        pairs = splits[split_of(verse)]
        pairs.append(Pair(sources[verse], targets[verse], len(pairs) + 1, tuple(sorted(links[verse]))))
    return splits


def split_of(verse: str) -> str:
    """The split of a verse, by its chapter."""
    chapter = verse[:5]
    if chapter in VALIDATION_CHAPTERS:
        return "validation"
    return "test" if chapter in TEST_CHAPTERS else "train"


def _columns(archive: zipfile.ZipFile, member: str, names: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    with archive.open(member) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        for row in csv.DictReader(text, delimiter="\t", quoting=csv.QUOTE_NONE):
            yield tuple(row[name] for name in names)


def _words(rows: Iterable[tuple[str, ...]]) -> Words:
    words: Words = {}
    sizes: dict[str, int] = {}
    for id_, verse, text in rows:
        words[id_] = (verse, sizes.get(verse, 0), text)
        sizes[verse] = sizes.get(verse, 0) + 1
    return words


def _verses(words: Words) -> dict[str, str]:
    texts: dict[str, list[str]] = {}
    for verse, _, text in words.values():
        texts.setdefault(verse, []).append(text)
    return {verse: " ".join(tokens) for verse, tokens in texts.items()}


def _links_by_verse(
    records: list[dict[str, list[str]]], source: Words, target: Words
) -> tuple[dict[str, set[tuple[int, int]]], int]:
    """Links within a verse, and the number of those that leave it."""
    links: dict[str, set[tuple[int, int]]] = {}
    crossing = 0
    for record in records:
        for left in record["source"]:
            for right in record["target"]:
                (verse, i, _), (other, j, _) = source[left], target[right]
                if verse == other:
                    links.setdefault(verse, set()).add((i, j))
                else:
                    crossing += 1
    return links, crossing


def _write(splits: dict[str, list[Pair]], folder: Path) -> None:
    for split, pairs in splits.items():
        columns = {
            "source": [pair.source for pair in pairs],
            "target": [pair.target for pair in pairs],
            "links": [" ".join(f"{i}-{j}" for i, j in pair.links or ()) for pair in pairs],
        }
        for side, column in columns.items():
            path = folder / f"{STEMS[split]}.{ENDINGS[side]}"
            path.write_text("".join(f"{line}\n" for line in column), encoding="utf-8", newline="\n")
