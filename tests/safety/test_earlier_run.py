"""A run that commit 90c5914 trained: it translates, is evaluated and goes on as it did."""

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

import rnnsearch
from rnnsearch.config import build
from rnnsearch.evaluation.scoring import Scoring
from rnnsearch.evaluation.splits import evaluate_split
from rnnsearch.records.json_files import read_lines
from rnnsearch.records.run_record import read_values
from rnnsearch.runs import kept_pairs, run_folder

from .conftest import Shell

ARCHIVE = Path(__file__).parents[1] / "fixtures" / "run_of_90c5914.tar.xz"


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    careful: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # from Python 3.11.4 on
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, **careful)
    return tmp_path / "small_run"


def test_it_translates(earlier: Path) -> None:
    kept = list(read_lines(earlier / "translations.test.jsonl"))
    found = rnnsearch.load(earlier, device="cpu").translate([row["source"] for row in kept])
    assert [one.text for one in found] == [row["hypothesis"] for row in kept]


@pytest.mark.slow
def test_it_is_evaluated(earlier: Path) -> None:
    loaded = run_folder.load_run(earlier, device="cpu")
    texts, search = kept_pairs.split_rows(loaded, "test"), build.make(loaded.config.search)
    found = evaluate_split(loaded.model.system, texts, search, scoring=Scoring.of_record(loaded.record.scoring)).metrics
    kept = loaded.record.results.metrics.test
    assert {key: found[key] for key in ("nll", "chrf")} == pytest.approx({key: kept[key] for key in ("nll", "chrf")})


@pytest.mark.slow
def test_it_goes_on(earlier: Path, shell: Shell) -> None:
    before = read_values(earlier)
    words = [word for word in before["command"][2:] if not word.startswith(("hydra.", "budget.", "paths."))]
    more = (f"paths.cache={shell.cache}", f"hydra.run.dir={earlier}", "ckpt=last", "optimizer.lr=0.001")  # its default
    kept = {path: path.read_bytes() for path in earlier.rglob("*") if path.is_file()}
    assert shell.here("train", *words, *more, "budget.updates=12") == 0
    assert {path: path.read_bytes() for path in kept} == kept
    for updates in (15, 18):  # from the run of then, and from one that went on since
        assert shell.here("train", *words, *more, f"budget.updates={updates}") == 0
    after = json.loads((earlier / "record.json").read_text())
    assert (after["id"], after["updates"], after["status"]) == (before["id"], 18, "finished")
    first = [point for point in after["results"]["curves"]["validation"] if point["update"] <= 12]
    assert first == before["results"]["curves"]["validation"]
    rnnsearch.load(earlier, device="cpu")
