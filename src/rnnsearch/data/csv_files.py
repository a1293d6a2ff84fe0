"""Parallel corpora in comma-separated files, as spreadsheets write them: RFC 4180, read by Python's csv."""

import csv
from collections.abc import Iterator
from pathlib import Path

from rnnsearch.data.files import TsvCorpus
from rnnsearch.data.lines import lines


class CsvCorpus(TsvCorpus):
    """One file a split; columns by number, from 0, or by the name in the header.

    A cell in quotation marks may hold `delimiter`, quotation marks written twice, and line breaks, which become blanks.
    """

    def __init__(
        self,
        *,
        delimiter: str,
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
        """Raises ValueError for a delimiter that is not one character, or has a meaning of its own."""
        super().__init__(
            train=train,
            validation=validation,
            test=test,
            source_column=source_column,
            target_column=target_column,
            header=header,
            source_language=source_language,
            target_language=target_language,
            reverse=reverse,
            name=name,
        )
        if len(delimiter) != 1 or delimiter in '"\r\n':
            raise ValueError(f"data.delimiter={delimiter!r} is no delimiter; give one character, such as ; or ,")
        self._delimiter = delimiter

    def _cells(self, path: Path) -> Iterator[tuple[int, list[str]]]:
        first = 1  # line of a row, which may go on over several
        reader = csv.reader((f"{line}\n" for line in lines(path)), delimiter=self._delimiter, strict=True)
        try:
            for cells in reader:
                if cells:
                    yield first, [" ".join(cell.splitlines()) for cell in cells]
                first = reader.line_num + 1
        except csv.Error as error:
            raise ValueError(
                f"{path}: the row that begins at line {first} is not CSV ({error}); a quotation mark in a cell is "
                "written twice, and the cell in quotation marks; for columns parted by tabs take data=tsv"
            ) from error

    def _taken(self, side: str) -> str:
        return f"{super()._taken(side)}, {self._delimiter}"
