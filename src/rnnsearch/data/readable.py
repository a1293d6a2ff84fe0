"""From the bytes of a file to UTF-8 text whose lines end at \\n: compression and encoding are seen by the first bytes.

A file's name says nothing: text that was compressed under no ending or another one is read, and so is plain text that
is called x.gz. UTF-16 and UTF-32 with a byte order mark become UTF-8, and lines that all end in a lone \\r end in \\n.
What is no text is named as what it is.
"""

import bz2
import codecs
import gzip
import io
import lzma
import re
import sys
import zlib
from collections.abc import Callable
from typing import IO, Any, BinaryIO, cast

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BROKEN = (gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError, zstd.ZstdError)
CHUNK = 1 << 16  # bytes that are looked at, or converted at once
COMPRESSED: tuple[tuple[str, bytes, Callable[[BinaryIO], IO[bytes]]], ...] = (
    ("gzip", rb"\x1f\x8b\x08", lambda file: cast(IO[bytes], gzip.GzipFile(fileobj=file))),
    ("bzip2", rb"BZh[1-9](1AY&SY|\x17rE8P\x90)", bz2.BZ2File),
    ("xz", rb"\xfd7zXZ\0", lzma.LZMAFile),
    ("lzma", rb"\x5d\0\0[\0-\xff]{2}([\0-\xff]{3}\0{5}|\xff{8})", lzma.LZMAFile),
    ("zstd", rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", lambda file: cast(IO[bytes], zstd.ZstdFile(file))),
)
"""What is read: the name, how it begins, and what decompresses it."""
OTHERS = {
    "a zip archive, which a document of Word or Excel is too": rb"PK(\x03\x04|\x05\x06|\x07\x08)",
    "a tar archive": rb"[^\0][\0-\xff]{256}ustar",
    "a 7z archive": rb"7z\xbc\xaf\x27\x1c",
    "a RAR archive": rb"Rar!\x1a\x07",
    "compressed with lz4": rb"\x04\x22\x4d\x18",
    "compressed with compress": rb"\x1f\x9d",
    "compressed with snappy": rb"\xff\x06\0\0sNaPpY",
    "a PDF": rb"%PDF-\d",
    "a Parquet table": rb"PAR1[\0-\x1f]",
    "an SQLite database": rb"SQLite format 3\0",
    "a document of an older Office": rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
}
"""What is named and not read."""
WIDE = (
    ("utf-32", codecs.BOM_UTF32_LE),  # before UTF-16, whose mark it begins with
    ("utf-32", codecs.BOM_UTF32_BE),
    ("utf-16", codecs.BOM_UTF16_LE),
    ("utf-16", codecs.BOM_UTF16_BE),
)
"""Encodings with a byte order mark."""


class BrokenFile(ValueError):
    """A file begins as what it is and does not go on so; says what it is, such as "the gzip file is broken"."""


def readable(file: "io.BufferedReader[Any]", name: str) -> "io.BufferedReader[Any]":
    """The UTF-8 text of an open file, which may be compressed or in another encoding of Unicode.

    Args:
        file: at its beginning; only what is there already is looked at, so that nothing waits for more.
        name: in messages.

    Raises:
        ValueError: for an archive or another format that is no text, naming it. `BrokenFile` comes while reading.
    """
    kind, text = decompressed(file)
    try:
        head = text.peek(CHUNK)
    except BrokenFile as error:
        raise ValueError(f"{name}: {error} before its first line; copy it again") from None
    if kind is not None and any(re.match(begins, head) for _, begins, _ in COMPRESSED):
        raise ValueError(f"{name} is compressed twice; decompress it once")
    for what, begins in OTHERS.items():
        if re.match(begins, head):
            raise ValueError(f"{name} is {what}, not lines of text; unpack or export it to plain text, UTF-8")
    wide = next((encoding for encoding, mark in WIDE if head.startswith(mark)), None)
    if wide is not None:
        return _converted(text, _transcoder(wide), f"the {wide.upper()} text")
    if order := _unmarked(head):
        raise ValueError(
            f"{name} looks like UTF-16 without a byte order mark; convert it to UTF-8: iconv -f {order} -t UTF-8"
        )
    if b"\r" in head[:-1] and b"\n" not in head:
        return _converted(text, lambda chunk, last: chunk.replace(b"\r", b"\n"), "the text")
    return text


def decompressed(file: "io.BufferedReader[Any]") -> "tuple[str | None, io.BufferedReader[Any]]":
    """How a file is compressed, and what it holds."""
    head = file.peek(CHUNK)
    for kind, begins, opened in COMPRESSED:
        if re.match(begins, head):
            inner = io.BufferedReader(cast(io.RawIOBase, opened(file)), CHUNK)
            return kind, _converted(inner, lambda chunk, last: chunk, f"the {kind} file")
    return None, file


def _transcoder(encoding: str) -> Callable[[bytes, bool], bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    return lambda chunk, last: decoder.decode(chunk, last).encode("utf-8", "surrogatepass")


def _unmarked(head: bytes) -> str | None:
    """The byte order of text in which every other byte is nought, as in UTF-16 of Latin letters; None for others."""
    pairs = len(head) // 2
    low, high = head[0 : 2 * pairs : 2].count(0), head[1 : 2 * pairs : 2].count(0)
    if pairs > 1 and high > 0.5 * pairs > 10 * low:
        return "UTF-16LE"
    return "UTF-16BE" if pairs > 1 and low > 0.5 * pairs > 10 * high else None


def _converted(file: io.BufferedIOBase, convert: Callable[[bytes, bool], bytes], what: str) -> io.BufferedReader:
    return io.BufferedReader(_Converted(file, convert, what), CHUNK)


class _Converted(io.RawIOBase):
    """The bytes of a file as a function of chunks gives them; what can't be decompressed or decoded is a sentence."""

    def __init__(self, file: io.BufferedIOBase, convert: Callable[[bytes, bool], bytes], what: str) -> None:
        self._file, self._convert, self._what = file, convert, what
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]  # io calls it with such a one
        is_last = False
        while not self._left and not is_last:
            chunk = self._read()
            is_last = not chunk
            try:
                self._left = self._convert(chunk, is_last)
            except UnicodeError:
                raise BrokenFile(f"{self._what} is broken or cut off") from None
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    def _read(self) -> bytes:
        try:
            return self._file.read1(CHUNK)
        except (*BROKEN, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the disk's
            raise BrokenFile(f"{self._what} is broken or cut off") from None

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
