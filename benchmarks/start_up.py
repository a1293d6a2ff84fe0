"""How long a command takes before it does anything: its help page, and one sentence translated by a trained model."""

import argparse
import subprocess
import time
from pathlib import Path

from benchmarks import corpus, rows, tools
from benchmarks.decode import trained
from benchmarks.end_to_end import available, shared_fields
from benchmarks.options import Options, attention, common, trained_on, whole
from benchmarks.rows import Findings
from benchmarks.workers import ROOT, SystemFailed, environment

HELP = {
    "ours": ["-m", "rnnsearch", "--help"],
    "joeynmt": ["-m", "joeynmt", "--help"],
    "opennmt": ["-m", "onmt.bin.train", "--help"],
}


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    common(parser, repeats=5)
    trained_on(parser)
    attention(parser)
    parser.add_argument(
        "--training-updates", type=whole(1), default=60, metavar="N", help="of the models (%(default)s)"
    )


def run(options: Options) -> Findings:
    """Run each command, in turn."""
    data = corpus.prepare(options)
    names, left_out = available(options)
    with rows.progress() as bar:
        folders = trained(names, data, options, bar)
        one = data.folder / "one.txt"
        one.write_text(data.lines("test", "source", 1)[0] + "\n", encoding="utf-8")
        kinds = {
            "start-up: the help page": {name: HELP[name] for name in names},
            "start-up: one sentence translated": {name: _translate(name, folders[name], one, data) for name in names},
        }
        task = bar.add_task("start_up", total=options.repeats * sum(map(len, kinds.values())))
        found = []
        for quantity, commands in kinds.items():
            seconds: dict[str, list[float]] = {name: [] for name in commands}
            for _ in range(options.repeats):
                for name, command in commands.items():
                    seconds[name].append(_seconds([tools.interpreter(name, options), *command], one, options))
                    bar.advance(task)
            shared = shared_fields(options, data, options.training_updates)
            found += rows.make_rows(seconds, quantity=quantity, unit="seconds", **shared)
    return Findings(found, left_out)


def _translate(tool: str, folder: str, source: Path, data: corpus.Corpus) -> list[str]:
    if tool == "ours":
        return ["-m", "rnnsearch", "translate", f'run="{folder}/run"', "checkpoint=last"]
    if tool == "joeynmt":
        return ["-m", "joeynmt", "translate", f"{folder}/config.yaml"]
    [model] = Path(folder).glob("model_step_*.pt")
    return [
        "-m", "onmt.bin.translate", "-model", str(model), "-src", str(source), "-output", f"{folder}/one.txt",
        "-transforms", "sentencepiece", "-src_subword_model", str(data.pieces("source")),
        "-tgt_subword_model", str(data.pieces("target")),
    ]  # fmt: skip


def _seconds(command: list[str], source: Path, options: Options) -> float:
    start = time.perf_counter()
    with source.open() as text:
        done = subprocess.run(command, stdin=text, capture_output=True, cwd=ROOT, env=environment(options.threads))
    seconds = time.perf_counter() - start
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise SystemFailed(f"{' '.join(command[1:4])} ended with code {done.returncode}: {said[-1] if said else ''}")
    return seconds
