import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from rnnsearch.study.curve_figures import learning_curves
from rnnsearch.study.curves import Curve, mean_curve
from rnnsearch.study.figures import attention_matrix, save_png, svg, words_of_pieces
from rnnsearch.study.length_figures import Band, score_by_length, trained_place


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
    ],
)
def test_pieces_become_readable_words(pieces: list[str], words: list[str], word_of_piece: list[int]) -> None:
    assert words_of_pieces(pieces) == (words, word_of_piece)


def test_no_word_of_a_matrix_is_cut_off_or_read_as_a_formula(tmp_path: Path) -> None:
    source = ["Donaudampfschifffahrtsgesellschaftskapitänsmütze", "ἐν", "$5", "$x_{"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = attention_matrix(np.eye(4), source, ["a", "incomprehensibilities", "$5", "\\frac"])
        save_png(figure, tmp_path / "matrix.png")
    pixels = imread(tmp_path / "matrix.png")
    assert pixels.shape[0] > 400
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert (edge == 1.0).all()  # ink at the edge would be a label that goes on beyond it
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == source


def test_a_script_that_the_font_lacks_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    svg(attention_matrix(np.eye(1), ["漢"], ["字"]))
    assert "Glyph" in caplog.text


def test_figures_are_the_same_twice() -> None:
    def draw() -> str:
        return svg(attention_matrix(np.eye(2), ["ä", "b"], ["c", "d"]))

    assert draw() == draw()
