"""Collects what `rnnsearch evaluate` printed: results.json and table.md, and the runs' records in runs.jsonl.

README.md has the commands that print it.
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rnnsearch.records.json_files import write_json, write_lines, write_text
from rnnsearch.records.run_record import read_values
from rnnsearch.study.local_paths import published

HERE = Path(__file__).parent
CORPORA = ("multi30k", "greek_english")
KEPT = ("weights_sha256", "search", "sentences", "nll", "bleu", "chrf", "attention_at_test_time", "agreement")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for corpus in CORPORA:
        parser.add_argument(
            f"--{corpus.replace('_', '-')}",
            dest=corpus,
            nargs="+",
            type=Path,
            required=True,
            help="one of each seed",
        )
    options = vars(parser.parse_args())
    printed = {corpus: [json.loads(path.read_text(encoding="utf-8")) for path in options[corpus]] for corpus in CORPORA}
    records = [read_values(Path(one["run"])) for of_corpus in printed.values() for one in of_corpus]
    results = {corpus: [{key: one[key] for key in KEPT} for one in of_corpus] for corpus, of_corpus in printed.items()}
    write_json(HERE / "results.json", published(results))
    write_lines(HERE / "runs.jsonl", [published(record) for record in records])
    write_text(HERE / "table.md", "".join(f"{line}\n" for line in table(results)))


def table(results: Mapping[str, list[dict[str, Any]]]) -> Iterator[str]:
    """A row for each condition, a column for each seed of each corpus and measure."""
    seeds = [(corpus, k) for corpus in CORPORA for k in range(len(results[corpus]))]
    yield "| weights | " + " | ".join(f"{corpus}, seed {k}: nats | BLEU" for corpus, k in seeds) + " |"
    yield "|:--|" + "--:|--:|" * len(seeds)
    rows = {"learned": [f"{results[corpus][k]['nll']:.3f} | {results[corpus][k]['bleu']:.1f}" for corpus, k in seeds]}
    for name in results[CORPORA[0]][0]["attention_at_test_time"]["conditions"]:
        rows[name] = [_shift(results[corpus][k]["attention_at_test_time"]["conditions"][name]) for corpus, k in seeds]
    for name, cells in rows.items():
        yield f"| {name} | " + " | ".join(cells) + " |"


def _shift(condition: Mapping[str, Any]) -> str:
    """How far a condition is from the learnt weights, with its interval."""
    cells = []
    for measure, digits in (("nll", 3), ("bleu", 1)):
        if (one := condition.get(measure)) is None:
            cells.append("")
            continue
        low, high = one["interval"]
        cells.append(f"{one['difference']:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]")
    return " | ".join(cells)


if __name__ == "__main__":
    main()
