"""Studies of every shape, made from a few small records: what was varied, what became of runs, how they are named."""

import json
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

WORDS = (
    ("der alte Mann sieht das Haus .", "the old man sees the house ."),
    ("die Frau läuft .", "the woman runs ."),
    ("Kinder spielen vor dem großen Haus und lachen .", "children play in front of the large house and laugh ."),
    ("经常 农民 听到 它", "often the farmer hears it"),
)
NAMES = (
    *("fixed", "additive", "_mine", "注意力", "ระบบความสนใจ", "انتباه إضافي", "तवज्जो", "a_b^{c}", "$x_{"),
    *("50 % & <b> `c` | ~\\", "#1", "very long " * 12, "长" * 70, "x" * 200, "tab\there", "new\nline", "\u202eabc"),
    *(" ", "e\u0301\u0301", "👩‍👧", "a, b=c"),
)
KINDS: tuple[Any, ...] = (
    [0.001 * n for n in range(1, 41)],
    [10.0**n for n in range(-20, 20)],
    [1, 2, 3, 5, 8, 13, 21, 0, -4],
    [f"word {n}" for n in range(40)],
    [True, False],
    [None, 1, 2.5, "three", True],
    [*NAMES],
    [[0.9, 0.999], [0.8, 0.98]],
    [0.12345678, 0.12345679, 1e-300, 1e300],
)
KEYS = ("optimizer.lr", "model/context", "model.hidden_size", "batches.size")
STATES = ("finished", "failed", "interrupted", "running", "pruned", "missing", "untested", "one update", "unvalidated")
LOSSES = (2.0, 1e-9, 30.0, 1e5, float("nan"), float("inf"), None)


@st.composite
def studies(draw: st.DrawFn, most: int) -> dict[str, Any]:
    """What a study is made of: kind, settings of its members, seeds, states of its runs."""
    kind = draw(st.sampled_from(("comparison", "sweep", "search")))
    members = _named(draw) if kind == "comparison" else _swept(draw, most)
    seeds = [0] if kind == "search" else list(range(draw(st.integers(1, 5 if len(members) < 6 else 2))))
    runs = list(product(members, seeds))
    usual = draw(st.sampled_from((*STATES[:1] * 4, *STATES)))
    odd = draw(st.dictionaries(st.integers(0, len(runs) - 1), st.sampled_from(STATES), max_size=4))
    return {
        "kind": kind,
        "members": members,
        "seeds": seeds,
        "states": [odd.get(place, usual) for place in range(len(runs))],
        "losses": draw(st.lists(st.sampled_from(LOSSES), min_size=1, max_size=3)),
        "quality": draw(st.sampled_from((0.0, 0.4, 0.9, 1.0))),
        "weights": draw(st.booleans()),
    }


def _named(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    return {name: {} for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=9, unique=True))}


def _swept(draw: st.DrawFn, most: int) -> dict[str, dict[str, Any]]:
    count = draw(st.integers(1, 4))
    values = [draw(st.sampled_from(KINDS)) for _ in range(count)]
    sizes = [
        draw(st.integers(1, min(len(of_key), max(2, most // (1 + 3 * place))))) for place, of_key in enumerate(values)
    ]
    points = [*product(*(of_key[:size] for of_key, size in zip(values, sizes, strict=True)))][:most]
    return {
        ", ".join(f"{key.split('.')[-1]}={value}" for key, value in zip(KEYS, point, strict=False)): dict(
            zip(KEYS, point, strict=False)
        )
        for point in points
    }


def write(folder: Path, shape: Mapping[str, Any]) -> Path:
    """Writes a study's folder and returns it."""
    runs = list(product(shape["members"], shape["seeds"]))
    folder.mkdir(parents=True)
    for place, ((member, seed), state) in enumerate(zip(runs, shape["states"], strict=True)):
        if state != "missing":
            _write_run(folder / f"run-{place}", shape, member, seed, place, state)
    description = {
        "format": 1,
        "name": folder.name,
        "kind": shape["kind"],
        "members": [{"name": name, "settings": of_member} for name, of_member in shape["members"].items()],
        "seeds": shape["seeds"],
        "budget": {"updates": 3},
        "match": "none",
        "config_difference": [
            {"key": key, "values": {name: of_member.get(key) for name, of_member in shape["members"].items()}}
            for key in KEYS
        ],
        "search": {"metric": "bleu", "space": {}, "sampler": "tpe"} if shape["kind"] == "search" else None,
        "runs": [
            {"member": member, "seed": seed, "folder": f"run-{place}"} for place, (member, seed) in enumerate(runs)
        ],
    }
    (folder / "study.json").write_text(json.dumps(description), encoding="utf-8")
    return folder


def _write_run(folder: Path, shape: Mapping[str, Any], member: str, seed: int, place: int, state: str) -> None:
    loss = shape["losses"][place % len(shape["losses"])]
    status = "finished" if state in ("untested", "one update", "unvalidated") else state
    point = {"nll": loss, "perplexity": loss, "bleu": 11.0 * shape["quality"] + 0.1 * place, "chrf": 40.0}
    updates = () if state == "unvalidated" else (1,) if state == "one update" else (1, 2, 3)
    curve = [{"update": update, "tokens_seen": 90 * update, **point} for update in updates]
    test = {"bleu": 30.0 * shape["quality"], "chrf": 40.0, "ter": 50.0, "nll": loss, "perplexity": loss, "aer": None}
    tested = status == "finished" and state != "untested" and shape["kind"] != "search"
    record = {
        "format": 1,
        "member": member,
        "seed": seed,
        "status": status,
        "error": {"type": "Diverged", "message": "the loss became NaN", "traceback": "…"}
        if state == "failed"
        else None,
        "parameters": 1000 + 10 * place,
        "flops_per_token": 5.0,
        "training_seconds": 0.0 if place % 2 else 2.5,
        "seconds": 3.0,
        "updates": 3,
        "tokens_seen": 270 + place % 2,
        "results": {
            "curves": {"train": [], "validation": curve},
            "metrics": {
                "validation": curve[-1] if curve and status == "finished" else None,
                "test": test if tested else None,
            },
        },
    }
    folder.mkdir()
    (folder / "record.json").write_text(json.dumps(record), encoding="utf-8")
    if shape["kind"] == "search":
        trial = {"number": place, "parameters": shape["members"][member]}
        (folder / "job.json").write_text(json.dumps({"format": 1, "trial": trial, "attempts": []}), encoding="utf-8")
    if tested:
        _write_translations(folder, shape, loss, seed)


def _write_translations(folder: Path, shape: Mapping[str, Any], loss: float | None, seed: int) -> None:
    rows = [
        {
            "source": source,
            "reference": reference,
            "hypothesis": " ".join(reference.split()[: round(shape["quality"] * (len(reference.split()) - seed % 2))]),
            "source_words": len(source.split()),
            "tokens": len(reference.split()),
            "nll": loss,
            "gold": None,
            "links": None,
        }
        for source, reference in WORDS
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "translations.test.jsonl").write_text(lines, encoding="utf-8")
    entries = [
        {
            "index": index,
            "source_pieces": [*(f"▁{word}" for word in row["source"].split()), "</s>"],
            "target_pieces": [*(f"▁{word}" for word in row["reference"].split()), "</s>"],
            "weights": [[0.1] * (len(row["source"].split()) + 1)] * (len(row["reference"].split()) + 1),
        }
        for index, row in enumerate(rows)
    ]
    if shape["weights"]:
        (folder / "alignments.test.json").write_text(json.dumps(entries), encoding="utf-8")
