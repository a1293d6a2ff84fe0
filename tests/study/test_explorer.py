"""What the sentence explorer is given: the runs' own numbers, no text that acts, and little enough for a page."""

import base64
import hashlib
import html
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnsearch.evaluation.corpus_scores import chrf_from_statistics, chrf_statistics
from rnnsearch.page.reports import POLICY
from rnnsearch.study import explorer
from rnnsearch.study.blocks import First, Section
from rnnsearch.study.folder import Study, read_study
from rnnsearch.study.policy import explorer_script
from rnnsearch.study.report import Report, render_html

BLOCK = re.compile(r'<script type="application/json" id="explorer-data">(.*?)</script>', re.DOTALL)


def data_of(page: str) -> dict[str, Any]:
    [block] = BLOCK.findall(page)
    return dict(json.loads(block))


def page_with(section: Section) -> Report:
    return Report("name", "Sweep", First("headline"), (), (section,), (), None)


def put_in(study: Study) -> dict[str, Any]:
    fields = explorer.section(study).explorer
    assert fields is not None
    return dict(fields)


def test_every_sentence_is_in_the_page_with_each_member_s_figures(written: Path) -> None:
    study, data = read_study(written), data_of((written / "report.html").read_text(encoding="utf-8"))
    runs = [study.compared(member)[0] for member in ("fixed", "additive")]
    assert [member["name"] for member in data["members"]] == ["fixed", "additive"]
    assert len(data["sentences"]) == len(runs[0].rows) == 200
    for place in (0, 7, 199):
        sentence, rows = data["sentences"][place], [run.rows[place] for run in runs]
        assert sentence["number"] == place + 1
        assert sentence["length"] == rows[0]["source_words"]
        assert (sentence["source"], sentence["reference"]) == (rows[0]["source"], rows[0]["reference"])
        assert sentence["gold"] == rows[0]["gold"]
        for shown, row in zip(sentence["by"], rows, strict=True):
            chrf = chrf_from_statistics(chrf_statistics([row["hypothesis"]], [row["reference"]])[0])
            assert shown["text"] == row["hypothesis"]
            assert shown["chrf"] == pytest.approx(chrf, abs=0.051)
        fixed, additive = sentence["by"]
        assert not {"entropy", "links", "attention"} & set(fixed)
        assert (additive["entropy"], additive["coverage"]) == (0.12, 0.78)  # what the made-up sums divide to
        assert additive["links"] == rows[1]["links"]
    matrices = [sentence["by"][1].get("attention") for sentence in data["sentences"]]
    assert [matrix is not None for matrix in matrices] == [place < 8 for place in range(200)]
    assert [len(row) for row in matrices[0]["weights"]] == [len(matrices[0]["source"])] * len(matrices[0]["target"])


def test_the_policy_lets_this_script_run_and_no_other(written: Path) -> None:
    page = (written / "report.html").read_text(encoding="utf-8")
    [script] = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    source = f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert f"script-src {source};" in html.unescape(policy)
    assert f"script-src {source};" in POLICY  # of who serves reports
    assert script == explorer_script()
    assert not re.search(r"</script|<!--|innerHTML|insertAdjacentHTML|outerHTML|eval|Function\(|setAttribute", script)


def test_texts_stay_in_their_block_and_none_acts(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nasty = "</script><script>alert(1)</script><!-- \u202e\x00\x1b\u2028 \ud800 &amp; 'x\""
    shown = r"</script><script>alert(1)</script><!-- \u202e\u0000\u001b \ud800 &amp; 'x" + '"'
    row = {"source": nasty, "reference": nasty, "hypothesis": nasty, "source_words": 5, "gold": "0-0", "links": nasty}
    study = read_study(written)
    run = replace(study.runs[0], member=nasty, rows=(row,))
    monkeypatch.setattr(explorer, "sentence_chrf", lambda *_: np.array([50.0]))
    section = explorer.section(replace(study, members=(nasty,), runs=(run,)))
    page = render_html(page_with(section), {})
    data = data_of(page)
    assert page.count("<script") == page.count("</script") == 2
    assert "<!--" not in page
    [sentence] = data["sentences"]
    assert [sentence["source"], sentence["reference"], sentence["by"][0]["text"]] == [shown] * 3
    assert not re.search("[\u202e\x00\x1b\u2028\ud800]", page + json.dumps(data, ensure_ascii=False))


def test_what_does_not_fit_is_left_out_and_said(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = read_study(written)
    monkeypatch.setattr(explorer, "LARGEST", 30_000)
    sentences = put_in(study)["sentences"]
    numbers = [sentence["number"] for sentence in sentences]
    assert 20 < len(numbers) < 150
    assert numbers == sorted(numbers)
    assert numbers != [*range(1, len(numbers) + 1)]
    assert len(json.dumps(sentences, ensure_ascii=False).encode()) < 31_000
    assert f"{len(numbers)} of 200 sentences, drawn at random, are put in" in explorer.section(study).text[0]
    assert put_in(study)["sentences"] == sentences  # the same ones again

    monkeypatch.setattr(explorer, "MEMBERS", 1)
    assert [member["name"] for member in put_in(study)["members"]] == ["fixed"]
    assert "Of 2 members these are the first member and the best of the others 1." in explorer.section(study).text[0]


def test_runs_of_other_sentences_are_not_set_side_by_side(written: Path) -> None:
    study = read_study(written)
    other = replace(study.compared("additive")[0], rows=study.compared("additive")[0].rows[::-1])
    with pytest.raises(ValueError, match="differ first in sentence 1"):
        explorer.section(replace(study, runs=(study.compared("fixed")[0], other)))


def test_without_translations_there_is_no_explorer_and_no_script(written: Path) -> None:
    study = read_study(written)
    section = explorer.section(replace(study, runs=tuple(replace(run, rows=()) for run in study.runs)))
    assert section.empty
    assert "script" not in render_html(page_with(section), {})


def test_markdown_keeps_the_sentences_side_by_side_alone(written: Path) -> None:
    markdown = (written / "report.md").read_text(encoding="utf-8")
    assert "## Translations side by side" in markdown
    assert explorer.TITLE not in markdown
