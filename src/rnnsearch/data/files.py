"""Parallel corpora in local files: two line-aligned files a split, tab-separated columns, or JSON lines."""

import json
import os
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import replace
from glob import glob
from pathlib import Path

from rnnsearch.data.corpus import SPLITS, DirectedCorpus, Pair
from rnnsearch.data.lines import check_file, lines, paired_lines
from rnnsearch.records.json_files import file_sha256


class FilesCorpus(DirectedCorpus):
    """Two line-aligned files a split, each split a mapping {source: path, target: path} or None.

    A number in place of validation or test takes so many pairs out of the training pairs.

    A path with *, ? or [ stands for the files that match, its shards; the n-th of a side pairs with the n-th of the
    other. With `reverse` the files change sides, and the two languages with them.
    """

    def __init__(
        self,
        *,
        train: Mapping[str, str | None] | str | None,
        validation: Mapping[str, str | None] | int | str | None,
        test: Mapping[str, str | None] | int | str | None,
        source_language: str | None,
        target_language: str | None,
        reverse: bool,
        name: str,
    ) -> None:
        super().__init__(
            name=name,
            source_language=source_language,
            target_language=target_language,
            reverse=reverse,
            taken_out=_numbers(validation, test),
        )
        by_split = zip(SPLITS, (train, validation, test), strict=True)
        self._given = {split: _two_sides(split, {} if isinstance(p, int) else p or {}) for split, p in by_split}

    def splits(self) -> tuple[str, ...]:
        """The splits for which at least one file is named, or a number."""
        return tuple(split for split in SPLITS if any(self._given[split].values()) or split in self.taken_out)

    def prepare(self) -> None:
        """Check that the files are there; `test` may be left out. Raises ValueError or FileNotFoundError."""
        super().prepare()
        for split in self._read_splits():
            for shard in self._shards(split):
                for path in shard.values():
                    check_file(path, again=True)

    def stored_pairs(self, split: str) -> Iterator[Pair]:
        """The pairs of a split as the files hold them; lines are counted on from shard to shard."""
        before = 0
        for shard in self._shards(split):
            pair = None
            for pair in paired_lines(shard["source"], shard["target"]):
                yield replace(pair, line=before + pair.line) if before else pair
            before += pair.line if pair else 0

    def checksums(self) -> dict[str, str]:
        """SHA-256 of each file, under keys such as train.source."""
        sums = {
            f"{split}.{side}{f'[{number}]' if number else ''}": file_sha256(shard[stored])
            for split in self._read_splits()
            for side, stored in self.sides().items()
            for number, shard in enumerate(self._shards(split))
        }
        return sums | self.checksums_of_taken()

    def _read_splits(self) -> list[str]:
        """The splits with files of their own."""
        return [split for split in self.splits() if split not in self.taken_out]

    def _shards(self, split: str) -> list[dict[str, Path]]:
        """The files that pair with each other; those that match patterns are in the order of their names."""
        files = self._files(split)
        shards = {side: _matching(path) for side, path in files.items()}
        source, target = shards["source"], shards["target"]
        if len(source) != len(target):
            raise ValueError(
                f"data.{split}: {files['source']} gives {len(source)} files but {files['target']} gives {len(target)}; "
                "shards must pair file by file, in the order of their names"
            )
        return [{"source": s, "target": t} for s, t in zip(source, target, strict=True)]

    def _files(self, split: str) -> dict[str, Path]:
        paths = self._given[split]
        missing = [side for side, path in paths.items() if not path]
        if missing:
            raise ValueError(f"data.{split}.{missing[0]} is not set; give the file that pairs with the other side's")
        return {side: Path(str(path)).expanduser() for side, path in paths.items()}

    def setting(self, split: str) -> str:
        """How a split is given, as part of a sentence."""
        return f"set data.{split}.source and data.{split}.target to two line-aligned files{_or_number(split)}"


def _numbers(validation: object, test: object) -> dict[str, int]:
    """The splits that are given as numbers, test first, so that another number for validation leaves it as it is."""
    return {split: value for split, value in (("test", test), ("validation", validation)) if isinstance(value, int)}


def _or_number(split: str) -> str:
    return f", or data.{split}=500 to take so many pairs out of the training pairs" if split != "train" else ""


def _matching(path: Path) -> list[Path]:
    """The file itself, or the files that a pattern matches, sorted."""
    if path.exists() or not any(mark in str(path) for mark in "*?["):
        return [path]
    matches = sorted(Path(name) for name in glob(str(path), recursive=True) if not os.path.isdir(name))
    if not matches:
        raise FileNotFoundError(f"{path} matches no file; give a pattern such as shards/*.en")
    return matches


def _two_sides(split: str, paths: Mapping[str, str | None] | str) -> dict[str, str | None]:
    if isinstance(paths, str):
        raise ValueError(
            f"data.{split}={paths} is one file, and data=files takes two: data.{split}.source and data.{split}.target; "
            "for one file of pairs take data=tsv, data=csv, data=jsonl or data=tmx"
        )
    for key in paths:
        if key not in ("source", "target"):
            raise ValueError(f"data.{split}.{key} is not a key; data.{split} takes source and target")
    return {side: paths.get(side) for side in ("source", "target")}


class TableCorpus(DirectedCorpus):
    """The part that readers of one file a split share: rows from which two texts are taken."""

    def __init__(
        self,
        *,
        train: str | None,
        validation: str | int | None,
        test: str | int | None,
        source_language: str | None,
        target_language: str | None,
        reverse: bool,
        name: str,
    ) -> None:
        super().__init__(
            name=name,
            source_language=source_language,
            target_language=target_language,
            reverse=reverse,
            taken_out=_numbers(validation, test),
        )
        by_split = zip(SPLITS, (train, validation, test), strict=True)
        self._paths = {split: Path(path).expanduser() for split, path in by_split if isinstance(path, str)}

    def splits(self) -> tuple[str, ...]:
        """The splits for which a file is named, or a number."""
        return tuple(split for split in SPLITS if split in self._paths or split in self.taken_out)

    def prepare(self) -> None:
        """Check that the files are there; `test` may be left out. Raises ValueError or FileNotFoundError."""
        super().prepare()
        for path in self._paths.values():
            check_file(path, again=True)

    def stored_pairs(self, split: str) -> Iterator[Pair]:
        """The pairs of a split as the file holds them."""
        return self._rows(self._paths[split])

    def checksums(self) -> dict[str, str]:
        """SHA-256 of each file, under keys such as train.source[german] that say what is taken from it."""
        sums = {
            f"{split}.{side}[{self._taken(stored)}]": file_sha256(path)
            for split, path in self._paths.items()
            for side, stored in self.sides().items()
        }
        return sums | self.checksums_of_taken()

    @staticmethod
    def _lines(path: Path) -> Iterator[tuple[int, str]]:
        """The lines of a file with their numbers; blank ones at its end are no rows, others are refused."""
        blank = 0
        for number, line in enumerate(lines(path), start=1):
            if not line.strip(" "):
                blank = blank or number
                continue
            if blank:
                raise ValueError(f"{path}: line {blank} is blank, and rows follow it; remove it, or fill it in")
            yield number, line

    @abstractmethod
    def _rows(self, path: Path) -> Iterator[Pair]: ...

    @abstractmethod
    def _taken(self, side: str) -> str: ...

    def setting(self, split: str) -> str:
        """How a split is given, as part of a sentence."""
        return f"set data.{split} to a file{_or_number(split)}"


class TsvCorpus(TableCorpus):
    """One tab-separated file a split; columns by number, from 0, or by the name in the header. Quotes are text.

    A column that is named says that there is a header.
    """

    def __init__(
        self,
        *,
        train: str | None,
        validation: str | int | None,
        test: str | int | None,
        source_column: int | str,
        target_column: int | str,
        header: bool,
        source_language: str | None,
        target_language: str | None,
        reverse: bool,
        name: str,
    ) -> None:
        super().__init__(
            train=train,
            validation=validation,
            test=test,
            source_language=source_language,
            target_language=target_language,
            reverse=reverse,
            name=name,
        )
        self._columns = {"source": source_column, "target": target_column}
        self._header = header or any(isinstance(column, str) for column in self._columns.values())

    def _rows(self, path: Path) -> Iterator[Pair]:
        numbered = self._cells(path)
        names = next(numbered, (0, [""]))[1] if self._header else None
        source, target = (_column(column, names, path) for column in self._columns.values())
        has_rows = False
        for number, cells in numbered:
            has_rows = True
            if len(cells) <= max(source, target):
                raise ValueError(
                    f"{path}: line {number} has {len(cells)} columns, but column {max(source, target)} (from 0) "
                    "is asked for; mend the line or set data.source_column and data.target_column"
                )
            yield Pair(source=cells[source], target=cells[target], line=number)
        if not has_rows:
            raise ValueError(f"{path} holds no rows; it must hold one pair a line")

    def _cells(self, path: Path) -> Iterator[tuple[int, list[str]]]:
        """The cells of each row, and the number of its line."""
        return ((number, line.split("\t")) for number, line in self._lines(path))

    def _taken(self, side: str) -> str:
        return f"{self._columns[side]}{', header' if self._header else ''}"


def _column(column: int | str, names: list[str] | None, path: Path) -> int:
    if isinstance(column, str):
        assert names is not None
        if column not in names:
            raise ValueError(f"{path} has no column {column!r}; its header names {', '.join(names)}")
        return names.index(column)
    if column < 0:
        raise ValueError(f"column {column} is not allowed; columns are counted from 0")
    return column


class JsonLinesCorpus(TableCorpus):
    """One JSON object a line; texts by field, a dot leading into an object, such as translation.de."""

    def __init__(
        self,
        *,
        train: str | None,
        validation: str | int | None,
        test: str | int | None,
        source_field: str,
        target_field: str,
        source_language: str | None,
        target_language: str | None,
        reverse: bool,
        name: str,
    ) -> None:
        super().__init__(
            train=train,
            validation=validation,
            test=test,
            source_language=source_language,
            target_language=target_language,
            reverse=reverse,
            name=name,
        )
        self._fields = {"source": source_field, "target": target_field}

    def _rows(self, path: Path) -> Iterator[Pair]:
        for number, line in self._lines(path):
            where = f"{path}: line {number}"
            try:
                record = json.loads(line)
            except json.JSONDecodeError as error:
                if number == 1 and line.lstrip().startswith("["):
                    raise ValueError(
                        f"{path} is one JSON array, not an object a line; write it so: jq -c '.[]' FILE > FILE.jsonl"
                    ) from error
                raise ValueError(f"{where} is not JSON (from character {error.colno} on)") from error
            except (ValueError, RecursionError) as error:  # a number of very many digits, brackets in brackets in ...
                raise ValueError(f"{where} is JSON with a number too long, or brackets too deep, to be read") from error
            source, target = (text_at(record, field, where) for field in self._fields.values())
            yield Pair(source=source, target=target, line=number)

    def _taken(self, side: str) -> str:
        return self._fields[side]


def text_at(record: object, field: str, where: str) -> str:
    """The text at a field path such as translation.de. Raises ValueError naming the fields there are."""
    value = record
    for step in field.split("."):
        if not isinstance(value, Mapping) or step not in value:
            there = f"the fields there are {', '.join(map(str, value))}" if isinstance(value, Mapping) else "no object"
            raise ValueError(f"{where} has no field {field!r} ({step!r}: {there})")
        value = value[step]
    if not isinstance(value, str):
        raise ValueError(f"{where}: field {field!r} holds {type(value).__name__}, not text")
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise ValueError(f"{where}: field {field!r} holds half a surrogate pair, which is no text")
    return value
