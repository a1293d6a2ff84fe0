"""How a translation is written: as text, as a table, as JSON; and its links in Pharaoh's format."""

import json
from collections.abc import Callable, Mapping

from rnnsearch.evaluation.alignment_links import format_pharaoh
from rnnsearch.evaluation.trained_model import Hypothesis, Translation

GLUE = "\u00a0"  # a blank that divides no words
Rendering = Callable[[int, Translation, str | None], str]
"""From a line's number (from 1), its translation and the alignment method (or None) to whole lines."""


def as_text(number: int, translation: Translation, method: str | None) -> str:
    """The best hypothesis."""
    return f"{_one_field(translation.text)}\n"


def as_tsv(number: int, translation: Translation, method: str | None) -> str:
    """Number of the line, rank from 1, score, log p in nats and text of each hypothesis; no text has a tab."""
    return "".join(
        f"{number}\t{rank}\t{hypothesis.score:.6f}\t{hypothesis.log_prob:.6f}\t"
        f"{_one_field(hypothesis.text, tab=GLUE)}\n"
        for rank, hypothesis in enumerate(translation.hypotheses, 1)
    )


def as_jsonl(number: int, translation: Translation, method: str | None) -> str:
    """One object: the source, the method of alignments, and all hypotheses."""
    line = {
        "source": translation.source,
        "alignment_method": method,
        "hypotheses": [_values(hypothesis, method) for hypothesis in translation.hypotheses],
    }
    return json.dumps(line, ensure_ascii=False) + "\n"


def _values(hypothesis: Hypothesis, method: str | None) -> dict[str, object]:
    return {
        "text": hypothesis.text,
        "score": hypothesis.score,
        "log_prob": hypothesis.log_prob,
        "tokens": hypothesis.tokens,
        "alignment": None if method is None else format_pharaoh(hypothesis.alignment.links),
    }


FORMATS: Mapping[str, Rendering] = {"text": as_text, "tsv": as_tsv, "jsonl": as_jsonl}


def as_links(translation: Translation) -> str:
    """A line of the best hypothesis' links."""
    return f"{format_pharaoh(translation.hypotheses[0].alignment.links)}\n"


def _one_field(text: str, *, tab: str = "\t") -> str:
    """Text without characters that would end its line or field; the number of its words stays the same."""
    return text.replace("\r", GLUE).replace("\n", GLUE).replace("\t", tab)
