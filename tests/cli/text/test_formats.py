"""How translations are written: a line, a row a hypothesis, an object; whatever a text holds."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnsearch.api import Hypothesis, Translation
from rnnsearch.cli.text.formats import as_jsonl, as_links, as_text, as_tsv
from rnnsearch.evaluation.word_alignment import Alignment

ALIGNMENT = Alignment(["a", "b"], ["x"], np.array([[0.25, 0.75]]), frozenset({(1, 0)}), "attention")


def unasked() -> Alignment:
    raise AssertionError("nobody asked for an alignment")


def translation(*texts: str, source: str = "a b") -> Translation:
    return Translation(
        source, [Hypothesis(text, -0.5 - rank, -1.5, ["▁x", "y"], lambda: ALIGNMENT) for rank, text in enumerate(texts)]
    )


def test_text_is_the_best() -> None:
    assert as_text(7, translation("x\ty", "z"), None) == "x\ty\n"


def test_a_table_has_a_row_a_hypothesis() -> None:
    assert as_tsv(7, translation("x\ty\r\nz", ""), None) == (
        "7\t1\t-0.500000\t-1.500000\tx\u00a0y\u00a0\u00a0z\n7\t2\t-1.500000\t-1.500000\t\n"
    )


@pytest.mark.parametrize(("method", "alignment"), [("attention", "1-0"), ("saliency", "1-0"), (None, None)])
def test_an_object_a_line(method: str | None, alignment: str | None) -> None:
    line = as_jsonl(1, translation("x\ny", source='q"é\t'), method)
    assert line.index("\n") == len(line) - 1
    assert json.loads(line) == {
        "source": 'q"é\t',
        "alignment_method": method,
        "hypotheses": [
            {"text": "x\ny", "score": -0.5, "log_prob": -1.5, "tokens": ["▁x", "y"], "alignment": alignment}
        ],
    }


def test_alignments_are_made_only_where_they_are_shown() -> None:
    lazy = Translation("a", [Hypothesis("x", 0.0, 0.0, [], unasked)])
    for render in (as_text, as_tsv, as_jsonl):
        render(1, lazy, None)
    with pytest.raises(AssertionError, match="nobody asked"):
        as_links(lazy)


def test_links_are_those_of_the_best() -> None:
    assert as_links(translation("x", "y")) == "1-0\n"


@settings(deadline=None)
@given(st.text(), st.text())
def test_a_translation_stays_on_its_line(text: str, source: str) -> None:
    one = translation(text, source=source)
    for render in (as_text, as_tsv, as_jsonl):
        line = render(1, one, "attention")
        assert line.count("\n") == 1
        assert "\r" not in line
        assert line.endswith("\n")
    assert as_tsv(1, one, None).count("\t") == 4
    assert json.loads(as_jsonl(1, one, None))["hypotheses"][0]["text"] == text
