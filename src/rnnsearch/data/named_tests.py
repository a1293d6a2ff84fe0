"""Test sets that a user names, each two line-aligned files, beside those of the corpus."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnnsearch.data.lines import check_file, paired_lines
from rnnsearch.records.test_sets import SIDES, check_name, checksums

EXAMPLE = "+tests.NAME.source=FILE +tests.NAME.target=FILE"

Files = Mapping[str, Mapping[str, str]]  # name -> side -> path


@dataclass(frozen=True, slots=True)
class NamedTest:
    """A test set: its pairs as rows of a split, and the SHA-256 of the files that they came from, by side."""

    name: str
    rows: Sequence[Mapping[str, Any]]
    checksums: Mapping[str, str]


def check_tests(tests: Files) -> None:
    """Refuse named test sets without two files that can be read.

    Raises:
        FileNotFoundError, ValueError: naming the key.
    """
    for name, files in tests.items():
        check_name(str(name), f"tests.{name}")
        if set(files) != set(SIDES) or not all(files.values()):
            raise ValueError(f"tests.{name}: a test set has two line-aligned files, source and target; give {EXAMPLE}")
        for side in SIDES:
            check_file(Path(files[side]), again=True)


def read_tests(tests: Files) -> list[NamedTest]:
    """The named test sets of a training.

    Raises:
        FileNotFoundError, ValueError: if one can't be read.
    """
    check_tests(tests)
    return [read_test(str(name), Path(files["source"]), Path(files["target"])) for name, files in tests.items()]


def read_test(name: str, source: Path, target: Path) -> NamedTest:
    """The pairs of two line-aligned files, as they are: no filter applies.

    Raises:
        FileNotFoundError, ValueError: if the files can't be read, are empty, or differ in length.
    """
    for path in (source, target):
        check_file(path, again=True)
    rows = [
        {"source_text": pair.source, "target_text": pair.target, "links": None, "line": pair.line}
        for pair in paired_lines(source, target)
    ]
    if not rows:
        raise ValueError(f"{source} and {target} hold no sentence to test on; give files of sentences")
    return NamedTest(name, rows, checksums(source, target))
