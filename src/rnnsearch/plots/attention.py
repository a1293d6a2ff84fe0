"""Attention weights as a matrix of words (the paper's Figure 3)."""

from collections.abc import Sequence
from itertools import accumulate
from unicodedata import bidirectional

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rnnsearch.data.scripts import drawn_words
from rnnsearch.data.sentencepiece_tokenizer import texts_of_pieces
from rnnsearch.plots.style import STYLE, drawn_columns, panel, plain

WORD = 60  # letters of a word beside a matrix


def attention_matrix(weights_TS: NDArray[np.float64], source: Sequence[str], target: Sequence[str]) -> Figure:
    """Attention weights as a matrix (the paper's Figure 3): a row for each target word, dark is 1.

    The columns run from right to left where the source is written so.
    """
    with mpl.rc_context(STYLE):
        above, beside = ([plain(word, WORD, 1) for word in words] for words in (source, target))
        high, broad = (max(map(drawn_columns, words), default=1) for words in (above, beside))
        figure, axes = panel(1.6 + 0.095 * broad + 0.26 * len(source), 0.9 + 0.095 * high + 0.26 * len(target))
        mesh = axes.pcolormesh(weights_TS, cmap="Blues", vmin=0.0, vmax=1.0, edgecolors="#EEF1F4", linewidth=0.4)
        axes.set_aspect("equal")
        axes.invert_yaxis()
        axes.xaxis.set_inverted(is_right_to_left(source))
        axes.xaxis.tick_top()
        axes.grid(visible=False)
        axes.set_xticks(np.arange(len(source)) + 0.5, above, rotation=90)
        axes.set_yticks(np.arange(len(target)) + 0.5, beside)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(True)
            spine.set_color("#AAB2BD")
        columns = max(4, len(source))  # of fewer, the scale would take all the room
        scale = axes.inset_axes((1 + 0.4 / columns, 0.0, 0.55 / columns, 1.0))  # as tall as the matrix
        figure.colorbar(mesh, cax=scale, ticks=[0.0, 0.5, 1.0]).outline.set_visible(False)
        return figure


def is_right_to_left(words: Sequence[str]) -> bool:
    """Whether most letters of a sentence are of a script that is written so (UAX 9: R and AL against L)."""
    kinds = [bidirectional(letter) for word in words for letter in word if word != "</s>"]
    return sum(kind in ("R", "AL") for kind in kinds) > kinds.count("L")


def words_of_pieces(pieces: Sequence[str]) -> tuple[list[str], list[int]]:
    """Joins pieces to readable words, see `drawn_words`, and gives for each piece the number of its word.

    A piece that starts with SentencePiece's ▁ starts a word; where no piece has one, each piece is a word already. The
    end of sentence is a word of its own.
    """
    marked = any(piece.startswith("▁") for piece in pieces)
    starts = (not marked or piece.startswith("▁") or piece == "</s>" for piece in pieces)
    words, word_of_piece = drawn_words(texts_of_pieces(pieces) if marked else pieces, [*accumulate(starts)])
    return [word or "␣" for word in words], word_of_piece
