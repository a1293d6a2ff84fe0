"""Lines of text files, plain or compressed (.gz, .xz, .zst), and pairs of them.

A line ends at \\n or \\r\\n and nowhere else, so that the other line separators of Unicode stay inside a sentence.
Text is UTF-8; a byte order mark at the start is no text.
"""

import gzip
import lzma
import os
import re
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import IO, cast

from backports import zstd

from rnnsearch.data.corpus import Pair

BROKEN = (gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError, zstd.ZstdError)
LONGEST = 1 << 24
"""Bytes of a line. No sentence is nearly as long; a small archive of an endless line takes no more memory than this."""
BYTE_ORDER_MARK = "\ufeff"
SURROGATE = re.compile("[\ud800-\udfff]")

Mended = Callable[[Path, int], None]
"""Told of a line whose bytes were not UTF-8 and became U+FFFD: the file, and the line's number from 1."""


def lines(path: Path, *, mended: Mended | None = None) -> Iterator[str]:
    """The lines of a text file, lazily, without their ends.

    Raises FileNotFoundError for a missing file, and ValueError for a folder, an empty file, a compressed file that is
    broken or cut off, a line of more than `LONGEST` bytes, or bytes that are not UTF-8; those become U+FFFD where
    `mended` is there to be told.
    """
    check_file(path)
    number = 0
    try:
        with _opened(path) as file:
            for number, raw in enumerate(iter(partial(file.readline, LONGEST + 1), b""), start=1):
                if len(raw) > LONGEST:
                    raise ValueError(
                        f"{path}: line {number} has more than {LONGEST:,} bytes, so it is no sentence; "
                        "give a file of one sentence a line"
                    )
                yield _decoded(raw, path, number, mended)
    except BROKEN as error:
        raise ValueError(
            f"{path}: the {path.suffix} file is broken or cut off after {number} lines ({error}); copy it again"
        ) from error
    if number == 0:
        raise ValueError(f"{path} is empty; it must hold one sentence a line")


def _opened(path: Path) -> IO[bytes]:
    match path.suffix:
        case ".gz":
            return cast(IO[bytes], gzip.open(path, "rb"))
        case ".xz":
            return lzma.open(path, "rb")
        case ".zst":
            return cast(IO[bytes], zstd.open(path, "rb"))
    return path.open("rb")


def _decoded(raw: bytes, path: Path, number: int, mended: Mended | None) -> str:
    body = without_end(raw)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        if mended is None:
            raise ValueError(
                f"{path}: line {number} is not valid UTF-8 ({error.reason} at byte {error.start + 1} of the line); "
                "convert the file to UTF-8"
            ) from error
        mended(path, number)
        text = body.decode("utf-8", "replace")
    return text.removeprefix(BYTE_ORDER_MARK) if number == 1 else text


def without_end(raw: bytes) -> bytes:
    """A line's bytes without \\n or \\r\\n; a lone \\r is no end."""
    return raw[: -2 if raw.endswith(b"\r\n") else -1] if raw.endswith(b"\n") else raw


def well_formed(text: str) -> str:
    """The text with U+FFFD for each surrogate, which no UTF-8 can hold."""
    return SURROGATE.sub("\ufffd", text)


def check_file(path: Path) -> None:
    """Raise FileNotFoundError for a path that is not there, ValueError for a folder or a file nobody may read."""
    if os.path.isdir(path):
        raise ValueError(f"{path} is a folder; give the path of a file")
    if not os.path.exists(path):  # not Path.exists, which raises for a name that is too long
        raise FileNotFoundError(f"{path} does not exist; give the path of a file of sentences")
    try:
        path.open("rb").close()
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}); give the path of a readable file") from error


def paired_lines(source: Path, target: Path, *, mended: Mended | None = None) -> Iterator[Pair]:
    """Pairs from two line-aligned files, lazily. Raises ValueError with both counts, at the end, if they differ."""
    left, right = lines(source, mended=mended), lines(target, mended=mended)
    for number in count(1):
        pair = next(left, None), next(right, None)
        if pair == (None, None):
            return
        if pair[0] is None or pair[1] is None:
            shorter = number - 1
            longer = number + sum(1 for _ in (left if pair[1] is None else right))
            n, m = (longer, shorter) if pair[1] is None else (shorter, longer)
            raise ValueError(f"{source}: {n} lines but {target}: {m}; parallel files must pair line by line")
        yield Pair(source=pair[0], target=pair[1], line=number)
