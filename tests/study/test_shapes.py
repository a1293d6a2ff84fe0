"""A report comes of every shape of study: whole, and without a word of a library on the terminal."""

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from tests.study import shapes

from rnnsearch.study.report import write_report

LOOSE = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture)


def check(shape: Mapping[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """Let a report be written of a shape, and look at what came of it."""
    caplog.clear()
    with tempfile.TemporaryDirectory() as place:
        folder = shapes.write(Path(place) / "study", shape)
        report = write_report(folder)
        assert (report.left_out, caplog.messages) == ((), [])
        markdown = (folder / "report.md").read_text(encoding="utf-8")
        for link in re.findall(r"\]\((figures/[^)]+)\)", markdown):
            assert (folder / link).is_file()
        page = (folder / "report.html").read_text(encoding="utf-8")
        assert page.endswith("</html>\n")
        assert page.count("data:image/svg+xml") == len(re.findall(r"\]\(figures/", markdown))
        assert (folder / "report.csv").read_text(encoding="utf-8").startswith("member,seed")
        assert "booktabs" in (folder / "report.tex").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.pictures
@settings(max_examples=2, deadline=None, derandomize=True, database=None, suppress_health_check=LOOSE)
@given(shape=shapes.studies(most=10))
def test_a_report_comes_of_every_study(shape: Mapping[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    check(shape, caplog)


@pytest.mark.pictures
@pytest.mark.slow
@settings(max_examples=25, deadline=None, database=None, suppress_health_check=LOOSE)
@given(shape=shapes.studies(most=40))
def test_a_report_comes_of_every_larger_study(shape: Mapping[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    check(shape, caplog)
