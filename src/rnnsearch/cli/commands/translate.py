"""``rnnsearch translate``: standard input to standard output, for each line in one out, in order.

Lines are translated as they arrive: whatever waits, up to some batches, is translated together, and nothing waits for
more.
"""

import logging
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from rnnsearch.cli.text.counting import summed_up
from rnnsearch.cli.text.formats import FORMATS, as_links
from rnnsearch.cli.text.streaming import Tally, blocks
from rnnsearch.config import build
from rnnsearch.config.chosen_search import chosen_search
from rnnsearch.config.terminal import for_stdout, say
from rnnsearch.data.lines import check_file, lines
from rnnsearch.data.readable import readable
from rnnsearch.evaluation.trained_model import TrainedModel, Translation
from rnnsearch.evaluation.unknown import read_lexicon, word_tokenizers
from rnnsearch.evaluation.word_alignment import chosen_method
from rnnsearch.runs import run_folder
from rnnsearch.search.hypotheses import Search

logger = logging.getLogger(__name__)

BATCHES = 8  # at most so many batches of lines are sorted by length and translated together
PROMPT = "> "


def run(cfg: DictConfig) -> None:
    """Translate standard input until it ends."""
    check_streams()
    check_options(cfg)
    model, first = run_folder.load_runs(cfg)
    chosen = chosen_search(first.config.search, cfg.search, HydraConfig.get().overrides.task)
    search, method = build.make(chosen), method_of_alignments(cfg, model)
    if cfg.format == "text" and chosen.get("n_best", 1) > 1:
        logger.info("format=text shows the best of %d hypotheses; tsv and jsonl show them all", chosen.n_best)
    # A buffer of our own: Python would wait at its exit for the one that a thread reads.
    source = open(sys.stdin.fileno(), "rb", closefd=False)  # noqa: SIM115 -- a thread reads it to the end
    tally, idle = Tally(), partial(say, PROMPT, end="", stderr=True) if source.isatty() else lambda: None
    at_once = (BATCHES if method is None else 1) * search.batch_size  # alignments take memory
    text = source if source.isatty() else readable(source, "standard input")
    arriving = blocks(text, tally, at_once=at_once, strict=cfg.strict, idle=idle)
    pairs = with_prefixes(with_progress(arriving, tally, source), None if cfg.prefixes is None else Path(cfg.prefixes))
    translate = translating(cfg, model, search, method)
    # Someone who types wants answers at once.
    with writing(cfg, sys.stdout.buffer, method) as write, nullcontext() if source.isatty() else summed_up():
        translate_stream(pairs, translate, write)
    if source.isatty():
        say("", stderr=True)  # ends the prompt's line
    tally.warn()
    logger.info("translated %d lines", tally.lines)


def check_streams() -> None:
    """Refuse standard streams that are closed.

    Raises:
        ValueError: if one is.
    """
    if sys.stdin is None:
        raise ValueError("standard input is closed; give it text: rnnsearch translate run=RUN < in.txt")
    if sys.stdout is None:
        raise ValueError("standard output is closed; give it a place: rnnsearch translate run=RUN < in.txt > out.txt")


def check_options(cfg: DictConfig) -> None:
    """Refuse options, and set the number of threads, before a model is loaded.

    Raises:
        FileNotFoundError, ValueError: for what is not allowed, or a file that is not there.
    """
    if cfg.lexicon is not None and not cfg.replace_unknown:
        raise ValueError(f"lexicon={cfg.lexicon}: only replace_unknown=true uses it; give both or neither")
    if cfg.alignments.output is not None and cfg.alignments.method == "none":
        raise ValueError("alignments.output needs alignments; choose another alignments.method than none")
    for file in (cfg.prefixes, cfg.lexicon):
        if file is not None:
            check_file(Path(file))
    if cfg.threads is not None:
        torch.set_num_threads(cfg.threads)


def translate_stream(
    arriving: Iterable[tuple[list[str], list[str] | None]],
    translate: Callable[..., Sequence[Translation]],
    write: Callable[[Sequence[Translation], int], None],
) -> None:
    """Translate blocks of lines and their prefixes and write them, with the number of lines before each."""
    before = 0
    for texts, prefixes in arriving:
        translations = translate(texts, prefixes=prefixes, first=before)
        assert len(translations) == len(texts)
        write(translations, before)
        before += len(texts)


def translating(
    cfg: DictConfig, model: TrainedModel, search: Search, method: str | None
) -> Callable[..., Sequence[Translation]]:
    """`TrainedModel.translate` under the options.

    Raises:
        ValueError: for replacing the unknown words of a model that has none, or a lexicon that is none.
    """
    if cfg.replace_unknown:
        word_tokenizers(model.system)
    return partial(
        model.translate,
        search=search,
        replace_unknown=cfg.replace_unknown,
        lexicon=None if cfg.lexicon is None else read_lexicon(Path(cfg.lexicon)),
        alignments=method is not None,
        method=method or "auto",
        threshold=cfg.alignments.threshold,
        max_aligned=cfg.alignments.max_length,
    )


def with_prefixes(arriving: Iterable[list[str]], path: Path | None) -> Iterator[tuple[list[str], list[str] | None]]:
    """Each block with the next lines of the file of prefixes, or None without a file; warns of lines left over.

    Raises:
        ValueError: the file has fewer lines.
    """
    if path is None:
        yield from ((texts, None) for texts in arriving)
        return
    prefixes, count = lines(path), 0
    for texts in arriving:
        begun = list(islice(prefixes, len(texts)))
        count += len(begun)
        if len(begun) < len(texts):
            raise ValueError(
                f"prefixes={path} has {count} lines, and the input has more; give a line for each line of the input, "
                "if only an empty one"
            )
        yield texts, begun
    if next(prefixes, None) is not None:
        logger.warning("prefixes=%s has more lines than the input, which has %d", path, count)


@contextmanager
def writing(
    cfg: DictConfig, sink: BinaryIO, method: str | None
) -> Iterator[Callable[[Sequence[Translation], int], None]]:
    """A function that writes a block's translations, and first their links if requested."""
    render, output = FORMATS[cfg.format], cfg.alignments.output
    with nullcontext() if output is None else open(output, "wb") as links:

        def write(translations: Sequence[Translation], before: int) -> None:
            if links is not None:
                links.write("".join(map(as_links, translations)).encode())
                links.flush()
            rendered = [
                render(number, translation, method) for number, translation in enumerate(translations, before + 1)
            ]
            sink.write(for_stdout("".join(rendered)).encode("utf-8", "replace"))
            sink.flush()

        yield write


def method_of_alignments(cfg: DictConfig, model: TrainedModel) -> str | None:
    """How alignments are made; None if nothing shows them.

    Raises:
        ValueError: for a method that is not known, or not the model's.
    """
    if cfg.alignments.method == "none":
        return None
    method = chosen_method(model.system, cfg.alignments.method)
    if cfg.format != "jsonl" and cfg.alignments.output is None:
        return None
    logger.info("alignments are by %s", "attention" if method == "attention" else "gradient saliency")
    return method


def with_progress(arriving: Iterable[list[str]], tally: Tally, source: BinaryIO) -> Iterator[list[str]]:
    """The blocks, with a bar on standard error if that is a terminal, the input a file and the output no terminal."""
    status = os.fstat(source.fileno())
    if not stat.S_ISREG(status.st_mode) or not sys.stderr.isatty() or sys.stdout.isatty():
        yield from arriving
        return
    columns = BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[lines]} lines"), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=status.st_size - os.lseek(source.fileno(), 0, os.SEEK_CUR), lines=0)
        for texts in arriving:
            yield texts
            bars.update(task, completed=tally.read, lines=tally.lines)
