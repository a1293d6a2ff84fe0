"""Lines of a stream as they arrive, decoded, within bounds: an endless or hostile input does not fill memory.

A line ends at \\n or \\r\\n and nowhere else. A thread reads ahead by some lines and some bytes; whatever waits is
handed on together, and nothing waits for more.
"""

import codecs
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from rnnsearch.data.lines import BYTE_ORDER_MARK, first_bad, without_end
from rnnsearch.data.readable import BrokenFile

logger = logging.getLogger(__name__)

LONGEST = 1 << 20  # bytes of a line that are kept
AHEAD = 1 << 22  # bytes read ahead, give or take a line


@dataclass(frozen=True, slots=True)
class Raw:
    """A line as it was read: its bytes without their end, how many were read for it, whether some were dropped."""

    body: bytes
    read: int
    is_cut: bool


@dataclass(slots=True)
class Tally:
    """What has been read so far, and how many lines had to be mended: their number and the first."""

    lines: int = 0
    read: int = 0
    replaced: int = 0
    first_replaced: int = 0
    cut: int = 0
    first_cut: int = 0

    def warn(self) -> None:
        """Say what was mended, if anything."""
        if self.replaced:
            logger.warning(
                "standard input is not UTF-8 in %d of %d lines, first in line %d: the bad bytes were read as U+FFFD "
                "(strict=true refuses them)",
                self.replaced,
                self.lines,
                self.first_replaced,
            )
        if self.cut:
            logger.warning(
                "%d of %d lines are longer than %d bytes, the first is line %d: the rest of them was dropped",
                self.cut,
                self.lines,
                LONGEST,
                self.first_cut,
            )


def blocks(
    source: BinaryIO, tally: Tally, *, at_once: int, strict: bool, idle: Callable[[], None] = lambda: None
) -> Iterator[list[str]]:
    """The lines that have arrived, at least one and at most ``at_once``, until the source ends.

    Args:
        source: gives bytes.
        tally: where lines are counted.
        at_once: twice as many are read ahead at most.
        strict: refuse bytes that are not UTF-8; else they become U+FFFD.
        idle: called whenever there is nothing to do but wait for a line.

    Raises:
        ValueError: a line is not UTF-8, under ``strict``, or the source can't be read; what came before it was given.
    """
    waiting = _Waiting(2 * at_once)
    threading.Thread(target=_read, args=(source, waiting), daemon=True).start()
    while True:
        if not waiting:
            idle()
        raws = waiting.take(at_once)
        texts, problem = _decoded(raws, tally, strict)
        if texts:
            yield texts
        problem = problem or (None if raws else waiting.error)
        if problem is not None:
            raise problem
        if not raws:
            return


class _Waiting:
    """Lines between the thread that reads and the one that takes; `put` waits while there are enough."""

    def __init__(self, most: int) -> None:
        self.error: ValueError | None = None
        self._most = most
        self._lines: deque[Raw] = deque()
        self._bytes = 0
        self._is_closed = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._lines)

    def put(self, line: Raw) -> None:
        with self._changed:
            self._changed.wait_for(lambda: len(self._lines) < self._most and self._bytes < AHEAD)
            self._lines.append(line)
            self._bytes += len(line.body)
            self._changed.notify()

    def close(self, error: ValueError | None) -> None:
        """No more lines will come; ``error`` says why, where it is not the end."""
        with self._changed:
            self.error, self._is_closed = error, True
            self._changed.notify()

    def take(self, most: int) -> list[Raw]:
        """What is there, once there is something; nothing at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._lines or self._is_closed)
            taken = [self._lines.popleft() for _ in range(min(most, len(self._lines)))]
            self._bytes -= sum(len(line.body) for line in taken)
            self._changed.notify()
        return taken


def _read(source: BinaryIO, waiting: _Waiting) -> None:
    try:
        while raw := source.readline(LONGEST + 2):
            waiting.put(_whole(raw, source))
    except BrokenFile as error:
        waiting.close(ValueError(f"standard input: {error}; give it whole"))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        waiting.close(ValueError(f"standard input can't be read ({reason}); give it text: < in.txt"))
    else:
        waiting.close(None)


def _whole(raw: bytes, source: BinaryIO) -> Raw:
    """A line, of which ``raw`` was read; what is too long is read and dropped."""
    body, read, last = without_end(raw), len(raw), raw
    while len(last) == LONGEST + 2 and not last.endswith(b"\n"):
        last = source.readline(LONGEST + 2)
        read += len(last)
    return Raw(body[:LONGEST], read, is_cut=len(body) > LONGEST)


def _decoded(raws: list[Raw], tally: Tally, strict: bool) -> tuple[list[str], ValueError | None]:
    """The text of each line, up to one that has to be refused, and why."""
    texts: list[str] = []
    for raw in raws:
        number = tally.lines + 1
        text, bad = _text(raw), first_bad(raw.body, is_whole=not raw.is_cut)
        if bad is not None and strict:
            place, what = bad
            return texts, ValueError(
                f"standard input: line {number} {what} (byte {place} of the line), the lines before it are "
                "translated; convert the text to UTF-8, or set strict=false"
            )
        tally.lines, tally.read = number, tally.read + raw.read
        if bad is not None:
            tally.replaced, tally.first_replaced = tally.replaced + 1, tally.first_replaced or number
        if raw.is_cut:
            tally.cut, tally.first_cut = tally.cut + 1, tally.first_cut or number
        texts.append(text.removeprefix(BYTE_ORDER_MARK) if number == 1 else text)
    return texts, None


def _text(raw: Raw) -> str:
    """The text of a line, with U+FFFD for what is none; a character that was cut through is left out."""
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(raw.body, final=not raw.is_cut)
    return text.replace("\0", "\ufffd")
