"""N-best lists rescored by a model: the JSON lines of ``translate format=jsonl``, in and out."""

import json
import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rnnsearch.data.tokenizer import BOS, EOS, PAD, SPECIALS
from rnnsearch.evaluation.forcing import Forced, force
from rnnsearch.evaluation.system import System

logger = logging.getLogger(__name__)

Entry = dict[str, Any]


def parse_entry(line: str, place: str) -> Entry:
    """The object of a JSON line: a source and hypotheses, each with a text and perhaps tokens.

    Raises:
        ValueError: if the line is something else; ``place`` says which line.
    """
    try:
        entry = json.loads(line, parse_float=_finite, parse_constant=_finite)
    except OverflowError as error:
        raise ValueError(
            f"{place} holds the number {error}, which JSON cannot write; take it out of the line"
        ) from None
    except (ValueError, RecursionError):
        entry = None
    if not (isinstance(entry, dict) and isinstance(entry.get("source"), str) and _are(entry.get("hypotheses"), dict)):
        raise ValueError(f"{place} is no JSON object with source and hypotheses, as translate format=jsonl writes them")
    for hypothesis in entry["hypotheses"]:
        if not isinstance(hypothesis.get("text"), str) or not _are(hypothesis.get("tokens", []), str):
            raise ValueError(f"{place} has a hypothesis without a text, or with tokens that are no list of texts")
    return entry


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise OverflowError(number[:20])  # a number may have many digits
    return value


def _are(values: Any, kind: type) -> bool:
    return isinstance(values, list) and all(isinstance(value, kind) for value in values)


def texts_of(entry: Entry) -> list[str]:
    """The source and the hypotheses' texts."""
    return [entry["source"], *(hypothesis["text"] for hypothesis in entry["hypotheses"])]


@dataclass
class Rescorer:
    """Scores hypotheses by a system and puts the best first.

    ``own_pieces`` scores the pieces that the lists hold; otherwise texts are segmented anew, and hypotheses whose own
    pieces differ from that are counted. ``average`` divides log p by the number of tokens, the end of sentence counted,
    as search does.
    """

    system: System
    own_pieces: bool
    average: bool
    hypotheses: int = 0
    resegmented: int = 0

    def rescore(self, entries: Sequence[Entry]) -> list[Entry]:
        """The entries with a new ``score`` and ``log_prob`` in each hypothesis; ties keep their order.

        Raises:
            ValueError: with ``own_pieces``, if a hypothesis has no tokens, or one that is not in the vocabulary.
        """
        pairs = [
            (sources, self._ids(hypothesis))
            for entry in entries
            for sources in [self.system.source_ids(entry["source"])]
            for hypothesis in entry["hypotheses"]
        ]
        forced = dict(force(self.system, pairs, weights=False))
        scores = iter([self._scores(forced[place]) for place in range(len(pairs))])
        return [{**entry, "hypotheses": _ranked(entry["hypotheses"], scores)} for entry in entries]

    def report(self) -> None:
        """Log how many hypotheses there were, and how many were segmented differently."""
        how = "of their own pieces" if self.own_pieces else f"{self.resegmented} segmented otherwise than their tokens"
        logger.info("scored %d hypotheses, %s", self.hypotheses, how)

    def _ids(self, hypothesis: Entry) -> list[int]:
        target, tokens = self.system.target, hypothesis.get("tokens")
        self.hypotheses += 1
        if self.own_pieces:
            return self._ids_of_pieces(tokens)
        ids = target.encode(hypothesis["text"])
        self.resegmented += tokens is not None and target.pieces(ids) != _without_end(tokens)
        return ids

    def _ids_of_pieces(self, tokens: list[str] | None) -> list[int]:
        if tokens is None:
            raise ValueError("pieces=own: a hypothesis has no tokens; write them with translate format=jsonl")
        unknown = [piece for piece in _without_end(tokens) if piece not in self._vocabulary]
        if unknown:
            raise ValueError(
                f"pieces=own: {unknown[0]!r} is no piece of this run's target vocabulary; "
                "the lists must come from a run with the same, or be scored as text: pieces=text"
            )
        return [self._vocabulary[piece] for piece in _without_end(tokens)]

    @cached_property
    def _vocabulary(self) -> dict[str, int]:
        """The id of each piece, without padding and the ends of sentence, which no translation contains."""
        ids = [i for i in range(self.system.target.size) if i not in (PAD, BOS, EOS)]
        return dict(zip(self.system.target.pieces(ids), ids, strict=True))

    def _scores(self, forced: Forced) -> dict[str, float]:
        score = forced.log_prob / forced.tokens if self.average else forced.log_prob
        return {"score": round(score, 6), "log_prob": round(forced.log_prob, 6)}


def _without_end(tokens: list[str]) -> list[str]:
    return tokens[:-1] if tokens[-1:] == [SPECIALS[EOS]] else tokens


def _ranked(hypotheses: Sequence[Entry], scores: Iterator[dict[str, float]]) -> list[Entry]:
    """Hypotheses with their scores, in place of older ones, the best first."""
    scored = [{**hypothesis, **next(scores)} for hypothesis in hypotheses]
    return sorted(scored, key=lambda hypothesis: -hypothesis["score"])
