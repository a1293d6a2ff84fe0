"""The heatmap of an alignment: a cell a pair of words, and nothing that a word holds becomes markup."""

from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnsearch.evaluation.heatmap import heatmap
from rnnsearch.evaluation.word_alignment import Alignment

TAGS = {"table", "caption", "thead", "tbody", "tr", "th", "td"}


class Table(HTMLParser):
    """Tags, titles and texts of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.titles: list[str] = []
        self.shades: list[str] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        assert values.keys() <= {"title", "style", "scope"}
        self.tags.append(tag)
        if "title" in values:
            self.titles.append(values["title"] or "")
            self.shades.append((values["style"] or "").rpartition("background:")[2])

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


WEIGHTS = np.array([[0.75, 0.25], [0.0, 1.0]])


@pytest.mark.parametrize(("method", "caption"), [("attention", "attention"), ("saliency", "gradient saliency")])
def test_a_notebook_shows_words_weights_links_and_method(method: str, caption: str) -> None:
    alignment = Alignment(["a", "<b>"], ["x", "y&"], WEIGHTS, frozenset({(0, 0), (1, 1)}), method)
    table = Table(alignment._repr_html_())
    assert table.titles == ["x ← a: 0.750", "x ← <b>: 0.250", "y& ← a: 0.000", "y& ← <b>: 1.000"]
    assert table.shades == [f"rgba(230, 110, 20, {weight:.3f})" for weight in WEIGHTS.flat]
    assert table.texts == [caption, "a", "<b>", "x", "•", "y&", "•"]


def test_nothing_to_show() -> None:
    empty = np.zeros((0, 0))
    assert Table(heatmap([], [], empty, frozenset(), caption="none")).titles == []


@settings(deadline=None)
@given(st.lists(st.text(), max_size=3), st.lists(st.text(), max_size=3), st.text())
def test_words_are_text_alone(source: list[str], target: list[str], caption: str) -> None:
    weights_TS = np.full((len(target), len(source)), 0.5)
    table = Table(heatmap(source, target, weights_TS, frozenset(), caption=caption))
    assert set(table.tags) <= TAGS
    assert len(table.titles) == len(source) * len(target)
