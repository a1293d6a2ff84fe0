"""What the page shows for a sentence, one panel a run. All of it is text that the templates escape."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rnnsearch.page.limits import Asked

if TYPE_CHECKING:  # the page itself needs no torch
    from rnnsearch.evaluation.trained_model import Hypothesis, Translation
    from rnnsearch.evaluation.word_alignment import Alignment

LEVELS = 20  # shades of the heatmap
METHODS = {
    "attention": "Attention weights",
    "saliency": "Gradient saliency (this model has no attention)",
}


class TranslatingModel(Protocol):
    """What the page needs of a `rnnsearch.evaluation.trained_model.TrainedModel`."""

    def translate(self, texts: Sequence[str], *, alignments: bool, beam_size: int, n_best: int) -> "list[Translation]":
        """The n-best translations of each text, with alignments."""
        ...


@dataclass(frozen=True, slots=True)
class Word:
    """A word of one side (a piece in a script without blanks), and the words of the other side it is linked to.

    ``before`` is the blank between it and the previous word, or nothing; ``note`` says the links in words.
    """

    text: str
    before: str
    links: tuple[int, ...]
    note: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A source word's weight for a target word: in percent, and as a shade of the heatmap."""

    percent: int
    level: int
    linked: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """A translation with its alignment; ``cells`` has a row for each target word, a cell for each source word."""

    text: str
    score: str
    log_prob: str
    source: list[Word]
    target: list[Word]
    cells: list[list[Cell]]


@dataclass(frozen=True, slots=True)
class Panel:
    """One run's translations of the sentence."""

    name: str
    method: str
    candidates: list[Candidate]


def panels(models: Mapping[str, TranslatingModel], asked: Asked) -> list[Panel]:
    """The panel of each model.

    Raises:
        ValueError: if a model refuses what is asked.
    """
    found = []
    for name, model in models.items():
        (translation,) = model.translate([asked.text], alignments=True, beam_size=asked.beam_size, n_best=asked.n_best)
        method = METHODS[translation.hypotheses[0].alignment.method]
        found.append(Panel(name, method, [_candidate(hypothesis) for hypothesis in translation.hypotheses]))
    return found


def _candidate(hypothesis: "Hypothesis") -> Candidate:
    alignment = hypothesis.alignment.drawn
    source, target = hypothesis.alignment.source, hypothesis.alignment.target
    return Candidate(
        text=hypothesis.text,
        score=_decimal(hypothesis.score),
        log_prob=_decimal(hypothesis.log_prob),
        source=_words(alignment.source, alignment.target, alignment.links, source),
        target=_words(alignment.target, alignment.source, [(j, i) for i, j in alignment.links], target),
        cells=_cells(alignment),
    )


def _words(
    own: Sequence[str], others: Sequence[str], links: Iterable[tuple[int, int]], whole: Sequence[str]
) -> list[Word]:
    """The words of one side; ``links`` begin on it, and ``whole`` are its words between blanks."""
    linked: list[list[int]] = [[] for _ in own]
    for here, there in sorted(links):
        linked[here].append(there)
    return [
        Word(text, before, tuple(to), f"linked to: {', '.join(others[i] for i in to)}" if to else "no link")
        for text, before, to in zip(own, _blanks(own, " ".join(whole)), linked, strict=True)
    ]


def _blanks(words: Sequence[str], text: str) -> Iterator[str]:
    """What stands before each word of a text: nothing if it directly follows the previous one, else a blank."""
    end = 0
    for word in words:
        start = text.find(word, end)
        yield "" if start == end else " "
        end = start + len(word) if start >= 0 else end


def _cells(alignment: "Alignment") -> list[list[Cell]]:
    weights = alignment.weights_TS.clip(0, 1).tolist()
    return [
        [Cell(round(100 * w), round(LEVELS * w), (column, row) in alignment.links) for column, w in enumerate(of_word)]
        for row, of_word in enumerate(weights)
    ]


def _decimal(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")
