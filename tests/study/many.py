"""A made-up sweep of sixteen members and a made-up search, on top of the made-up study of the conftest."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from rnnsearch.study.folder import Study
from rnnsearch.study.statistics import Comparison, compare

ATTENTION, HIDDEN = (16, 32, 64, 128), (64, 128, 256, 512)
TRACEBACK = 'Traceback (most recent call last):\n  File "module.py", line 81, in training_step\nValueError: loss is nan'


def comparison_of(study: Study, *, resamples: int) -> Comparison:
    """Of a study that has one."""
    comparison = compare(study, resamples=resamples)
    assert comparison is not None
    return comparison


def change_rows(run: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change each of a run's translations in place."""
    path = run / "translations.test.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        change(row)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def grid_members() -> dict[str, dict[str, Any]]:
    """Labels and settings of a grid of attention and hidden sizes."""
    return {
        f"attention_size={attention}, hidden_size={hidden}": {
            "model.context.attention_size": attention,
            "model.hidden_size": hidden,
        }
        for hidden, attention in product(HIDDEN, ATTENTION)
    }


def write_sweep(
    make_study: Callable[..., Path],
    folder: Path,
    *,
    seeds: Sequence[int] = (0, 1),
    sentences: int = 60,
    members: Mapping[str, Mapping[str, Any]] | None = None,
) -> Path:
    """Sixteen members, each with its size, time and score; the last run failed, the one before was interrupted."""
    settings = members or grid_members()
    make_study(folder, members=tuple(settings), seeds=seeds, sentences=sentences, matrices=2)
    description = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    for place, entry in enumerate(description["members"]):
        entry["settings"] = dict(settings[entry["name"]])
        for seed in seeds:
            _resize(folder / f"{entry['name']}-seed{seed}" / "record.json", entry["settings"], place, seed)
    description |= {
        "kind": "sweep",
        "tuning": None,
        "match": "none",
        "protocol": {
            "question": "Do larger attention and hidden sizes pay at equal tokens?",
            "expectation": "Hidden size does, attention size hardly.",
            "varies": "attention size and hidden size",
            "held_equal": "data, tokenizer, order of batches, tokens",
            "metric": "bleu",
            "baseline": None,
            "comparisons": None,
        },
        "config_difference": [
            {"key": key, "values": {name: of_member.get(key) for name, of_member in settings.items()}}
            for key in dict.fromkeys(key for of_member in settings.values() for key in of_member)
        ],
    }
    (folder / "study.json").write_text(json.dumps(description), encoding="utf-8")
    return folder


def stop_runs(folder: Path) -> None:
    """Makes the last member's last two runs one that failed and one that was interrupted."""
    description = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    for run, status in zip(description["runs"][-2:], ("failed", "interrupted"), strict=True):
        path = folder / run["folder"] / "record.json"
        record = json.loads(path.read_text(encoding="utf-8"))
        error = {"type": "ValueError", "message": "loss is nan", "traceback": TRACEBACK} if status == "failed" else None
        record["results"]["curves"]["validation"] = record["results"]["curves"]["validation"][:4]
        record["results"]["metrics"] = {}
        path.write_text(json.dumps(record | {"status": status, "error": error}), encoding="utf-8")


def write_search(make_study: Callable[..., Path], folder: Path, *, trials: int = 12) -> Path:
    """A search over rate, dropout and cell; every fifth trial pruned, one failed without a validation."""
    rates = [10 ** (-4 + 2 * ((7 * n) % trials) / (trials - 1)) for n in range(trials)]
    settings = {
        f"lr={rate:.3g}, dropout={0.1 * (n % 5):.1f}, cell={'gru' if n % 3 else 'gated'}": {
            "optimizer.lr": rate,
            "model.dropout": round(0.1 * (n % 5), 1),
            "model/cell": "gru" if n % 3 else "gated",
        }
        for n, rate in enumerate(rates)
    }
    write_sweep(make_study, folder, seeds=(0,), sentences=12, members=settings)
    description = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    space = {"optimizer.lr": {"low": 1e-4, "high": 1e-2, "log": True}, "model.dropout": {"low": 0.0, "high": 0.4}}
    space["model/cell"] = {"choices": ["gru", "gated"]}
    search = {"sampler": "tpe", "space": space, "metric": "bleu", "direction": "maximize", "trials": trials}
    (folder / "study.json").write_text(json.dumps(description | {"kind": "search", "search": search}), encoding="utf-8")
    for number, run in enumerate(description["runs"]):
        _try(folder / run["folder"], number, settings[run["member"]])
    return folder


def _resize(path: Path, settings: Mapping[str, Any], place: int, seed: int) -> None:
    record = json.loads(path.read_text(encoding="utf-8"))
    hidden, attention = settings.get("model.hidden_size", 128), settings.get("model.context.attention_size", 32)
    record["parameters"] = 3000 * hidden + 900 * attention + 100_000
    record["training_seconds"] = 60 + 0.9 * hidden + 0.2 * attention + 7 * seed
    record["tokens_seen"] = 5_400_000 + 1000 * seed
    offset = (
        5 * math.log2(hidden / 64) - 0.9 * math.log2(hidden / 64) ** 2 + 0.3 * math.log2(attention / 16) + 0.5 * seed
    )
    for point in record["results"]["curves"]["validation"]:
        point["bleu"] = (30 + offset) * (1 - math.exp(-point["update"] / (1200 + 100 * place)))
        point["nll"] = 4.0 - 0.06 * offset + 3 * math.exp(-point["update"] / 900)
    record["results"]["metrics"]["test"]["bleu"] = 30 + offset
    path.write_text(json.dumps(record), encoding="utf-8")


def _try(folder: Path, number: int, settings: Mapping[str, Any]) -> None:
    state = "failed" if number == 7 else "pruned" if number % 5 == 4 else "finished"
    value = 34 - 6 * abs(math.log10(settings["optimizer.lr"] / 2e-3)) ** 2 - 8 * (settings["model.dropout"] - 0.2) ** 2
    record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    kept = {"finished": 12, "pruned": 3, "failed": 0}[state]
    curve = record["results"]["curves"]["validation"][:kept]
    for point in curve:
        point["bleu"] = (value + (settings["model/cell"] == "gru")) * (1 - math.exp(-point["update"] / 1500))
    metrics = {"validation": curve[-1]} if state == "finished" else {}
    record |= {"status": state, "results": {**record["results"], "metrics": metrics}}
    record["results"]["curves"]["validation"] = curve
    if state == "failed":
        record["error"] = {"type": "OutOfMemoryError", "message": "out of memory", "traceback": TRACEBACK}
    (folder / "record.json").write_text(json.dumps(record), encoding="utf-8")
    job = {"format": 1, "trial": {"number": number, "parameters": dict(settings)}, "attempts": []}
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
