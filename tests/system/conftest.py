"""Whole commands on tiny corpora, in this process; one trained run is shared."""

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.core.override_parser.types import Quote, QuotedString
from tests.forked import Process, start
from tests.once import made_once

from rnnsearch.cli.main import main

WORDS = {"ein": "a", "Hund": "dog", "Mann": "man", "läuft": "runs", "sieht": "sees", "Haus": "house", "rot": "red"}
SPLITS = {"train": 96, "validation": 12, "test": 10}
TINY = (
    "model=tiny model.embedding_size=12 model.hidden_size=16 model.attention_size=8 model.readout_size=12 "
    "tokenizer=word tokenizer.source_size=20 tokenizer.target_size=20 batches.size=16 trainer=cpu threads=1 "
    "scheduler.warmup=2 validation.every=4 curve_every=2 search.beam_size=2 samples=2"
)


def write_corpus(folder: Path, splits: dict[str, int]) -> list[str]:
    """Line-aligned files of made-up captions, the target in reverse order; returns the overrides that name them."""
    generator = random.Random(0)
    overrides = ["data=files", "data.source_language=de", "data.target_language=en"]
    folder.mkdir(parents=True, exist_ok=True)
    for split, count in splits.items():
        sources = [generator.choices(list(WORDS), k=generator.randint(2, 6)) for _ in range(count)]
        targets = [[WORDS[word] for word in reversed(source)] for source in sources]
        for side, sentences in (("source", sources), ("target", targets)):
            path = folder / f"{split}.{side}"
            path.write_text("".join(" ".join(words) + "\n" for words in sentences), encoding="utf-8")
            overrides.append(quoted(f"data.{split}.{side}", path))
    return overrides


def quoted(key: str, value: object) -> str:
    """An override whose value may hold anything."""
    return f"{key}={QuotedString(str(value), Quote.double).with_quotes()}"


class Workshop:
    """A folder with a corpus, in which commands run."""

    def __init__(self, folder: Path, texts: Path, data: list[str]) -> None:
        self.folder = folder
        self.texts = texts
        self.data = [*data, quoted("paths.cache", folder / "cache")]

    def overrides(self, run: Path, words: str = "", *more: str) -> list[str]:
        """What trains the tiny model on the corpus."""
        return [*self.data, *TINY.split(), *words.split(), *more, quoted("hydra.run.dir", run)]

    def train(self, run: Path, words: str = "", *more: str) -> int:
        """`rnnsearch train` on the corpus; its exit code."""
        return main(["train", *self.overrides(run, words, *more)])

    def compare(self, output: Path, words: str, *more: str) -> int:
        """`rnnsearch compare` on the corpus, its processes included; its exit code."""
        return main(["compare", *self.data, *TINY.split(), *words.split(), *more, quoted("paths.output", output)])

    @staticmethod
    def main(*words: str) -> int:
        """A command in this process; its exit code."""
        return main(words)

    @staticmethod
    def corpus(folder: Path) -> list[str]:
        """Another copy of the corpus; the overrides that name it."""
        return write_corpus(folder, SPLITS)

    @staticmethod
    def quoted(key: str, value: object) -> str:
        """An override whose value may hold anything."""
        return quoted(key, value)

    @staticmethod
    def record(folder: Path) -> dict[str, Any]:
        """A run's record; NaN is refused, since JSON has none."""
        values: dict[str, Any] = Workshop.json(folder / "record.json")
        return values

    @staticmethod
    def json(path: Path) -> Any:
        """What a file of JSON holds; NaN is refused."""
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)

    @staticmethod
    def snapshot(folder: Path) -> dict[str, bytes]:
        """Every file below a folder."""
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    @staticmethod
    def process(cwd: Path, *words: str) -> Process:
        """A command in a process of its own."""
        return start(words, cwd, os.environ)


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} in JSON")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working directory, and torch's threads as before."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """With a corpus that all processes of a test run share, so that they make the same points of it."""

    def make(folder: Path) -> None:
        (folder / "overrides.json").write_text(json.dumps(write_corpus(folder / "corpus", SPLITS)), encoding="utf-8")

    made = made_once(tmp_path_factory, "parallel", make)
    data = json.loads((made / "overrides.json").read_text(encoding="utf-8"))
    return Workshop(tmp_path_factory.mktemp("workshop"), made / "corpus", data)


@pytest.fixture(scope="session")
def trained(workshop: Workshop) -> Path:
    """A finished run of twelve updates. Tests only read it."""
    folder = workshop.folder / "trained"
    assert workshop.train(folder, "budget.updates=12 model.dropout=0.2") == 0
    return folder
