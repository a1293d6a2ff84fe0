"""A published study's report and figures, made again, are as they were."""

import json
import shutil
from pathlib import Path

import pytest
from experiments.figures import COMPARED, compared

from rnnsearch.study.folder import read_study
from rnnsearch.study.report import write_report

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
MADE_AGAIN = ("report.html", "counts.test.json")  # what a report leaves, and git ignores
STUDIES = sorted(path.parent.name for path in EXPERIMENTS.glob("*/study.json"))


def files(folder: Path) -> set[Path]:
    """Those that are committed."""
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path.name not in MADE_AGAIN}


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_a_report_of_a_committed_study_changes_no_byte_and_pages_quote_it(name: str, tmp_path: Path) -> None:
    study = shutil.copytree(EXPERIMENTS / name, tmp_path / name)
    assert write_report(study).left_out == ()
    committed, made = (files(folder) for folder in (EXPERIMENTS / name, study))
    assert made == committed
    assert (study / "report.html").stat().st_size < 10_000_000
    changed = [
        str(path) for path in committed if (study / path).read_bytes() != (EXPERIMENTS / name / path).read_bytes()
    ]
    assert changed == []
    quoted = json.loads(COMPARED.read_text(encoding="utf-8"))[name]
    assert compared(name, read_study(study)) == quoted, "run make figures FILL_ARGS=--anew"
