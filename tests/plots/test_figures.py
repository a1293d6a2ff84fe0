import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.image import imread

from rnnsearch.plots import fonts
from rnnsearch.plots.attention import attention_matrix, words_of_pieces
from rnnsearch.plots.images import png, show_in_notebooks, svg
from rnnsearch.plots.learning_curves import Curve, learning_curves, mean_curve
from rnnsearch.plots.length_curves import Band, score_by_length, trained_place
from rnnsearch.plots.shifts import Shift, shifts
from rnnsearch.plots.style import line, panel, plain


def test_the_mean_curve_has_the_updates_that_all_runs_have() -> None:
    curves = [Curve("a", 0, (10, 20, 30), (1.0, 2.0, 3.0)), Curve("a", 1, (10, 30), (3.0, 5.0))]
    assert mean_curve(curves) == ([10, 30], [2.0, 4.0])


def test_learning_curves_draw_each_seed_and_the_mean() -> None:
    curves = [Curve("b", seed, (10, 20), (1.0 + seed, 2.0)) for seed in (0, 1)]
    figure = learning_curves(curves, members=("a", "b"), quantity="loss")
    (axes,) = figure.axes
    assert [list(line.get_ydata()) for line in axes.lines] == [[1.0, 2.0], [2.0, 2.0], [1.5, 2.0]]
    assert axes.lines[-1].get_color() == "#0072B2"  # the second member keeps its colour without the first


def test_length_figure_has_bands_counts_and_the_trained_length() -> None:
    bands = [Band(name, (30.0, 20.0), (28.0, 17.0), (32.0, 23.0)) for name in ("fixed", "add$itive$")]
    figure = score_by_length(["1–10", "11–40"], [1234, 66], bands, quantity="BLEU", trained=0.5)
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1–10\nn = 1,234", "11–40\nn = 66"]
    assert len(axes.collections) == 2
    assert axes.lines[-1].get_xdata()[0] == 0.5
    assert "<svg" in svg(figure)


def test_place_of_the_trained_length() -> None:
    spans = [(1, 10), (11, 20), (21, 40)]
    assert trained_place(spans, 20) == 1.5
    assert trained_place(spans, 10) == 0.5
    assert trained_place(spans, 30) == pytest.approx(2.0)
    assert trained_place(spans, 40) is None
    assert trained_place(spans, 99) is None


@pytest.mark.parametrize(
    ("pieces", "words", "word_of_piece"),
    [
        (["▁Haus", "tür", ".", "▁ist", "</s>"], ["Haustür.", "ist", "</s>"], [0, 0, 0, 1, 2]),
        (["Ein", "Mann", "</s>"], ["Ein", "Mann", "</s>"], [0, 1, 2]),
        (["▁", "ἐν", "▁ἀρχῇ"], ["ἐν", "ἀρχῇ"], [0, 0, 1]),
        (["▁", "▁a"], ["␣", "a"], [0, 1]),
        (
            ["▁经常", "农民", "听到", "它", "。", "</s>"],
            ["经常", "农民", "听到", "它", "。", "</s>"],
            [0, 1, 2, 3, 4, 5],
        ),
        (["▁", "我", "用", "▁i", "Phone", "打"], ["我", "用", "iPhone", "打"], [0, 0, 1, 2, 2, 3]),
        (
            ["▁", "<0xE7>", "<0xA7>", "<0x81>", "は", "▁犬", "<0xF0>", "<0x9F>", "<0x98>", "<0x80>", "好", "</s>"],
            ["私", "は", "犬", "😀", "好", "</s>"],
            [0, 0, 0, 0, 1, 2, 3, 3, 3, 3, 4, 5],
        ),
        (["▁Gr", "<0xC3>", "<0xBC>", "n", "<0xC3>", "</s>"], ["Grün�", "</s>"], [0, 0, 0, 0, 0, 1]),
        (["▁ที่", "นี", "่", "ดี"], ["ที่", "นี่", "ดี"], [0, 1, 1, 2]),
        (["▁나는", "▁학생", "이다"], ["나는", "학생이다"], [0, 1, 1]),
    ],
)
def test_pieces_become_readable_words(pieces: list[str], words: list[str], word_of_piece: list[int]) -> None:
    assert words_of_pieces(pieces) == (words, word_of_piece)


def test_no_word_of_a_matrix_is_cut_off_or_read_as_a_formula(tmp_path: Path) -> None:
    source = ["Donaudampfschifffahrtsgesellschaftskapitänsmütze", "ἐν", "$5", "$x_{"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = attention_matrix(np.eye(4), source, ["a", "incomprehensibilities", "$5", "\\frac"])
        (tmp_path / "matrix.png").write_bytes(png(figure, "digest"))
    pixels = imread(tmp_path / "matrix.png")
    assert pixels.shape[0] > 400
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert (edge == 1.0).all()  # ink at the edge would be a label that goes on beyond it
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == source


def test_a_script_that_no_font_has_is_told_once_and_left_to_the_browser(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fonts, "_fonts", lambda: ())
    fonts.families_for.cache_clear()
    fonts._say_missing.cache_clear()
    for _ in range(2):
        figure = attention_matrix(np.eye(1), ["漢"], ["字"])
        drawn = svg(figure)
        assert ">漢<" in drawn
        assert ">字<" in drawn
    with pytest.raises(ValueError, match="no font here has 字 漢"):
        png(figure, "digest")
    (told,) = caplog.messages
    assert "CJK characters (字 漢)" in told
    assert "rnnsearch[fonts]" in told
    fonts.families_for.cache_clear()


@pytest.mark.parametrize(
    "text", ["经常 농민 聴く", "สวัสดี ที่นี่", "नमस्ते क्षत्रिय", "ខ្ញុំចូលចិត្ត", "မြန်မာ", "שלום انتباه", "ἐν — …"]
)
def test_every_script_is_drawn_with_letters(text: str, caplog: pytest.LogCaptureFixture) -> None:
    figure = attention_matrix(np.eye(1), [text], ["a"])
    assert fonts.fit(figure) == ""
    assert png(figure, "digest")
    assert caplog.messages == []


def test_columns_of_a_sentence_that_is_read_from_the_right_run_from_the_right() -> None:
    arabic = attention_matrix(np.eye(2), ["يقرأ", "</s>"], ["he", "reads"])
    assert arabic.axes[0].xaxis.get_inverted()
    assert not attention_matrix(np.eye(2), ["he", "reads"], ["يقرأ", "</s>"]).axes[0].xaxis.get_inverted()


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("short", "short"),
        ("", ""),
        ("one two three", "one two\nthree"),
        ("abcdefghijkl", "abcdefgh\nijkl"),
        ("长长长长长长", "长长长长\n长长"),
        ("abcdefghijklmnopqrstuvwxyz", "abcdefg…\ntuvwxyz"),
        ("a$b$ \x1b", "a$b$\n\\u001b"),
        ("a\tb\nc", r"a\tb\nc"),
    ],
)
def test_a_label_is_drawn_on_a_few_lines(text: str, drawn: str) -> None:
    assert plain(text, 8, 2) == drawn


@pytest.mark.parametrize("name", ["_mine", " ", "additive"])
def test_a_legend_has_every_member(name: str) -> None:
    figure, axes = panel(4, 3)
    line(axes, [1, 2], [3, 4], place=0, label=name)
    assert [text.get_text().strip() for text in axes.legend().get_texts()] == [name.strip()]
    assert figure.axes == [axes]


def test_figures_are_the_same_twice() -> None:
    def draw() -> str:
        return svg(attention_matrix(np.eye(2), ["ä", "b"], ["c", "d"]))

    assert draw() == draw()


def test_shifts_have_a_panel_a_measure_and_a_row_a_change() -> None:
    both, one = [Shift("uniform", -2.0, -3.0, -1.0), Shift("other_run", 0.5, 0.4, 0.6)], [Shift("uniform", 1, 0, 2)]
    figure = shifts([("nats a token", 2.5, both), ("BLEU", 30.0, one)])
    left, right = figure.axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["uniform", "other_run"]
    assert [list(line.get_xdata()) for line in left.lines[1:]] == [[-2.0], [0.5]]
    assert [list(line.get_ydata()) for line in right.lines[1:]] == [[0]]
    assert (left.get_xlabel(), right.get_xlabel()) == (
        "nats a token: difference from 2.50",
        "BLEU: difference from 30.00",
    )
    assert "<svg" in svg(figure)


def test_a_notebook_shows_a_figure_as_it_was_told_or_as_reports_do(monkeypatch: pytest.MonkeyPatch) -> None:
    from IPython.core.formatters import DisplayFormatter

    shell = SimpleNamespace(display_formatter=DisplayFormatter())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    figure, _ = panel(4, 3)
    assert "image/png" not in shell.display_formatter.format(figure)[0]
    show_in_notebooks()
    assert shell.display_formatter.format(figure)[0]["image/png"] == png(figure)
    shell.display_formatter.formatters["image/png"].for_type(type(figure), lambda figure: b"mine")
    show_in_notebooks()
    assert shell.display_formatter.format(figure)[0]["image/png"] == b"mine"
