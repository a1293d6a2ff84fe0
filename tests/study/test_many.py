"""Reports of sweeps and searches with many members."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.study.many import write_search, write_sweep

from rnnsearch.study.report import write_report

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def search(make_study: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_search(make_study, tmp_path_factory.mktemp("search"))
    write_report(folder)
    return folder


def test_what_was_asked_of_a_sweep_is_first_and_the_contents_lead_to_every_section(sweep: Path) -> None:
    html = (sweep / "report.html").read_text(encoding="utf-8")
    sections = re.findall(r'<section id="([\w-]+)">', html)
    assert [name for name in sections if name != "best-points"][:4] == [
        "best-values",
        "settings",
        "all-points",
        "protocol",
    ]
    assert re.findall(r'href="#([\w-]+)"', html) == sections
    assert len(set(sections)) == len(sections)
    for part in (
        "Do larger attention and hidden sizes pay at equal tokens?",
        "attention size hardly",
        "test BLEU, higher",
    ):
        assert part in html, part


def test_every_run_has_a_card_and_a_failed_one_its_traceback(sweep: Path) -> None:
    html = (sweep / "report.html").read_text(encoding="utf-8")
    assert html.count("<details") == 4 + 32  # many doubts, what differs, each point's curves, every run
    assert html.count('<details class="bad">') == 2
    assert "loss is nan</pre>" in html
    markdown = (sweep / "report.md").read_text(encoding="utf-8")
    card = next(line for line in markdown.splitlines() if line.startswith("- **attention\\_size=16, hidden\\_size=64"))
    assert "Config hash `0f3a9c11`" in card
    assert "Versions" not in card  # what all share is said once
    assert "\n  ValueError: loss is nan\n" in markdown


def test_what_did_not_finish_is_told_before_the_sections(sweep: Path) -> None:
    html = (sweep / "report.html").read_text(encoding="utf-8")
    doubts = html[html.index("Before believing it") : html.index("<nav")]
    assert "seed 0 (failed)" in doubts
    assert "seed 1 (interrupted)" in doubts


def test_crowded_sections_show_some_and_count_the_rest(sweep: Path) -> None:
    markdown = (sweep / "report.md").read_text(encoding="utf-8")
    assert re.search(r"Shown are the best; \d+ more are left out", markdown)
    assert len(re.findall(r"^!\[.*attention_size.*test sentence 1\]", markdown.replace("\\", ""), re.M)) <= 4
    example = markdown.split("**Test sentence")[1]
    assert example.count("(chrF") == 6


def test_figures_of_a_sweep(sweep: Path) -> None:
    names = {path.stem for path in (sweep / "figures").iterdir()}
    assert {"scores", "grid", "importance", "quality_parameters", "quality_time", "learning_nll"} <= names
    assert not {"search_history", "quality_tokens", "learning_bleu_tokens", "parallel_coordinates"} & names
    assert (sweep / "report.html").stat().st_size < 5_000_000


def test_a_search_tells_its_space_its_history_and_what_importance_means(search: Path) -> None:
    names = {path.stem for path in (search / "figures").iterdir()}
    assert {"search_history", "parallel_coordinates", "importance"} <= names
    markdown = (search / "report.md").read_text(encoding="utf-8")
    assert "optimizer.lr: 0.0001 to 0.01, on a log scale" in markdown
    assert "Importance is the share of the variance of validation BLEU over the 9 finished runs" in markdown
    assert "OutOfMemoryError" in markdown


@pytest.mark.pictures
@pytest.mark.slow
def test_the_same_search_gives_the_same_page(search: Path) -> None:
    before = (search / "report.html").read_bytes()
    write_report(search)
    assert (search / "report.html").read_bytes() == before


def test_a_member_without_runs_is_no_obstacle(make_study: Callable[..., Path], tmp_path: Path) -> None:
    members = {name: {"model/context": name} for name in ("fixed", "additive", "dot", "mean", "general")}
    folder = write_sweep(make_study, tmp_path, seeds=(0,), sentences=12, members=members)
    for run in json.loads((folder / "study.json").read_text(encoding="utf-8"))["runs"][-1:]:
        (folder / run["folder"] / "record.json").unlink()
    write_report(folder)
    assert "not started" in (folder / "report.md").read_text(encoding="utf-8")


def test_a_search_s_trials_are_not_said_to_be_left_out(search: Path) -> None:
    assert "Runs that are not in the comparison" not in (search / "report.md").read_text(encoding="utf-8")
