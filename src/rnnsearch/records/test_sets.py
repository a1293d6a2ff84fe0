"""Test sets of a user's own names, on which a run is tested beside its corpus's own: their files in a run's folder.

A named set is a split of the run like any other: data/NAME.jsonl, translations.NAME.jsonl and alignments.NAME.json lie
beside those of test, and results.NAME.json, which is read here, holds its figures. docs/run_folder.md describes it to
users.
"""

import re
from pathlib import Path
from typing import Any

import msgspec

from rnnsearch.records.json_files import file_sha256, read_object, write_object

FORMAT = 1
OWN = "test"  # the corpus's own test set, whose results are in the record itself
SPLITS = ("train", "validation", OWN)
RESULTS = "results.{}.json"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
SIDES = ("source", "target")


class TestResults(msgspec.Struct, frozen=True, kw_only=True):
    """How a run did on a named test set.

    Attributes:
        checksums: SHA-256 of the source's and the target's file.
        pairs: how many there are.
        checkpoint: whose weights translated.
        weights_sha256: of these.
        search: its settings.
        scoring: `rnnsearch.evaluation.scoring.Scoring`.
        metrics: as those of the test split in a record.
    """

    __test__ = False  # no test of pytest's

    format: int = FORMAT
    name: str
    checksums: dict[str, str]
    pairs: int
    checkpoint: str = "best"
    weights_sha256: str | None = None
    search: dict[str, Any] = {}
    scoring: dict[str, Any] = {}
    metrics: dict[str, Any] = {}


def check_name(name: str, key: str) -> str:
    """The name of a test set, if it is one.

    Args:
        name: the name.
        key: of the command that gives it, for the sentence.

    Raises:
        ValueError: for a split's name, or one that is no plain file name.
    """
    if name in SPLITS:
        raise ValueError(f"{key}: {name} is the name of a split; give the test set another one")
    if not NAME.fullmatch(name):
        raise ValueError(
            f"{key}: {name!r:.80} is no name of a test set; give letters, digits, _ and - such as news-2014"
        )
    return name


def names_of(folder: Path) -> list[str]:
    """The names of the test sets that a run's folder holds results of."""
    before, _, after = RESULTS.partition("{}")
    names = (path.name.removeprefix(before).removesuffix(after) for path in folder.glob(RESULTS.format("*")))
    return sorted(name for name in names if NAME.fullmatch(name) and name not in SPLITS)


def read_results(folder: Path, name: str) -> TestResults | None:
    """The results of a run on a named test set; None without any.

    Raises:
        ValueError: if the file is damaged.
    """
    path = folder / RESULTS.format(name)
    if not path.is_file():
        return None
    try:
        results = msgspec.convert(read_object(path), TestResults)
    except msgspec.ValidationError:
        raise ValueError(
            f"{path} is damaged: it holds no results of a test set; evaluate the run on it again"
        ) from None
    if results.format != FORMAT:
        raise ValueError(f"{path} is not of format {FORMAT}; read it with the version that wrote it")
    return results


def write_results(folder: Path, results: TestResults) -> None:
    """Write the results into a run's folder."""
    write_object(folder / RESULTS.format(results.name), msgspec.structs.asdict(results))


def checksums(source: Path, target: Path) -> dict[str, str]:
    """SHA-256 of both files, by side."""
    return {side: file_sha256(path) for side, path in zip(SIDES, (source, target), strict=True)}
