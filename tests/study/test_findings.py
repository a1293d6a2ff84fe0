"""The report's sentences on what was found."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rnnsearch.study.folder import read_study
from rnnsearch.study.headline import first
from rnnsearch.study.statistics import compare


def test_a_search_beside_a_sweep_ranks_trials_that_are_not_tested(
    make_study: Callable[..., Path], edit_json: Callable[..., None], tmp_path: Path
) -> None:
    folder = make_study(tmp_path / "s", seeds=(0,), sentences=20, matrices=1)
    trial = shutil.copytree(folder / "fixed-seed0", folder / "trial-0000")
    (trial / "translations.test.jsonl").unlink()

    def promises(record: Any) -> None:
        record["results"]["metrics"] = {"validation": {"bleu": 99.0}}

    def is_a_search(description: Any) -> None:
        description["kind"], description["search"] = "search", {"metric": "bleu"}
        description["members"].append({"name": "trial 0", "overrides": [], "settings": {}})
        runs = [{"member": name, "seed": 0, "folder": f"{name}-seed0"} for name in ("fixed", "additive")]
        description["runs"] = [*runs, {"member": "trial 0", "seed": 0, "folder": "trial-0000"}]

    edit_json(trial / "record.json", promises)
    edit_json(folder / "study.json", is_a_search)
    study = read_study(folder)
    assert compare(study) is None
    told = first(study, None, None)
    assert told.headline == "The best observed of 3 finished trials is trial 0 with 99.00 validation BLEU."
    assert "train it anew" in told.others[0]
