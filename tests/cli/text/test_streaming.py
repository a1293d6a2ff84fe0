"""Lines as they arrive: where they end, what is mended and counted, and how much is held."""

import bz2
import errno
import gzip
import lzma
import os
import threading
from collections.abc import Callable, Iterator
from io import BufferedReader, BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnsearch.cli.text import streaming
from rnnsearch.cli.text.streaming import Tally, blocks
from rnnsearch.data.readable import readable


def read(data: bytes, *, at_once: int = 4, strict: bool = False) -> tuple[list[str], Tally]:
    tally = Tally()
    return [text for block in blocks(BytesIO(data), tally, at_once=at_once, strict=strict) for text in block], tally


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"a\nb\n", ["a", "b"]),
        (b"a\nb", ["a", "b"]),
        (b"a\r\n\r\nb\r\n", ["a", "", "b"]),
        (b"\n\n\n", ["", "", ""]),
        (b"a\rb\n", ["a\rb"]),
        (b"a\r\r\nb\r", ["a\r", "b\r"]),
        (b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n", ["a", "\ufeffb"]),
        ("a\u2028b\x85c\x0bd\x0ce\0f\n".encode(), ["a\u2028b\x85c\x0bd\x0ce\ufffdf"]),
        (b"\xed\xa0\x80\n", ["\ufffd\ufffd\ufffd"]),
        (b"a\xff\nb\n\xc3", ["a\ufffd", "b", "\ufffd"]),
    ],
)
@pytest.mark.parametrize("at_once", [1, 64])
def test_lines(data: bytes, expected: list[str], at_once: int) -> None:
    texts, tally = read(data, at_once=at_once)
    assert texts == expected
    assert (tally.lines, tally.read) == (len(expected), len(data))


@settings(deadline=None)
@given(st.lists(st.binary(max_size=8) | st.sampled_from([b"\r", b"\xed\xa0\x80", b"\xff", b"\0"])), st.booleans())
def test_any_bytes_give_a_text_a_line(parts: list[bytes], ended: bool) -> None:
    bodies = [part.replace(b"\n", b"") for part in parts]
    data = b"\n".join(bodies) + (b"\n" if ended else b"")
    texts, tally = read(data)
    expected = data.split(b"\n")[: -1 if data.endswith(b"\n") or not data else None]
    assert len(texts) == tally.lines == len(expected)
    assert all(text.encode() for text in texts if text)


def test_groups_are_bounded_and_in_order() -> None:
    tally = Tally()
    data = b"".join(b"%d\n" % i for i in range(1000))
    found = list(blocks(BytesIO(data), tally, at_once=16, strict=True))
    assert [text for block in found for text in block] == [str(i) for i in range(1000)]
    assert max(map(len, found)) <= 16


class Endless:
    """Lines without end, counted."""

    def __init__(self, line: bytes) -> None:
        self.line, self.given = line, 0

    def readline(self, most: int) -> bytes:
        self.given += 1
        return self.line


def held(line: bytes, at_once: int) -> int:
    """How many lines an endless source has given while the first block waits."""
    source: Any = Endless(line)
    arriving = blocks(source, Tally(), at_once=at_once, strict=False)
    next(arriving)
    threading.Event().wait(0.3)
    return int(source.given)


def test_reading_ahead_is_bounded_in_lines_and_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert held(b"line\n", at_once=10) <= 10 + 2 * 10 + 1
    monkeypatch.setattr(streaming, "AHEAD", 1000)
    assert held(b"x" * 99 + b"\n", at_once=1000) <= 2 * (1000 // 99 + 1) + 1


def test_long_lines_are_cut_and_counted(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(streaming, "LONGEST", 4)
    data = b"abcd\nabcd\r\nabcde\nabcdefghijklmnopq\r\nabc\xc3\xa9\nx\nabcdefgh"
    texts, tally = read(data)
    assert texts == ["abcd", "abcd", "abcd", "abcd", "abc", "x", "abcd"]
    assert (tally.cut, tally.first_cut, tally.replaced, tally.read) == (4, 3, 0, len(data))
    tally.warn()
    assert caplog.messages == [
        "4 of 7 lines are longer than 4 bytes, the first is line 3: the rest of them was dropped"
    ]


def test_a_cut_does_not_hide_bad_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "LONGEST", 4)
    texts, tally = read(b"a\xffc\xc3\xa9\n")
    assert texts == ["a\ufffdc"]
    assert (tally.cut, tally.replaced) == (1, 1)


def test_bad_bytes_are_counted_once_a_line(caplog: pytest.LogCaptureFixture) -> None:
    _, tally = read(b"a\nb\xff\xff\nc\n\xfe\n")
    tally.warn()
    [message] = caplog.messages
    assert message.startswith("standard input is not UTF-8 in 2 of 4 lines, first in line 2: ")
    caplog.clear()
    read(b"a\n")[1].warn()
    assert caplog.messages == []


def until_it_fails(arriving: Iterator[list[str]]) -> tuple[list[str], str]:
    """What comes before a ValueError, and the error's text."""
    found: list[str] = []
    try:
        for block in arriving:
            found += block
    except ValueError as error:
        return found, str(error)
    raise AssertionError("it did not fail")


@pytest.mark.parametrize("at_once", [1, 2, 64])
def test_strict_ends_it_after_the_lines_before(at_once: int) -> None:
    arriving = blocks(BytesIO(b"a\nb\nc\xff\nd\n"), Tally(), at_once=at_once, strict=True)
    found, error = until_it_fails(arriving)
    assert found == ["a", "b"]
    assert error.startswith("standard input: line 3 is not valid UTF-8 (byte 2 of the line)")


def test_an_input_that_breaks_off_is_one_sentence() -> None:
    class Breaking:
        def __init__(self) -> None:
            self.rest = [b"a\n"]

        def readline(self, most: int) -> bytes:
            if not self.rest:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return self.rest.pop()

    source: Any = Breaking()
    found, error = until_it_fails(blocks(source, Tally(), at_once=4, strict=False))
    assert found == ["a"]
    assert error.startswith("standard input can't be read (input/output error)")


@pytest.mark.parametrize(
    "compress", [gzip.compress, bz2.compress, lzma.compress, lambda text: text.decode().encode("utf-16")]
)
def test_compressed_input_is_read_and_a_broken_one_told(compress: Callable[[bytes], bytes]) -> None:
    def texts(data: bytes) -> list[str]:
        source: Any = readable(BufferedReader(BytesIO(data)), "standard input")
        return [text for block in blocks(source, Tally(), at_once=64, strict=False) for text in block]

    whole = compress(b"one\ntwo\n" * 1000)
    assert texts(whole) == ["one", "two"] * 1000
    with pytest.raises(ValueError, match=r"^standard input: the .* is broken or cut off"):
        texts(whole[:-3])


def test_nothing_waits_for_more_and_idle_says_so() -> None:
    in_read, in_write = os.pipe()
    asked: list[int] = []
    tally = Tally()
    with open(in_read, "rb") as source:
        arriving = blocks(source, tally, at_once=512, strict=False, idle=lambda: asked.append(tally.lines))
        for line in ("first", "second"):
            os.write(in_write, f"{line}\n".encode())
            assert next(arriving) == [line]
        os.write(in_write, b"third")
        os.close(in_write)
        assert next(arriving) == ["third"]
        assert next(arriving, None) is None
    assert set(asked) <= {0, 1, 2, 3}
