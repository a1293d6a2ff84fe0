"""Figures that nobody types.

A line `::measured corpora` becomes a table of what benchmarks/results/amd_epyc/corpora.json holds, a column a size;
a line `::derived wmt14` becomes what `python -m benchmarks wmt14` prints.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "amd_epyc"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the directives."""
    for directive, make in (("::measured corpora", _table), ("::derived wmt14", _derived)):
        if directive in markdown:
            markdown = markdown.replace(directive, make())
    return markdown


def _derived() -> str:
    command = [sys.executable, "-m", "benchmarks", "wmt14"]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout.strip()


def _table() -> str:
    found = json.loads((RESULTS / "corpora.json").read_text(encoding="utf-8"))
    rows: dict[str, dict[int, str]] = {}
    for row in found["rows"]:
        pairs, digits = row["sizes"]["pairs"], 1 if row["unit"] == "seconds" else 0
        rows.setdefault(f"{row['quantity']}, {row['unit']}", {})[pairs] = f"{row['value']:,.{digits}f}"
        batches = "batches alone, streamed" if row["quantity"].startswith("stream") else "batches alone"
        for key, name in (("pipeline_tokens_per_second", batches), ("tokens_per_second", "training")):
            if key in row["details"]:
                rows.setdefault(f"{name}, target tokens a second", {})[pairs] = f"{row['details'][key]:,.0f}"
    sizes = sorted({row["sizes"]["pairs"] for row in found["rows"]})
    lines = [["pairs", *(f"{size:,}" for size in sizes)], ["---", *("--:" for _ in sizes)]]
    lines += [[name, *(values[size] for size in sizes)] for name, values in rows.items()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
