"""A trained run that a stranger may have changed, and commands in processes of their own."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.forked import Process, start
from tests.once import made_once

from rnnsearch.cli.main import main
from rnnsearch.records.json_files import write_json
from rnnsearch.records.run_record import FILES, RECORD, read_values

SOURCE = Path(__file__).resolve().parents[2] / "src"
TINY = [
    *("data=controlled", "data.train_pairs=200", "data.validation_pairs=20", "data.test_pairs=3", "model=tiny"),
    *("tokenizer=word", "tokenizer.source_size=200", "tokenizer.target_size=200", "batches.size=16", "trainer=cpu"),
    *("threads=1", "scheduler.warmup=2", "validation.every=4", "curve_every=2", "search.beam_size=2", "samples=0"),
]


class Shell:
    """Commands of a user who stands in a folder."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder, self.cache = folder, cache
        self.imports_anew = False  # whether each command is a new process, not a fork of one that has imported all

    def __call__(
        self, *words: object, code: int | None = 0, environment: Mapping[str, str] | None = None, python: Path = SOURCE
    ) -> "subprocess.CompletedProcess[str]":
        """`rnnsearch WORDS`; it must end with `code`, unless that is None."""
        process = self.start(*words, environment=environment, python=python)
        out, error = process.communicate(timeout=300)
        done = subprocess.CompletedProcess(process.args, process.returncode, out, error)
        if code is not None:
            assert done.returncode == code, done.stdout + done.stderr
            assert "Traceback" not in done.stderr, done.stderr
        return done

    def refused(self, *words: object, capfd: pytest.CaptureFixture[str]) -> str:
        """What `rnnsearch WORDS`, in this process, says as it refuses."""
        capfd.readouterr()
        assert self.here(*words) in (1, 2)
        said = capfd.readouterr().err
        assert "Traceback" not in said, said
        return said

    def here(self, *words: object) -> int:
        """`rnnsearch WORDS` in this process; its exit code."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            return main([str(word) for word in words])

    def start(self, *words: object, environment: Mapping[str, str] | None = None, python: Path = SOURCE) -> Process:
        """`rnnsearch WORDS`, which goes on by itself."""
        paths = dict.fromkeys([str(python), str(SOURCE)])
        variables = {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", **(environment or {})}
        fresh = self.imports_anew or len(paths) > 1
        return start([*map(str, words)], self.folder, {**os.environ, **variables}, fresh=fresh)

    def train(self, run: Path, *more: object, **how: object) -> "subprocess.CompletedProcess[str]":
        """A training of a few updates."""
        return self(*self.training(run, *more), **how)

    def training(self, run: Path, *more: object) -> tuple[object, ...]:
        """The words of a training of a few updates."""
        return ("train", *TINY, "budget.updates=4", f"paths.cache={self.cache}", f"hydra.run.dir={run}", *more)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A finished run. Tests only read it."""

    def make(folder: Path) -> None:
        shell = Shell(folder, cache)
        assert shell.here(*shell.training(folder / "run")) == 0

    return made_once(tmp_path_factory, "stranger", make) / "run"


@pytest.fixture
def shell(tmp_path: Path, cache: Path) -> Shell:
    folder = tmp_path / "here"
    folder.mkdir()
    return Shell(folder, cache)


@pytest.fixture
def stranger(trained: Path, tmp_path: Path) -> Path:
    """A copy of the run, to be made hostile: a stranger leaves no digests that would tell what was changed."""
    folder = Path(shutil.copytree(trained, tmp_path / "stranger"))
    record = read_values(folder)
    record.pop(FILES)
    write_json(folder / RECORD, record)
    return folder
