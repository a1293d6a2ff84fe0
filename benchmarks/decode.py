"""Beam search by trained models: raw text in, raw text out, tokenisation included, loading left out.

All translations of all systems have the same number of tokens, so that none gains by stopping early; batches of 64
sentences, one thread unless told otherwise. The models are trained briefly on first use and kept under
outputs/benchmarks: at a forced length their quality does not change the work.
"""

import argparse
from collections.abc import Mapping
from contextlib import ExitStack
from typing import cast

from rich.progress import Progress

from benchmarks import corpus, rows, tools
from benchmarks.decode_worker import SEARCH_BATCH
from benchmarks.end_to_end import MODULES, ask_operations, available, mean_lengths, shared_fields
from benchmarks.options import Options, attention, common, trained_on, whole
from benchmarks.peak import Peak
from benchmarks.rows import Findings, LeftOut
from benchmarks.systems import SINGLE
from benchmarks.workers import SystemFailed, Worker, start


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    common(parser, repeats=3, threads=1)
    trained_on(parser, low=True)
    attention(parser)
    parser.add_argument("--sentences", type=whole(1), default=200, metavar="N", help="of the test split (%(default)s)")
    parser.add_argument("--beam", type=whole(1), default=5, metavar="K", help="width of the search (%(default)s)")
    parser.add_argument(
        "--length", type=whole(1), default=15, metavar="N", help="tokens of a translation (%(default)s)"
    )
    parser.add_argument(
        "--training-updates", type=whole(1), default=60, metavar="N", help="of the models (%(default)s)"
    )


def run(options: Options) -> Findings:
    """Translate with each tool, in turn."""
    data = corpus.prepare(options)
    texts = data.lines("test", "source", options.sentences)
    names, left_out = available(options)
    with ExitStack() as stack, rows.progress() as bar:
        folders = trained(names, data, options, bar)
        peak = stack.enter_context(Peak(options))
        workers = _loaded(folders, texts, data, options, stack, left_out)
        answers: dict[str, list[Mapping[str, float]]] = {name: [] for name in workers}
        task = bar.add_task("decode", total=options.repeats)
        for _ in range(options.repeats):
            peak.measure()
            for name, worker in workers.items():
                answers[name].append(worker.ask("run"))
            bar.advance(task)
    _check(answers, options)
    return Findings(_rows(answers, peak, data, options), left_out)


def _check(answers: Mapping[str, list[Mapping[str, float]]], options: Options) -> None:
    """Refuse a comparison of translations of different lengths.

    Raises:
        SystemFailed: a system wrote more or fewer tokens than asked.
    """
    wanted = options.sentences * options.length
    for name, several in answers.items():
        if any(one["tokens"] != wanted for one in several):
            wrote = several[0]["tokens"]
            raise SystemFailed(f"{name} wrote {wrote} tokens, not {wanted}: its search did not keep the forced length")


def trained(names: list[str], data: corpus.Corpus, options: Options, bar: Progress) -> dict[str, str]:
    """The folder of each tool's model, trained now in float32 where it is not there."""
    single = argparse.Namespace(**{**vars(options), "dtype": "float32"})
    folders = {}
    for name in names:
        tool = name.removesuffix(SINGLE)
        folder = data.folder / f"trained-{options.training_updates}-{options.opennmt_attention}" / tool
        if not (folder / "marks.json").is_file():
            task = bar.add_task(f"training {tool}", total=1)
            tools.train(tool, data, folder, options.training_updates, cast(Options, single))
            bar.advance(task)
        folders[name] = str(folder)
    return folders


def _loaded(
    folders: dict[str, str],
    texts: list[str],
    data: corpus.Corpus,
    options: Options,
    stack: ExitStack,
    left_out: list[LeftOut],
) -> dict[str, Worker]:
    """A worker for each tool, its model loaded and warm."""
    source = data.folder / f"decode-{len(texts)}.txt"
    source.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    workers = {}
    for name, folder in folders.items():
        tool = name.removesuffix(SINGLE)
        python = tools.interpreter(tool, options)
        worker = stack.enter_context(Worker("benchmarks.decode_worker", python=python, threads=options.threads))
        try:
            worker.ask(
                "load", tool=tool, threads=options.threads, folder=folder, texts=texts, source=str(source),
                target=f"{folder}/{name}.txt", beam=options.beam,
                low=options.dtype == "bfloat16" and name == tool, length=options.length, device=options.device,
                pieces={side: str(data.pieces(side)) for side in corpus.SIDES},
            )  # fmt: skip
            workers[name] = worker
        except SystemFailed as error:
            if tool == "ours":
                raise
            left_out.append(LeftOut(name, str(error)))
    return workers


def _rows(
    answers: Mapping[str, list[Mapping[str, float]]], peak: Peak, data: corpus.Corpus, options: Options
) -> list[rows.Row]:
    shared = shared_fields(options, data, options.training_updates) | {"length": options.length, "unit": "seconds"}
    shared["sizes"] = {**shared["sizes"], "batch": SEARCH_BATCH, "beam": options.beam}
    source, _ = mean_lengths(data)
    tokens = {name: several[0]["tokens"] for name, several in answers.items()}
    details = {
        name: {"sentences": several[0]["sentences"], "tokens": tokens[name], "first": several[0]["first"]}
        for name, several in answers.items()
    }
    wall = {name: [one["seconds"] for one in several] for name, several in answers.items()}
    processor = {name: [one["processor"] for one in several] for name, several in answers.items()}
    return [
        *rows.make_rows(
            wall,
            operations={name: _operations(name, source, data, options) for name in answers},
            tokens=tokens,
            peak=peak,
            details=details,
            quantity=f"beam {options.beam}, {options.sentences} sentences",
            **shared,
        ),
        *rows.make_rows(processor, quantity="processor time of it", **shared),
    ]


def _operations(tool: str, source: int, data: corpus.Corpus, options: Options) -> float:
    """Operations of writing a token: the encoder and keys once a sentence, the decoder for each hypothesis.

    Training's operations times T are linear in S, T and S T; four values give the parts.
    """
    with start(MODULES[tool.removesuffix(SINGLE)], tools.sizes_on(data), options) as worker:
        at = {(s, t): t * ask_operations(worker, s, t) / 3 for s in (1, 2) for t in (1, 2)}
    per_pair = at[2, 2] - at[2, 1] - at[1, 2] + at[1, 1]
    per_source = at[2, 1] - at[1, 1] - per_pair
    per_target = at[1, 2] - at[1, 1] - per_pair
    once = at[1, 1] - per_source - per_target - per_pair
    hypotheses = options.beam * (per_target + source * per_pair)
    return hypotheses + (source * per_source + once) / options.length
