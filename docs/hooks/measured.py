"""A line `::measured corpora` becomes a table of what benchmarks/results/corpora.json holds, a column a size."""

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the directive."""
    return markdown.replace("::measured corpora", _table()) if "::measured corpora" in markdown else markdown


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
