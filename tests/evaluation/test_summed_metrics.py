"""Alignment and attention figures of lines of translations, whole and by length, by hand."""

import math
from typing import Any

import pytest

from rnnsearch.evaluation.length import by_length
from rnnsearch.evaluation.summed_metrics import alignment_metrics, attention_metrics, links_by


def line(gold: str | None, links: str | None, *, words: int = 1, attention: Any = None) -> dict[str, Any]:
    plain = {"hypothesis": "a b", "reference": "a b", "nll": 1.0, "tokens": 2, "source_words": words}
    return plain | {"gold": gold, "links": links, "links_method": "saliency", "attention": attention}


def sums(entropy: float, targets: int, sources: int) -> dict[str, float]:
    return {
        "entropy": entropy,
        "diagonality": 0.5 * targets,
        "targets": targets,
        "coverage": sources,
        "sources": sources,
    }


def test_error_rate_with_possible_links_over_a_corpus() -> None:
    # sentence 1: A = {00, 11, 23}, S = {00, 22}, P = S + {11}; sentence 2: A = {00}, S = {01}, P = S + {00}
    # |A| = 4, |S| = 3, |A and S| = 1 + 0, |A and P| = 2 + 1; the third has no gold, the fourth no links
    rows = [line("0-0 2-2 1p1", "0-0 1-1 2-3"), line("0-1 0p0", "0-0"), line(None, "0-0"), line("0-0", None)]
    found = alignment_metrics(rows)
    assert found == {
        "method": "saliency",
        "aer": pytest.approx(1 - (1 + 3) / (4 + 3)),
        "precision": pytest.approx(3 / 4),
        "recall": pytest.approx(1 / 3),
        "sentences": 2,
    }


def test_links_are_told_apart_by_how_they_were_made() -> None:
    both = line("0-0", "1-1") | {"links_method": "attention", "links_saliency": "2-2"}
    sampled = line("0-0", "1-1") | {"links_saliency": None}  # by saliency as a whole, but not among those of all models
    old = {key: value for key, value in line("0-0", "3-3").items() if key != "links_method"}
    none = line("0-0", None) | {"links_method": None}
    rows = [both, sampled, line("0-0", "4-4"), old, none]
    assert [row["links"] for row in links_by("saliency", rows)] == ["2-2", None, "4-4", None, None]
    assert [row["links"] for row in links_by("attention", rows)] == ["1-1", None, None, "3-3", None]
    assert {row["links_method"] for row in links_by("saliency", rows)} == {"saliency"}


def test_an_empty_line_of_gold_counts_against_precision() -> None:
    found = alignment_metrics([line("0-0", "0-0"), line("", "0-0")])
    assert found is not None
    assert (found["precision"], found["recall"], found["sentences"]) == (0.5, 1.0, 2)
    assert alignment_metrics([line("", "0-0")]) is None
    assert alignment_metrics([line("0-0", "")]) is None


def test_buckets_have_error_rates_and_attention_of_their_own() -> None:
    short = [line("0-0", "0-0", words=3, attention=sums(0.0, 2, 3)) for _ in range(30)]
    short += [line("0-1", "0-0", words=3, attention=sums(3.0, 1, 1)) for _ in range(30)]
    long = [line(None, "0-0", words=9) for _ in range(60)]
    first, second = by_length([*long, *short], edges=[5, 10])
    assert (first["n"], second["n"]) == (60, 60)
    assert first["aer"] == pytest.approx(1 / 2)
    assert first["entropy"] == pytest.approx(30 * 3.0 / (30 * (2 + 1)))
    assert (first["coverage"], first["diagonality"]) == (1.0, 0.5)
    assert [second[key] for key in ("aer", "entropy", "coverage", "diagonality")] == [None] * 4
    assert set(by_length(long)[0]) == {"low", "high", "n", "bleu", "chrf", "nll"}


def test_attention_of_a_corpus_is_weighted_by_words() -> None:
    rows = [line(None, None, attention=sums(math.log(2), 1, 2)), line(None, None, attention=sums(0.0, 3, 2))]
    found = attention_metrics([*rows, line(None, None)])
    assert found == {"entropy": pytest.approx(math.log(2) / 4), "coverage": 1.0, "diagonality": 0.5}
    assert attention_metrics([line(None, None)]) is None
