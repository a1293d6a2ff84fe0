"""A made-up but realistic study folder: German captions to English, a fixed context that fades with length."""

import json
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.once import made_once
from tests.study.many import stop_runs, write_sweep

from rnnsearch.evaluation.corpus_scores import (
    bleu_from_statistics,
    bleu_statistics,
    chrf_from_statistics,
    chrf_statistics,
)
from rnnsearch.evaluation.length import by_length
from rnnsearch.study import drawers, drawing
from rnnsearch.study.report import Written, write_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser

LEXICON = [
    ("Ein", "A"), ("Mann", "man"), ("Frau", "woman"), ("großer", "large"), ("Hund", "dog"), ("läuft", "runs"),
    ("über", "across"), ("die", "the"), ("grüne", "green"), ("Wiese", "meadow"), ("und", "and"), ("sieht", "sees"),
    ("einen", "a"), ("Straßenmusikanten", "street musician"), ("mit", "with"), ("roten", "red"), ("Hut", "hat"),
    ("während", "while"), ("Kinder", "children"), ("spielen", "play"), ("Überraschung", "surprise"), ("vor", "before"),
    ("dem", "the"), ("Haus", "house"), ("schönen", "beautiful"), ("Fahrrad", "bicycle"), ("neben", "beside"),
]  # fmt: skip
SLOPES = {0: 0.035, 1: 0.004}  # errors a source word, by place among the members


def _pairs(sentences: int, generator: random.Random) -> list[tuple[str, str, str]]:
    pairs = []
    for _ in range(sentences):
        words = [generator.choice(LEXICON) for _ in range(min(40, max(3, int(generator.gammavariate(5, 2.7)))))]
        source = " ".join(german for german, _ in words) + " ."
        links, target = [], []
        for place, (_, english) in enumerate(words):
            for piece in english.split():
                links.append(f"{place}-{len(target)}")
                target.append(piece)
        pairs.append((source, " ".join(target) + ".", " ".join(links)))
    return pairs


def _translate(reference: str, words: int, slope: float, generator: random.Random) -> str:
    wrong = 0.12 + slope * words
    english = [english for _, english in LEXICON]
    kept = [generator.choice(english) if generator.random() < wrong else word for word in reference.split()]
    return " ".join(kept)


def _rows(pairs: Sequence[tuple[str, str, str]], place: int, seed: int, *, weights: bool) -> list[dict[str, Any]]:
    generator = random.Random(f"{place} {seed}")
    slope = SLOPES.get(place, 0.015) + generator.uniform(-0.002, 0.002)
    rows = []
    for index, (source, reference, gold) in enumerate(pairs):
        words, tokens = len(source.split(" ")), len(reference.split()) + 2
        links = " ".join(link for link in gold.split() if generator.random() > 0.2) if weights else None
        rows.append(
            {
                "index": index,
                "line": index + 1,
                "source": source,
                "reference": reference,
                "hypothesis": _translate(reference, words, slope, generator),
                "score": -generator.random() * words,
                "nll": tokens * (0.8 + 6 * slope + generator.uniform(-0.2, 0.2)),
                "tokens": tokens,
                "source_words": words,
                "gold": gold,
                "links": links,
                "attention": _attention_sums(words, tokens) if weights else None,
            }
        )
    return rows


def _attention_sums(words: int, tokens: int) -> dict[str, Any]:
    targets = {"entropy": 0.123456 * tokens, "diagonality": 0.8 * tokens, "targets": tokens}
    return targets | {"coverage": 0.77777 * words, "sources": words}


def _attention(pairs: Sequence[tuple[str, str, str]]) -> list[dict[str, Any]]:
    generator, entries = np.random.default_rng(0), []
    for index, (source, reference, _) in enumerate(pairs):
        pieces = [[f"▁{word[:5]}", *([word[5:]] if word[5:] else [])] for word in source.split()]
        source_pieces = [piece for word in pieces for piece in word] + ["</s>"]
        target_pieces = [f"▁{word}" for word in reference.split()] + ["</s>"]
        rows, columns = np.mgrid[0 : len(target_pieces), 0 : len(source_pieces)]
        energy = -2 * np.abs(rows / len(target_pieces) - columns / len(source_pieces)) * len(source_pieces)
        weights = np.exp(energy + generator.normal(0, 0.7, energy.shape))
        weights /= weights.sum(axis=1, keepdims=True)
        entries.append(
            {
                "index": index,
                "source_pieces": source_pieces,
                "target_pieces": target_pieces,
                "weights": weights.round(5).tolist(),
            }
        )
    return entries


def _record(member: str, place: int, seed: int, rows: list[dict[str, Any]]) -> dict[str, Any]:
    nll = sum(row["nll"] for row in rows) / sum(row["tokens"] for row in rows)
    texts = [row["hypothesis"] for row in rows], [row["reference"] for row in rows]
    test: dict[str, Any] = {
        "bleu": bleu_from_statistics(bleu_statistics(*texts).sum(axis=0)),
        "bleu_signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
        "chrf": chrf_from_statistics(chrf_statistics(*texts).sum(axis=0)),
        "chrf_signature": "nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2.6.0",
        "ter": 63.25 - 40.5 * place + 0.75 * seed,  # made up: counting it takes seconds
        "ter_signature": "nrefs:1|case:lc|tok:tercom|norm:no|punct:yes|asian:no|version:2.6.0",
    }
    test |= {"sentences": len(rows), "nll": nll, "perplexity": float(np.exp(nll)), "aer": None if place == 0 else 0.11}
    validation = [
        {
            "update": update,
            "tokens_seen": update * 900,
            "nll": nll + 3 * np.exp(-update / 900) + 0.01 * seed,
            "perplexity": float(np.exp(nll + 3 * np.exp(-update / 900))),
            "bleu": test["bleu"] * (1 - np.exp(-update / 1500)) + 0.2 * seed,
            "chrf": 40.0,
        }
        for update in range(500, 6001, 500)
    ]
    return {
        "format": 1,
        "id": f"{member}-{seed}",
        "name": "captions",
        "member": member,
        "status": "finished",
        "error": None,
        "started": "2025-03-01T10:00:00+00:00",
        "ended": "2025-03-01T10:21:00+00:00",
        "command": ["rnnsearch", "compare", "data=multi30k", "study=captions"],
        "config_hash": f"{place}f3a9c11",
        "seed": seed,
        "parameters": 5_212_000 + 9_000 * place,
        "parameters_without_embeddings": 2_140_000 + 9_000 * place,
        "flops_per_token": 4.3e6 + 1.1e6 * place,
        "git": {"commit": "c0ffee" * 6 + "abcd", "dirty": False},
        "versions": {"python": "3.11.7", "torch": "2.13.0+cpu", "sacrebleu": "2.6.0"},
        "hardware": {"cpu": "AMD EPYC 7B13", "cores": 2, "threads": 1, "gpu": None},
        "data": {
            "name": "multi30k",
            "source_language": "de",
            "target_language": "en",
            "pairs": {"train": 29000, "test": len(rows)},
            "checksums": {"train.de.gz": "726e39b2" * 8, "train.en.gz": "d79cfa99" * 8},
            "padding_share": 0.03,
        },
        "filters": {"train": {"read": 29000, "too_long": 12, "kept": 28988}},
        "tokenizer": {side: {"size": 6000, "checksum": "ab12cd34" * 8} for side in ("source", "target")},
        "updates": 6000,
        "tokens_seen": 5_400_000,
        "seconds": 1260.0 + 300 * place + seed,
        "tokens_per_second": 4285.7,
        "peak_memory_bytes": 1_250_000_000,
        "results": {
            "curves": {"train": [], "validation": validation},
            "metrics": {
                "validation": {
                    "nll": nll,
                    "perplexity": float(np.exp(nll)),
                    "bleu": test["bleu"],
                    "chrf": test["chrf"],
                },
                "test": test | {"by_length": by_length(rows)},
            },
            "weights_sha256": f"{place}{seed}" * 32,
        },
    }


def _write_run(
    folder: Path, record: dict[str, Any], rows: list[dict[str, Any]], attention: list[dict[str, Any]]
) -> None:
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "translations.test.jsonl").write_text(lines, encoding="utf-8")
    if attention:
        (folder / "alignments.test.json").write_text(json.dumps(attention, ensure_ascii=False), encoding="utf-8")


def _description(members: Sequence[str], seeds: Sequence[int]) -> dict[str, Any]:
    trials = [
        {"member": member, "learning_rate": rate, "nll": 2.9 - 0.2 * place + abs(rate - 1e-3) * 90}
        for place, member in enumerate(members)
        for rate in (5e-4, 1e-3, 2e-3)
    ]
    return {
        "format": 1,
        "name": "captions",
        "question": "Does attention help where sentences are long?",
        "members": [{"name": member, "overrides": [f"model/context={member}"]} for member in members],
        "seeds": list(seeds),
        "match": "parameters",
        "budget": {"updates": 6000, "tokens": None, "seconds": None},
        "tuning": {
            "learning_rates": [5e-4, 1e-3, 2e-3],
            "updates": 1000,
            "trials": trials,
            "chosen": dict.fromkeys(members, 0.001),
        },
        "config_difference": [
            {"key": "model.context._target_", "values": {member: f"rnnsearch.model.{member}" for member in members}},
            {
                "key": "model.hidden",
                "values": {member: 256 + 40 * (place == 0) for place, member in enumerate(members)},
            },
        ],
        "runs": [
            {"member": member, "seed": seed, "folder": f"{member}-seed{seed}"} for member in members for seed in seeds
        ],
        "data": "multi30k",
        "created": "2025-03-01T09:59:00+00:00",
        "trained_length": 20,
    }


@pytest.fixture(scope="session")
def make_study() -> Callable[..., Path]:
    """Writes a study folder and returns it: members (the first has no attention weights), seeds, sizes."""

    def write(
        folder: Path,
        *,
        members: Sequence[str] = ("fixed", "additive"),
        seeds: Sequence[int] = (0, 1, 2),
        sentences: int = 200,
        matrices: int = 8,
    ) -> Path:
        pairs = _pairs(sentences, random.Random(5))
        for place, member in enumerate(members):
            for seed in seeds:
                rows = _rows(pairs, place, seed, weights=place > 0)
                attention = _attention(pairs[:matrices]) if place > 0 else []
                _write_run(folder / f"{member}-seed{seed}", _record(member, place, seed, rows), rows, attention)
        (folder / "study.json").write_text(json.dumps(_description(members, seeds), indent=1), encoding="utf-8")
        return folder

    return write


@pytest.fixture(scope="session")
def edit_json() -> Callable[[Path, Callable[[Any], None]], None]:
    """Changes a JSON file in place."""

    def edit(path: Path, change: Callable[[Any], None]) -> None:
        value = json.loads(path.read_text(encoding="utf-8"))
        change(value)
        path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")

    return edit


@pytest.fixture(scope="session")
def written(make_study: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two members and three seeds with its report; read it, don't change it."""

    def make(folder: Path) -> None:
        make_study(folder)
        assert write_report(folder) == Written(folder / "report.html", left_out=())

    return made_once(tmp_path_factory, "study", make)


@pytest.fixture(scope="session")
def sweep(make_study: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of sixteen members, two of whose runs did not finish, with its report; read it, don't change it."""

    def make(folder: Path) -> None:
        write_sweep(make_study, folder, sentences=24)
        stop_runs(folder)
        assert not write_report(folder).left_out

    return made_once(tmp_path_factory, "sweep", make)


@pytest.fixture(scope="module")  # two at once can't be driven from one thread
def browser() -> Iterator["Browser"]:
    """Debian's Chromium, without a window."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed; it is in the extra dev"
    )
    if (chromium := shutil.which("chromium")) is None:
        pytest.skip("there is no chromium; on Debian: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])  # in a container one is root
        yield launched
        launched.close()


@pytest.fixture(autouse=True)
def _blank_pictures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests of words and numbers show an empty picture in place of each: saving one takes most of a report's time."""
    if request.node.get_closest_marker("pictures"):
        return
    monkeypatch.setattr(drawers, "MANY", 10**6)  # other processes would draw
    monkeypatch.setattr(drawing, "svg", lambda figure: '<svg width="72pt" height="72pt"/>')
    monkeypatch.setattr(drawing, "png", lambda figure, digest: b"")
