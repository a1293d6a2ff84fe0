"""``rnnsearch translate``: standard input to standard output, one line out for each line in, in order.

Lines are translated as they arrive: whatever waits, up to some batches, is translated together, and nothing waits for
more. A line ends at \\n or \\r\\n and nowhere else; so does a line of the output.
"""

import logging
import queue
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from rnnsearch.cli import build, runs

logger = logging.getLogger(__name__)

BATCHES = 8  # so many batches of lines are sorted by length and translated together, at most
BYTE_ORDER_MARK = "\ufeff"


def run(cfg: DictConfig) -> None:
    """Translate standard input until it ends."""
    if sys.stdin is None:
        raise ValueError("standard input is closed; give it text: rnnsearch translate run=RUN < in.txt")
    model, first = runs.load_runs(cfg)
    search = build.build_search(chosen_search(first.config.search, cfg.search, HydraConfig.get().overrides.task))

    def translations(texts: Sequence[str]) -> list[str]:
        return [one.text for one in model.translate(texts, search=search)]

    # A buffer of our own: Python would wait at its exit for the one that a thread reads.
    source = open(sys.stdin.fileno(), "rb", closefd=False)  # noqa: SIM115 -- a thread reads it to the end
    count = translate_stream(source, sys.stdout.buffer, translations, at_once=BATCHES * search.batch_size)
    logger.info("translated %d lines", count)


def chosen_search(own: DictConfig, chosen: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """The search that a run was trained with, under the `search.*` overrides; `search=OPTION` replaces it.

    A setting that is younger than the run has the value that `conf/search` gives it now.
    """
    keys = [override.lstrip("+").partition("=")[0] for override in overrides]
    if "search" in keys:
        return chosen
    changes = [key.removeprefix("search.") for key in keys if key.startswith("search.")]
    younger = [str(key) for key in chosen if key not in own]
    merged = OmegaConf.merge(own, OmegaConf.masked_copy(chosen, changes + younger))
    assert isinstance(merged, DictConfig)
    return merged


def translate_stream(
    source: BinaryIO, sink: BinaryIO, translations: Callable[[Sequence[str]], Sequence[str]], *, at_once: int
) -> int:
    """Write one line for each line of `source`, up to `at_once` lines together; returns their number.

    Raises:
        ValueError: a line is not UTF-8, or the source can't be read; what came before is translated and written.
    """
    count = 0
    for lines in arriving(source, at_once):
        texts, problem = _decoded(lines, count)
        found = translations(texts)
        assert len(found) == len(texts)
        sink.write("".join(f"{_one_line(text)}\n" for text in found).encode())
        sink.flush()
        if problem is not None:
            raise problem
        count += len(lines)
    return count


def arriving(source: BinaryIO, at_once: int) -> Iterator[list[bytes]]:
    """The lines that have arrived, at least one and at most `at_once`; a thread reads ahead by twice as many."""
    waiting: queue.Queue[bytes | ValueError | None] = queue.Queue(maxsize=2 * at_once)
    threading.Thread(target=_read, args=(source, waiting), daemon=True).start()
    while True:
        lines: list[bytes] = []
        item = waiting.get()
        while isinstance(item, bytes):
            lines.append(item)
            if len(lines) == at_once or waiting.empty():  # only this thread takes, so what is there stays
                break
            item = waiting.get()
        if lines:
            yield lines
        if isinstance(item, ValueError):
            raise item
        if item is None:
            return


def _read(source: BinaryIO, waiting: "queue.Queue[bytes | ValueError | None]") -> None:
    """Queue the lines, then None, or the error that ended them."""
    try:
        for line in source:
            waiting.put(line)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        waiting.put(ValueError(f"standard input can't be read ({reason}); give it text: < in.txt"))
    else:
        waiting.put(None)


def _decoded(lines: Sequence[bytes], before: int) -> tuple[list[str], ValueError | None]:
    """The text of each line, as far as they are UTF-8, and the error where they are not."""
    texts: list[str] = []
    for number, line in enumerate(lines, before + 1):
        try:
            text = line.removesuffix(b"\n").removesuffix(b"\r").decode()
        except UnicodeDecodeError as error:
            return texts, ValueError(
                f"standard input: line {number} is not valid UTF-8 ({error.reason} at byte {error.start + 1} of the "
                "line), the lines before it are translated; convert the text to UTF-8"
            )
        texts.append(text.removeprefix(BYTE_ORDER_MARK) if number == 1 else text)
    return texts, None


def _one_line(text: str) -> str:
    """A translation without the characters that would end its line."""
    return text.replace("\r", " ").replace("\n", " ")
