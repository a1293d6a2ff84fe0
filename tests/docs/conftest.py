"""A folder that holds what the documentation's commands name: runs, a study, a corpus, files of sentences."""

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import TextIO, cast

import pytest
import torch
from tests.docs.markdown import ROOT, Command, blocks
from tests.system.conftest import TINY, write_corpus

from rnnsearch.cli.main import main
from rnnsearch.records.run_record import read_record
from rnnsearch.records.test_sets import TestResults, write_results

SENTENCES = "ein Hund läuft\nder Mann sieht ein Haus\n\nrot\n"
RUNS = ("RUN", "RUN_A", "RUN_B", "OTHER_RUN")
# Files that commands name, as those of the corpus.
CORPUS = {"train.en": "train.source", "train.de": "train.target", "val.en": "validation.source"}
CORPUS |= {"val.de": "validation.target", "train.fr": "train.target", "val.fr": "validation.target"}


@contextmanager
def redirected(command: Command) -> Iterator[None]:
    """Standard input and output as a shell would set them."""
    old = sys.stdin, sys.stdout
    with ExitStack() as stack:
        given = stack.enter_context(TemporaryFile("w+", encoding="utf-8"))
        given.write(Path(command.stdin).read_text(encoding="utf-8") if command.stdin else command.piped or "")
        given.seek(0)
        sys.stdin = cast(TextIO, given)
        if command.stdout:
            sys.stdout = stack.enter_context(open(command.stdout, "w", encoding="utf-8"))
        try:
            yield
        finally:
            sys.stdin, sys.stdout = old


def call(command: Command, *more: str) -> int:
    """Run a command of `rnnsearch` in this process; its exit code."""
    with redirected(command):
        return main([*command.words[1:], *more])


def write_forms(folder: Path) -> None:
    """The corpus in shards, in columns and as JSON."""
    (folder / "shards").mkdir()
    for split in ("train", "val"):
        pairs = list(
            zip(*((folder / f"{split}.{side}").read_text().splitlines() for side in ("de", "en")), strict=True)
        )
        (folder / f"{split}.tsv").write_text("".join(f"{de}\t{en}\n" for de, en in pairs))
        rows = (json.dumps({"translation": {"de": de, "en": en}}) for de, en in pairs)
        (folder / f"{split}.jsonl").write_text("".join(f"{row}\n" for row in rows))
    write_single_files(folder)
    for number, half in enumerate((pairs[:6], pairs[6:])):
        for side, texts in zip(("de", "en"), zip(*half, strict=True), strict=True):
            (folder / "shards" / f"{number}.{side}").write_text("".join(f"{text}\n" for text in texts))


def test_again(study: Path, name: str) -> None:
    """Give the runs of a published study a named test set: their own, again."""
    shutil.copy(study / "sentences.test.jsonl.bz2", study / f"sentences.{name}.jsonl.bz2")
    for path in study.glob("*/translations.test.jsonl.bz2"):
        shutil.copy(path, path.with_name(f"translations.{name}.jsonl.bz2"))
        metrics = read_record(path.parent).results.metrics.test
        write_results(path.parent, TestResults(name=name, checksums={}, pairs=metrics["sentences"], metrics=metrics))


def write_single_files(folder: Path) -> None:
    """One file of pairs that share no text, in each form that has validation pairs taken out of it."""
    pairs = [(f"Sentence {number}.", f"Satz {number}.") for number in range(1600)]
    rows = (f"{en}\t{de}\tCC-BY 2.0 (France)\n" for en, de in pairs)
    (folder / "deu.txt").write_text("".join(rows))
    (folder / "train.csv").write_text("".join(f'"{en}",{de}\n' for en, de in [("en", "de"), *pairs[:100]]))
    units = (
        f'<tu><tuv xml:lang="en"><seg>{en}</seg></tuv><tuv xml:lang="de"><seg>{de}</seg></tuv></tu>'
        for en, de in pairs[:100]
    )
    (folder / "memory.tmx").write_text(f'<tmx version="1.4"><body>{"".join(units)}</body></tmx>')


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once; tests work in copies."""
    folder = tmp_path_factory.mktemp("workplace")
    data = write_corpus(folder / "corpus", {"train": 96, "validation": 12, "test": 10})
    for name, source in CORPUS.items():
        shutil.copy(folder / "corpus" / source, folder / name)
    write_forms(folder)
    common = [*data, *TINY.split(), f"paths.cache={folder}/cache", "budget.updates=4", "keep_best=2", "test=false"]
    common += ["search.beam_size=5", f"paths.output={folder}/outputs"]
    assert main(["train", *common, f"hydra.run.dir={folder}/RUN"]) == 0
    assert main(["train", *common, "data.reverse=true", f"hydra.run.dir={folder}/BACK"]) == 0
    for name in RUNS[1:]:
        shutil.copytree(folder / "RUN", folder / name)
    shutil.copytree(ROOT / "experiments/fixed_vs_attention_bible", folder / "outputs/NAME")
    test_again(folder / "outputs/NAME", "news")
    for block in blocks("python", "yaml"):
        if title := re.search(r'title="([^"]+)"', block.info):
            (folder / title[1]).parent.mkdir(parents=True, exist_ok=True)
            (folder / title[1]).write_text(block.text, encoding="utf-8")
    (folder / "in.txt").write_text(SENTENCES, encoding="utf-8")
    (folder / "wrong.txt").write_text(SENTENCES.upper(), encoding="utf-8")
    (folder / "kinds.txt").write_text("number\ngender\nnumber\ngender\n", encoding="utf-8")
    for name, form in (("out.txt", "format=text"), ("out.jsonl", "format=jsonl")):
        words = ["rnnsearch", "translate", f"run={folder}/RUN", form]
        assert call(Command(words, stdin=str(folder / "in.txt"), stdout=str(folder / name))) == 0
    return folder


@pytest.fixture
def there(workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the folder, as the working directory."""
    folder = tmp_path / "there"
    shutil.copytree(workplace, folder)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("RNNSEARCH_CACHE", str(workplace / "cache"))
    return folder


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setitem(os.environ, "COLUMNS", "120")
