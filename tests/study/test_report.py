import html
import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pytest
from tests.study.many import change_rows

from rnnsearch.plots import style
from rnnsearch.study import lengths, sections
from rnnsearch.study.folder import read_study
from rnnsearch.study.report import write_report
from rnnsearch.study.side_by_side import pick_examples
from rnnsearch.study.tables import duration, number, p_value, signed

Edit = Callable[[Path, Callable[[Any], None]], None]
VOID = {"meta", "img", "br", "link", "wbr", "input"}


class Page(HTMLParser):
    """Collects what a browser would load and the visible text, and checks that tags nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.open: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        assert not self.open
        self.text = re.sub(r"\s+", " ", "".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.words.append(" " if tag not in ("wbr", "b") else "")
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & {*self.open[-1:]}:
            self.words.append(data)


def page_of(folder: Path) -> Page:
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def test_page_is_self_contained(written: Path) -> None:
    text = (written / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.loads
    assert all(load.startswith(("data:image/svg+xml;base64,", "#")) or load == "data:," for load in page.loads)
    assert not {"iframe", "object"} & set(page.tags)
    assert page.tags.count("script") == 2  # the explorer's and its data
    assert "default-src 'none'" in html.unescape(text)
    assert "unsafe" not in text
    assert not re.search(r"<[^>]* style=", text)
    assert not re.search(r"@import|url\(", text)
    assert len(text) < 3_000_000


def test_headline_comes_first_and_says_what_the_numbers_say(written: Path) -> None:
    page = page_of(written)
    runs = {member: read_study(written).compared(member) for member in ("fixed", "additive")}
    gain = fmean(run.test["bleu"] for run in runs["additive"]) - fmean(run.test["bleu"] for run in runs["fixed"])
    found = re.search(r"Additive gains ([\d.]+) BLEU \[([\d.]+), ([\d.]+)\] over fixed: the 95 % interval", page.text)
    assert found is not None
    assert found[1] == f"{gain:.2f}"
    assert float(found[2]) < gain < float(found[3])
    assert "interval excludes 0." in page.text
    assert page.text.index("Additive gains") < page.text.index("What differs")


@pytest.mark.parametrize("name", ["bleu", "chrf", "ter", "perplexity"])
def test_numbers_are_those_of_the_records(written: Path, name: str) -> None:
    page, markdown = page_of(written).text, (written / "report.md").read_text(encoding="utf-8")
    for member in ("fixed", "additive"):
        records = [json.loads(path.read_text()) for path in sorted(written.glob(f"{member}-seed*/record.json"))]
        values = [record["results"]["metrics"]["test"][name] for record in records]
        for text in (page, markdown):
            assert f"{fmean(values):.2f}" in text
            assert f"sd {stdev(values):.2f}" in text
            assert all(f"{value:.2f}" in text for value in values)


def test_sections_and_provenance_are_there(written: Path) -> None:
    text = page_of(written).text
    for part in (
        "model.context._target_",
        "5,221,000",
        "2,140,000",
        "× 1.002",
        "26 min 01 s",
        "chosen",
        "Learning curves",
        "Training sentences had at most 20 words",
        "additive − fixed",
        "Alignment error rate",
        "c0ffee",
        "726e39b2",
        "tok:13a",
        "torch: 2.13.0+cpu",
        "AMD EPYC",
        "rnnsearch compare data=multi30k",
    ):
        assert part in text, part
    assert len(re.findall(r"Test sentence \d+, (?:among|drawn)", text)) == 10


def test_markdown_links_figures_that_exist(written: Path) -> None:
    markdown = (written / "report.md").read_text(encoding="utf-8")
    linked = re.findall(r"\]\((figures/[\w.-]+\.png)\)", markdown)
    assert {"figures/bleu_by_length.png", "figures/learning_bleu.png", "figures/attention_additive_1.png"} <= set(
        linked
    )
    assert all((written / link).read_bytes().startswith(b"\x89PNG") for link in linked)
    assert markdown.startswith("# Additive gains")
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len(rows) > 30


def test_members_without_weights_have_no_matrix(written: Path) -> None:
    assert not list((written / "figures").glob("attention_fixed*"))


@pytest.mark.pictures
@pytest.mark.slow
def test_the_same_study_gives_the_same_page(written: Path, tmp_path: Path) -> None:
    again = shutil.copytree(written, tmp_path / "again")
    write_report(again)
    for name in ("report.html", "report.md"):
        assert (again / name).read_bytes() == (written / name).read_bytes()


def test_text_is_escaped(make_study: Callable[..., Path], edit_json: Edit, tmp_path: Path) -> None:
    folder = make_study(tmp_path, seeds=(0,), sentences=12)
    nasty = '<script>alert("1")</script> | `x` & [a](http://b) *b* <img src=http://x/y.png> {{ 7*7 }}\x00\x1b'
    for member in ("fixed", "additive"):
        change_rows(
            folder / f"{member}-seed0", lambda row: row.update(source=nasty, hypothesis=row["hypothesis"] + nasty)
        )
    edit_json(folder / "study.json", lambda study: study.update(question=nasty))
    write_report(folder)
    page = page_of(folder)
    assert page.tags.count("script") == 2
    assert all(load.startswith(("data:", "#")) for load in page.loads)
    assert '<script>alert("1")</script> | `x` & [a](http://b)' in page.text
    assert "{{ 7*7 }}\\u0000\\u001b" in page.text
    markdown = (folder / "report.md").read_text(encoding="utf-8")
    assert "\\<script>" in markdown
    assert "](http" not in markdown.replace("\\](http", "")
    assert not re.search(r"(?<!\\)<(?!br>)", re.sub(r"`[^`]*`", "", markdown))


def test_weak_models_say_nothing(make_study: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_study(tmp_path, seeds=(0,), sentences=60)
    for run in folder.glob("*-seed0"):
        change_rows(run, lambda row: row.update(hypothesis="a man a dog ."))
    write_report(folder)
    text = page_of(folder).text
    assert "This comparison says nothing: the better member, additive, has" in text
    assert "Says nothing: the models are too weak to compare." in text
    assert "SAYS NOTHING" in (folder / "report.md").read_text(encoding="utf-8")
    assert "its record says" in text


def test_unfinished_and_unequal_runs_are_told(make_study: Callable[..., Path], edit_json: Edit, tmp_path: Path) -> None:
    folder = make_study(tmp_path, sentences=60, matrices=1)
    error = {"type": "ValueError", "message": "loss is <nan> at update 7", "traceback": "..."}
    edit_json(folder / "fixed-seed1" / "record.json", lambda record: record.update(status="failed", error=error))
    edit_json(
        folder / "additive-seed0" / "record.json", lambda record: record.update(parameters=6_000_000, updates=5000)
    )
    shutil.rmtree(folder / "additive-seed1")
    write_report(folder)
    text = page_of(folder).text
    assert "Not in any mean, since they failed: fixed seed 1 (failed)." in text
    assert "Not every run is finished: additive seed 1 (not started)." in text
    assert "ValueError: loss is <nan> at update 7" in text
    assert "additive has 6,000,000 total parameters, fixed 5,212,000: more than 1 % apart" in text
    assert "additive has 5,000 updates" in text


def test_nothing_finished_still_gives_a_page(make_study: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_study(tmp_path, seeds=(0,), sentences=20)
    shutil.rmtree(folder / "fixed-seed0")
    write_report(folder)
    text = page_of(folder).text
    assert text.split("Comparison captions")[1].strip().startswith("additive has 60.99 BLEU")
    assert "not started" in text


def test_three_members_are_compared_with_the_first(make_study: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_study(tmp_path, members=("fixed", "additive", "mean"), seeds=(0, 1), sentences=60)
    write_report(folder)
    text = page_of(folder).text
    assert "Additive gains" in text
    assert "Mean gains" in text
    assert "mean − fixed" in text


def test_one_seed_is_told(make_study: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_study(tmp_path, seeds=(4,), sentences=60)
    write_report(folder)
    text = page_of(folder).text
    assert "One seed: the intervals cover the choice of test sentences" in text
    assert "sd " not in text.split("Size, cost")[0].split("Signatures")[0].replace("sd is", "")


def test_examples_are_half_the_most_different_and_half_random() -> None:
    spread = np.random.default_rng(0).uniform(size=100).tolist()
    chosen = pick_examples(spread)
    most = [row for row, by_spread in chosen if by_spread]
    assert most == sorted(range(100), key=lambda row: -spread[row])[:5]
    assert len({row for row, _ in chosen}) == len(chosen) == 10
    assert chosen == pick_examples(spread)
    assert chosen != pick_examples(spread, seed=1)
    assert len(pick_examples([1.0, 2.0])) == 2


def test_numbers_as_readers_want_them() -> None:
    assert [signed(value) for value in (1.234, -0.5, 0.001, -0.001)] == ["+1.23", "−0.50", "0.00", "0.00"]
    assert (number(1234.5), number(None), number(float("nan"))) == ("1,234.50", "–", "nan")
    assert [duration(seconds) for seconds in (5, 65, 3725, None)] == ["5 s", "1 min 05 s", "1 h 02 min", "–"]
    assert (p_value(0.0005), p_value(0.0312)) == ("p < 0.001", "p = 0.031")


def test_a_part_that_fails_costs_no_other(
    make_study: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A figure and a section that fail are a sentence in their place and in the log; the rest is there."""

    def fails(*_: Any, **__: Any) -> Any:
        raise IndexError("list index out of range")

    folder = make_study(tmp_path, seeds=(0,), sentences=12, matrices=1)
    monkeypatch.setattr(lengths.length_curves, "score_by_length", fails)
    monkeypatch.setattr(sections.side_by_side, "translations", fails)
    report = write_report(folder)
    told = [f"The {what} is left out: making it failed with IndexError" for what in (
        "section “Translations side by side”", "figure “bleu_by_length”"
    )]  # fmt: skip
    assert [sentence.split(" (")[0] for sentence in report.left_out] == told
    assert caplog.messages == list(report.left_out)
    text, markdown = page_of(folder).text, (folder / "report.md").read_text(encoding="utf-8").replace("\\", "")
    for sentence in report.left_out:
        assert sentence in text
        assert sentence in markdown
    assert "index out of range" not in text  # Python's words
    assert not (folder / "figures" / "bleu_by_length.png").exists()
    assert (folder / "figures" / "learning_nll.png").is_file()
    assert "Every run" in text


def test_a_run_that_is_damaged_costs_no_other(make_study: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_study(tmp_path, seeds=(0, 1), sentences=12, matrices=0)
    (folder / "additive-seed1" / "record.json").write_text('{"format": 1,')
    (folder / "fixed-seed1" / "translations.test.jsonl").write_text('{"source": 1}\n')
    report = write_report(folder)
    assert [sentence.partition(":")[0] for sentence in report.left_out] == [
        "fixed, seed 1, is left out",
        "additive, seed 1, is left out",
    ]
    text = page_of(folder).text
    assert "translations.test.jsonl, line 1: no source as a translation has it" in text
    assert "record.json is damaged: it holds no JSON" in text
    assert "Additive − fixed: these two runs differ by +" in text


def test_runs_of_other_data_are_not_averaged(make_study: Callable[..., Path], edit_json: Edit, tmp_path: Path) -> None:
    """The doubt names the file and the points, and the mean is that of the others."""

    def replaced(record: dict[str, Any]) -> None:
        record["data"]["checksums"]["train.source"] = "1" * 64
        record["command"].append("data.train.source=corpus/train.de")
        record["results"]["metrics"]["test"]["ter"] = 999.0

    folder = make_study(tmp_path, sentences=12, matrices=0)
    for path in folder.glob("*/record.json"):
        edit_json(path, lambda record: record["data"]["checksums"].update({"train.source": "0" * 64}))
    edit_json(folder / "additive-seed2" / "record.json", replaced)
    assert write_report(folder).left_out == ()
    study, text = read_study(folder), page_of(folder).text
    assert [run.seed for run in study.compared("additive")] == [0, 1]
    assert "additive seed 2 (train.de is not of the same content as for 5 others)" in text
    assert "made from other data" in text
    assert "999" not in text.split("Every run")[0]


@pytest.mark.parametrize(("key", "apart"), [("data.train_pairs", 0), ("model.hidden_size", 3)])
def test_members_differ_in_their_data_only_where_that_is_asked(
    make_study: Callable[..., Path], edit_json: Edit, tmp_path: Path, key: str, apart: int
) -> None:
    folder = make_study(tmp_path, sentences=12, matrices=0)
    edit_json(folder / "study.json", lambda study: study.update(config_difference=[{"key": key, "values": {}}]))
    for path in folder.glob("additive-*/record.json"):
        edit_json(path, lambda record: record["data"].update(checksums={"train.de.gz": "1" * 64}))
    assert len(read_study(folder).apart) == apart


@pytest.mark.parametrize("why", ["no test split", "test=false"])
def test_runs_without_a_test_are_told_as_such(
    make_study: Callable[..., Path], edit_json: Edit, tmp_path: Path, why: str
) -> None:
    folder = make_study(tmp_path, seeds=(0,), sentences=12, matrices=0)
    for path in folder.glob("*/record.json"):
        edit_json(path, lambda record: record["results"]["metrics"].pop("test"))
        if why == "no test split":
            edit_json(path, lambda record: record["data"]["pairs"].pop("test"))
    assert write_report(folder).left_out == ()
    text = page_of(folder).text
    assert "No comparison yet: 2 runs are finished, but" in text
    assert "All runs are finished, but" in text
    assert why in text
    assert "Not every run" not in text
    assert "no run is finished" not in text


@pytest.mark.pictures
@pytest.mark.slow
def test_a_report_again_changes_what_its_inputs_changed_and_nothing_else(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edit_json: Edit
) -> None:
    """Another matplotlib draws otherwise; figures whose data did not change stay as they were."""
    again = shutil.copytree(written, tmp_path / "again")
    monkeypatch.setitem(style.STYLE, "font.size", 13)
    edit_json(again / "fixed-seed0" / "record.json", lambda record: record.update(seconds=9000.0))
    write_report(again)
    changed = {path.stem for path in (again / "figures").iterdir() if not same(path, written)}
    assert changed == {"quality_time"}
    damaged = again / "figures" / "learning_nll.png"
    damaged.write_bytes(damaged.read_bytes()[:900])
    write_report(again)
    assert len(damaged.read_bytes()) > 900


def same(path: Path, written: Path) -> bool:
    return path.read_bytes() == (written / "figures" / path.name).read_bytes()
