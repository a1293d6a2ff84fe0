"""Lines of text files, plain, compressed or in another encoding (`rnnsearch.data.readable`), and pairs of them.

A line ends at \\n or \\r\\n and nowhere else, so that the other line separators of Unicode stay inside a sentence; in a
file without any \\n it ends at \\r. A byte order mark at the start is no text.
"""

import codecs
import io
import os
import re
import stat
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path

from rnnsearch.data.corpus import Pair
from rnnsearch.data.readable import CHUNK, BrokenFile, readable

LONGEST = 1 << 24
"""Bytes of a line. No sentence is nearly as long; a small archive of an endless line takes no more memory than this."""
BYTE_ORDER_MARK = "\ufeff"
SURROGATE = re.compile("[\ud800-\udfff]")

Mended = Callable[[Path, int], None]
"""Told of a line whose bytes were not UTF-8 and became U+FFFD: the file, and the line's number from 1."""
NUL, NO_UTF8 = "holds a NUL byte", "is not valid UTF-8"  # what a line may have wrong


def lines(path: Path, *, mended: Mended | None = None) -> Iterator[str]:
    """The lines of a text file, lazily, without their ends.

    Raises FileNotFoundError for a missing file, and ValueError for a folder, an empty file, an archive, a compressed
    file that is broken or cut off, a line of more than `LONGEST` bytes, or bytes that are NUL or not UTF-8; these
    become U+FFFD where `mended` is there to be told.
    """
    check_file(path)
    number = 0
    with io.BufferedReader(io.FileIO(path), CHUNK) as raw_file, readable(raw_file, str(path)) as file:
        try:
            for number, raw in enumerate(iter(partial(file.readline, LONGEST + 1), b""), start=1):
                if len(raw) > LONGEST:
                    raise ValueError(
                        f"{path}: line {number} has more than {LONGEST:,} bytes, so it is no sentence; "
                        "give a file of one sentence a line"
                    )
                yield _decoded(raw, path, number, mended)
        except BrokenFile as error:
            raise ValueError(f"{path}: {error} after {number} lines; copy it again") from error
    if number == 0:
        raise ValueError(f"{path} is empty; it must hold one sentence a line")


def _decoded(raw: bytes, path: Path, number: int, mended: Mended | None) -> str:
    body = without_end(raw)
    if mended is None:
        text = _strict(body, path, number)
    else:
        text, is_mended = as_text(body)
        if is_mended:
            mended(path, number)
    return text.removeprefix(BYTE_ORDER_MARK) if number == 1 else text


def _strict(body: bytes, path: Path, number: int) -> str:
    if (fault := first_bad(body)) is None:
        return body.decode("utf-8")
    place, what = fault
    mend = "convert the file to UTF-8: iconv -f LATIN1 -t UTF-8, if it is Latin-1"
    raise ValueError(
        f"{path}: line {number} {what} (byte {place} of the line); {mend if what == NO_UTF8 else 'copy it again'}"
    )


def first_bad(body: bytes, *, is_whole: bool = True) -> tuple[int, str] | None:
    """The first byte, from 1, that is no text, and what it is; None where all is.

    Args:
        is_whole: the line was not cut, so that it may not end inside a character.
    """
    faults = [(body.find(b"\0") + 1, NUL)] if b"\0" in body else []
    try:
        codecs.getincrementaldecoder("utf-8")().decode(body, final=is_whole)
    except UnicodeDecodeError as error:
        faults.append((error.start + 1, NO_UTF8))
    return min(faults, default=None)


def as_text(body: bytes) -> tuple[str, bool]:
    """Bytes as text with U+FFFD for what is no UTF-8 and for NUL, and whether there was any."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return body.decode("utf-8", "replace").replace("\0", "\ufffd"), True
    return text.replace("\0", "\ufffd"), "\0" in text


def without_end(raw: bytes) -> bytes:
    """A line's bytes without \\n or \\r\\n; a lone \\r is no end."""
    return raw[: -2 if raw.endswith(b"\r\n") else -1] if raw.endswith(b"\n") else raw


def well_formed(text: str) -> str:
    """The text with U+FFFD for each surrogate, which no UTF-8 can hold."""
    return SURROGATE.sub("\ufffd", text)


def check_file(path: Path, *, again: bool = False) -> None:
    """Refuse what is no file of text, before it is opened; a pipe is none where a file is read ``again`` and again.

    Raises FileNotFoundError for a path that is not there, ValueError for a folder or a file nobody may read.
    """
    try:
        mode = os.stat(path).st_mode
    except PermissionError:
        raise ValueError(f"{path} cannot be read (permission denied); give the path of a readable file") from None
    except OSError:
        raise FileNotFoundError(f"{path} does not exist; give the path of a file of sentences") from None
    except ValueError:
        raise ValueError(f"{str(path)!r} is no path; give that of a file of sentences") from None
    if stat.S_ISDIR(mode):
        raise ValueError(f"{path} is a folder; give the path of a file")
    if stat.S_ISSOCK(mode) or stat.S_ISBLK(mode):
        raise ValueError(f"{path} is a {'socket' if stat.S_ISSOCK(mode) else 'disk'}; give the path of a file")
    if again and not stat.S_ISREG(mode):
        raise ValueError(
            f"{path} is a pipe or a device, which can be read only once, and training data are read several times; "
            "write it into a file, and give that"
        )
    if not os.access(path, os.R_OK):
        raise ValueError(f"{path} cannot be read (permission denied); give the path of a readable file")


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
