"""What may be asked of the page, and how much at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from starlette.concurrency import run_in_threadpool

R = TypeVar("R")


class Busy(Exception):
    """Too many translations wait already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on what may be asked, and the defaults.

    Args:
        max_characters, max_words: of a sentence.
        max_beam_size: of the search, and so of the alternatives.
        max_waiting: translations that may wait while another is made.
        beam_size, alternatives: the page's defaults.

    Raises:
        ValueError: for a default that is not allowed.
    """

    max_characters: int
    max_words: int
    max_beam_size: int
    max_waiting: int
    beam_size: int
    alternatives: int

    def __post_init__(self) -> None:
        for name in ("beam_size", "alternatives"):
            if not 1 <= (value := getattr(self, name)) <= self.max_beam_size:
                raise ValueError(f"{name}={value}: give a whole number from 1 to max_beam_size={self.max_beam_size}")


@dataclass(frozen=True, slots=True)
class Asked:
    """A sentence, its words separated by single blanks, and how to search; ``n_best`` is at most ``beam_size``."""

    text: str
    beam_size: int
    n_best: int

    @classmethod
    def of(cls, form: Mapping[str, str], limits: Limits) -> "Asked":
        """What a form's fields ask for.

        Raises:
            ValueError: if they ask for nothing, or for more than the limits allow.
        """
        text = form.get("text", "")
        words = text.split()
        if not words:
            raise ValueError("There is nothing to translate yet: type a sentence.")
        if len(text) > limits.max_characters:
            raise ValueError(
                f"The text has {len(text):,} characters; this page takes up to {limits.max_characters:,}. "
                "Shorten it, or translate files with: rnnsearch translate"
            )
        if len(words) > limits.max_words:
            raise ValueError(
                f"The text has {len(words):,} words; this page takes up to {limits.max_words:,}. "
                "Translate one sentence at a time."
            )
        beam_size = _number(form, "beam_size", "beam size", limits.beam_size, limits.max_beam_size)
        n_best = _number(form, "alternatives", "number of translations", limits.alternatives, limits.max_beam_size)
        return cls(" ".join(words), beam_size, min(n_best, beam_size))


def _number(form: Mapping[str, str], field: str, name: str, default: int, most: int) -> int:
    text = form.get(field, "").strip() or str(default)
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= most):
        raise ValueError(f"The {name} is a whole number from 1 to {most}, not {text[:20]!r}.")
    return int(text)


class Queue:
    """Does one piece of work at a time, in a thread, in order of arrival; a limited number of others wait."""

    def __init__(self, max_waiting: int) -> None:
        self.max_waiting = max_waiting
        self._inside = 0
        self._turn = asyncio.Lock()

    async def run(self, work: Callable[[], R], is_gone: Callable[[], Awaitable[bool]]) -> R:
        """The result of ``work``, when its turn has come.

        Raises:
            Busy: if too many wait already, or the client is gone when its turn has come.
        """
        if self._inside > self.max_waiting:
            raise Busy
        self._inside += 1
        try:
            async with self._turn:
                if await is_gone():
                    raise Busy
                return await run_in_threadpool(work)
        finally:
            self._inside -= 1
