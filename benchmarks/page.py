"""Pages from JSON files, a folder of them for each processor: README.md with tables, figures, machine, date, versions.

The page above the processors' has every comparison in one table, a column a processor.
"""

import argparse
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks import plots, rows
from benchmarks.options import Options, folder

Document = Mapping[str, Any]

TITLES = {
    "training_step": "Training step",
    "training_step_bfloat16": "Training step in bfloat16",
    "training_step_current": "Training step, Luong's order",
    "training_step_tiny": "Training step, small end",
    "end_to_end": "Training, end to end",
    "end_to_end_bfloat16": "Training in bfloat16, end to end",
    "memory": "Memory of a training step",
    "decode": "Translation",
    "decode_bfloat16": "Translation in bfloat16",
    "lengths": "The price of recurrence",
    "rungs": "From the paper's decoder to the Transformer",
    "start_up": "Start-up",
    "sweep": "Sweeps",
}
CURVES = {"training_step", "memory", "lengths", "rungs"}


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--results", type=folder, required=True, metavar="FOLDER", help="where the JSON files are")


def run(options: Options) -> None:
    """Write the page, and say where it is."""
    print(f"written: {write(options.results)}")


def write(results: Path) -> Path:
    """The page's path, after it, the processors' pages and their figures are written.

    Raises:
        ValueError: the folder holds no results.
    """
    processors = {path.name: found for path in sorted(results.iterdir()) if path.is_dir() and (found := read(path))}
    if not processors:
        raise ValueError(f"{results} holds no results; a command writes them with --json {results}/PROCESSOR/NAME.json")
    for folder_name, documents in processors.items():
        for name, document in documents.items():
            for stem, figure in figures(name, document):
                figure.savefig(results / folder_name / f"{stem}.png", dpi=120, metadata={"Software": None})
        (results / folder_name / "README.md").write_text(text(documents), encoding="utf-8")
    page = results / "README.md"
    page.write_text(overview(processors), encoding="utf-8")
    return page


def folder_of(machine: Mapping[str, Any]) -> str:
    """The folder of a processor's results, after its name, family and model."""
    words = [machine["cpu"], *map(str, machine.get("cpu_family", []))]
    return "_".join(re.findall("[a-z0-9]+", " ".join(words).lower())) or "unknown"


def overview(processors: Mapping[str, Mapping[str, Document]]) -> str:
    """The page of all processors in Markdown."""
    parts = ["# Measured side by side", "One page a processor:"]
    lines = []
    for name, documents in processors.items():
        dates = sorted({document["date"] for document in documents.values()})
        commits = dict.fromkeys(document["git"]["commit"][:12] for document in documents.values() if document["git"])
        machine = next(iter(documents.values()))["machine"]
        shown = (_processor(machine), f"{machine['cores']}", " to ".join(dict.fromkeys((dates[0], dates[-1]))))
        lines.append([f"[{name}]({name}/README.md)", *shown, ", ".join(commits)])
    parts.append(_markdown(("page", "processor", "cores", "measured", "commits"), lines))
    parts += ["## Ours is better by", "Medians of the ratios within each round; below 1 the other is ahead."]
    compared: dict[tuple[str, str], dict[str, str]] = {}
    for processor, documents in processors.items():
        for name, document in documents.items():
            for what, against, better, *_ in _comparisons(name, document):
                compared.setdefault((what, against), {})[processor] = better
    rows_ = [[*point, *(found.get(name, "") for name in processors)] for point, found in compared.items()]
    return "\n\n".join([*parts, _markdown(("what", "against", *processors), rows_)]) + "\n"


def _processor(machine: Mapping[str, Any]) -> str:
    family, instructions = machine.get("cpu_family"), machine.get("instructions")
    more = [f"family {family[0]}, model {family[1]}"] if family else []
    return f"{machine['cpu']}" + "".join(f"; {part}" for part in [*more, " ".join(instructions or [])] if part)


def read(results: Path) -> dict[str, Document]:
    """The documents that a page has, by the names of their files, in its order."""
    paths = {name: path for name in TITLES if (path := results / f"{name}.json").is_file()}
    found = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in paths.items()}
    return {name: document for name, document in found.items() if document.get("rows")}


def figures(name: str, document: Document) -> Iterator[tuple[str, Figure]]:
    """File stems and figures of one document, one a quantity."""
    for stem, quantity, several in _quantities(name, document):
        is_one = name == "rungs" and len({(row["length"], row["sizes"]["batch"]) for row in several}) == 1
        if document["benchmark"] not in CURVES or several[0]["length"] is None or is_one:
            yield stem, plots.bars(several, title=_capital(quantity))
            continue
        over = "batch" if len({row["sizes"]["batch"] for row in several}) > 1 else "length"
        title = f"{_capital(quantity)} ({several[0]['sizes']['model']})"
        yield stem, plots.curves(several, over=over, title=title, logarithmic=document["benchmark"] == "lengths")


def _capital(quantity: str) -> str:
    return quantity[0].upper() + quantity[1:]


def _quantities(name: str, document: Document) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    """File stem, quantity and rows."""
    quantities = dict.fromkeys(row["quantity"] for row in document["rows"])
    for number, quantity in enumerate(quantities, 1):
        stem = name if len(quantities) == 1 else f"{name}_{number}"
        yield stem, quantity, [row for row in document["rows"] if row["quantity"] == quantity]


def text(documents: Mapping[str, Document]) -> str:
    """The page in Markdown."""
    parts = ["# Measured side by side", INTRODUCTION, _conditions(documents), "## In one table", _summary(documents)]
    for name, document in documents.items():
        parts += [f"## {TITLES[name]}", f"`{_command(document)}`", *_corpus(document)]
        for stem, quantity, several in _quantities(name, document):
            parts += [f"**{_capital(quantity)}**", _table(several), f"![{quantity}]({stem}.png)"]
        parts += _left_out(document)
    return "\n\n".join(parts) + "\n"


INTRODUCTION = """Made by `make bench` from the JSON files in this folder, never by hand. Systems take turns, each alone
in its own process; figures are medians over the rounds, in brackets or after them the lowest and the highest. "Ours is
better by" is the median of the ratios within each round. Operations are what a system's own matrices need for a target
token; the peak is a 2048³ product of the same type and threads, measured in the same rounds, by the faster of the two
libraries that torch brings (oneDNN and, torch's own choice, MKL on a CPU)."""


def _conditions(documents: Mapping[str, Document]) -> str:
    first = next(iter(documents.values()))
    machine = first["machine"]
    dates = sorted({document["date"] for document in documents.values()})
    gpus = ", ".join(machine["gpus"]) or "none"
    lines = [
        f"Date: {' to '.join(dict.fromkeys((dates[0], dates[-1])))}",
        f"Processor: {_processor(machine)}, {machine['cores']} cores; GPU: {gpus}; {machine['system']}",
        "Versions: " + ", ".join(f"{name} {version}" for name, version in first["versions"].items()),
    ]
    by_commit: dict[str, list[str]] = {}
    for name, document in documents.items():
        if git := document["git"]:
            commit = f"{git['commit'][:12]}{' with changes' if git['dirty'] else ''}"
            by_commit.setdefault(commit, []).append(TITLES[name])
    lines += [f"Commit {commit}: {', '.join(titles)}" for commit, titles in by_commit.items()]
    return "\n".join(f"- {line}" for line in lines)


def _summary(documents: Mapping[str, Document]) -> str:
    """Every comparison with another system, a line each."""
    head = ("what", "against", "ours is better by", "lowest to highest", "our share of the peak", "of torch's product")
    lines = [line for name, document in documents.items() for line in _comparisons(name, document)]
    return _markdown(head, lines) if lines else "Nothing was compared."


def _comparisons(name: str, document: Document) -> Iterator[list[str]]:
    """Those of one document."""
    for row in document["rows"]:
        if row["system"] not in (rows.OURS, "products_at_once") and row["ours_is_better_by"] is not None:
            yield _compared(TITLES[name], row, document)


def _compared(title: str, row: Mapping[str, Any], document: Document) -> list[str]:
    point = "" if row["length"] is None else f", {row['length']} words"
    point += f" ({row['sizes']['batch']} a batch)" if "batch" in row["sizes"] else ""
    same = [
        other for other in document["rows"] if other["quantity"] == row["quantity"] and other["system"] == rows.OURS
    ]
    ours = [other for other in same if other["length"] == row["length"] and other["sizes"] == row["sizes"]]
    low, high = row["ours_is_better_by_spread"]
    return [
        f"{title}: {row['quantity']}{point}",
        plots.name_of(row["system"]),
        f"{row['ours_is_better_by']:.2f}×",
        f"{low:.2f}–{high:.2f}",
        _percent(ours, "share_of_peak"),
        _percent(ours, "share_of_torch_product"),
    ]


def _percent(found: Sequence[Mapping[str, Any]], key: str) -> str:
    return f"{found[0][key]:.0%}" if found and found[0][key] is not None else ""


def _table(several: Sequence[Mapping[str, Any]]) -> str:
    return _markdown(rows.COLUMNS, [rows.cells(rows.Row(**row)) for row in several])


def _markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    shown = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in shown)


def _corpus(document: Document) -> list[str]:
    return [f"Corpus: {one}." for one in {row["sizes"].get("corpus"): None for row in document["rows"]} if one]


def _left_out(document: Document) -> list[str]:
    return [f"Left out: {one['system']} ({one['reason']})." for one in document["left_out"]]


def _command(document: Document) -> str:
    """The command, its options as they were."""
    words = ["python -m benchmarks", document["benchmark"]]
    for key, value in document["options"].items():
        if key == "command" or value is None or value is False:
            continue
        shown = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        words.append(f"--{key.replace('_', '-')}" + ("" if value is True else f" {shown}"))
    return " ".join(words)
