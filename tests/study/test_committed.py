"""A published study's report, made again, changes nothing."""

import shutil
from pathlib import Path

import pytest

from rnnsearch.study.report import write_report

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
COUNTS = "counts.test.json"  # made by the first report
STUDIES = sorted(path.parent.name for path in EXPERIMENTS.glob("*/study.json"))


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_a_report_of_a_committed_study_changes_no_byte(name: str, tmp_path: Path) -> None:
    study = shutil.copytree(EXPERIMENTS / name, tmp_path / name)
    assert write_report(study).left_out == ()
    published = [path for path in (EXPERIMENTS / name).rglob("*") if path.is_file() and path.name != COUNTS]
    committed = {path.relative_to(EXPERIMENTS / name) for path in published}
    made = {path.relative_to(study) for path in study.rglob("*") if path.is_file() and path.name != COUNTS}
    assert made == committed | {Path("report.html")}
    changed = [
        str(path) for path in committed if (study / path).read_bytes() != (EXPERIMENTS / name / path).read_bytes()
    ]
    assert changed == []
