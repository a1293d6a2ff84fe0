"""Figures in README, docs and experiments are what committed records say; `make figures` fills them in."""

import json
import re
from pathlib import Path
from statistics import fmean

import pytest
from experiments.built_in_corpus.measure import RESULTS, measured
from experiments.figures import COMPARED, ROOT, NoFigure
from experiments.fill import MARK, PAGES, figure, filled, stale
from tests.docs.markdown import ROOT as CHECKOUT

MULTI30K = "fixed_vs_attention_multi30k"
MEND = "run make figures"
# What stands before or in a sentence and is no measurement: expectations, rules.
TYPED = r"(?:at least|under|a few|about) [\d.]+ BLEU"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_figure_is_that_of_the_records(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert filled(text) == text, MEND


def test_intervals_were_made_of_the_studies_as_they_are() -> None:
    assert list(stale()) == [], MEND


@pytest.mark.slow
def test_the_built_in_corpus_is_as_it_was_counted() -> None:
    assert measured() == json.loads(RESULTS.read_text(encoding="utf-8"))


def test_scores_are_marked() -> None:
    """No BLEU is typed beside the marks."""
    texts = {page: re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL) for page in PAGES}
    bare = {page: re.sub(TYPED, "", MARK.sub("", text)) for page, text in texts.items()}
    strays = {
        str(page): found
        for page, text in bare.items()
        if (found := re.findall(r"[\d.]+ (?:BLEU|chrF|AER)\b.{,20}", text))
    }
    assert strays == {}
    assert sum(len(MARK.findall(text)) for text in texts.values()) > 50


def test_no_mark_stands_in_code() -> None:
    """Where readers would see it; experiments/README.md shows one."""
    for page in (page for page in PAGES if page.parent.name != "experiments"):
        fenced = re.findall(r"```.*?```", page.read_text(encoding="utf-8"), re.DOTALL)
        assert not any("<!--=" in block for block in fenced), page


def test_a_score_is_the_mean_of_the_records() -> None:
    records = (CHECKOUT / "experiments" / MULTI30K).glob("additive-*/record.json")
    values = [json.loads(path.read_text())["results"]["metrics"]["test"]["bleu"] for path in records]
    assert len(values) == 3
    assert figure(f"score {MULTI30K} additive", "{mean:.6f}") == f"{fmean(values):.6f}"
    gap = fmean(values) - float(figure(f"score {MULTI30K} fixed", "{mean:.9f}"))
    assert figure(f"gain {MULTI30K} additive fixed", "{value:+.6f}") == f"{gap:+.6f}"
    assert figure(f"gain {MULTI30K} fixed additive", "{value:.6f}") == f"−{gap:.6f}"
    assert json.loads(COMPARED.read_text())[MULTI30K]["differences"]["additive − fixed"]["value"] == round(gap, 4)


def test_patterns_go_through_members() -> None:
    low, high = figure("ratios strategies '*, size=128' '*, size=32'", "{low} {high}").split()
    assert 1 < float(low) <= float(high) < 4
    assert figure("ratios strategies '*, size=128' '*, size=128'", "{low!c:+.0f} {high!p:.0f}") == "+0 100"


def test_marks_are_filled_in_where_they_stand() -> None:
    words, template = f"score {MULTI30K} additive", "{mean:.1f}"
    before, after = (
        f"has <!--= {words} : {template} -->{one}<!--/--> and <!--= {words} -->{one}<!--/-->."
        for one in ("?", figure(words, template))
    )
    assert filled(before) == after


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a <!--= runs ladder -->24", "not closed"),
        ("<!--= runs ladder -->24<!--/-->", "begins a line"),
        ("a <!--= best ladder -->24<!--/-->", "choose one of score"),
        ("a <!--= runs stair -->24<!--/-->", "is no study in experiments/"),
        ("a <!--= score ladder ladder -->24<!--/-->", "no scores of 'ladder'"),
        ("a <!--= score ladder dot : {median} -->24<!--/-->", "asks for more"),
        ("a <!--= gain ladder dot -->24<!--/-->", "missing 1 required positional argument"),
        ("a <!--= value experiments/ladder/study.json nothing -->24<!--/-->", "there is no nothing"),
    ],
)
def test_what_is_wrong_is_named(text: str, sentence: str) -> None:
    with pytest.raises(NoFigure, match=re.escape(sentence)):
        filled(text)
