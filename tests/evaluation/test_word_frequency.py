"""F1 of words by how often training showed them: by hand, against a count word by word, as properties."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnsearch.evaluation.scoring import EARLIER, Scoring
from rnnsearch.evaluation.word_frequency import BUCKETS, by_frequency, resample_buckets, word_counts, words_of

SEEN = {"once": 1, "few": 2, "five": 5, "six": 6, "ten": 10, "eleven": 11, "many": 1001, "common": 1000}
WORDS = [*SEEN, "never", "new"]
SENTENCES = st.lists(st.sampled_from(WORDS), max_size=8)


def row(hypothesis: str, reference: str) -> dict[str, Any]:
    return {"hypothesis": hypothesis, "reference": reference}


def found(rows: list[dict[str, Any]], scoring: Scoring = EARLIER) -> dict[str, dict[str, Any]]:
    scores = by_frequency(rows, lambda words: SEEN, scoring, resamples=100, seed=1)
    labels = {(bucket.low, bucket.high): bucket.label for bucket in BUCKETS}
    return {labels[score["low"], score["high"]]: score for score in scores}


def test_by_hand() -> None:
    # never seen: matched 1 of 2 written, 3 wanted; once: none written, 1 wanted; 2 to 5: 2 matched of 3 and 2
    rows = [row("never, never few few", "never few five!"), row("five.", "new new once few five")]
    scores = found(rows)
    assert list(scores) == ["0", "1", "2–5"]
    rare, once, few = scores.values()
    assert (rare["words"], rare["precision"], rare["recall"]) == (3, 1 / 2, 1 / 3)
    assert rare["f1"] == pytest.approx(2 * (1 / 2) * (1 / 3) / (1 / 2 + 1 / 3))
    assert (once["words"], once["precision"], once["recall"], once["f1"]) == (1, None, 0.0, 0.0)
    assert (few["words"], few["precision"], few["recall"]) == (4, 2 / 3, 2 / 4)
    assert found([row("never", "once")])["0"]["recall"] is None


def test_every_number_of_times_has_one_bucket() -> None:
    text = " ".join(WORDS)
    scores = found([row(text, text)])
    assert {label: score["words"] for label, score in scores.items()} == {
        "0": 2, "1": 1, "2–5": 2, "6–10": 2, "11–100": 1, "101–1,000": 1, "over 1,000": 1,
    }  # fmt: skip
    for count in (*range(1200), 10**9):
        counts = word_counts([row("w", "w")], {"w": count}, EARLIER)[0, :, 0]
        inside = [bucket.low <= count and (bucket.high is None or count <= bucket.high) for bucket in BUCKETS]
        assert counts.tolist() == inside


def _oracle(rows: list[dict[str, Any]], low: int, high: int | None) -> tuple[int, int, int]:
    """Matches each word of a translation with one of the reference that is still free."""
    matched = own = wanted = 0
    for sentence in rows:
        inside = [
            [w for w in sentence[side].split() if low <= SEEN.get(w, 0) and (high is None or SEEN.get(w, 0) <= high)]
            for side in ("hypothesis", "reference")
        ]
        free = list(inside[1])
        for word in inside[0]:
            if word in free:
                free.remove(word)
                matched += 1
        own, wanted = own + len(inside[0]), wanted + len(inside[1])
    return matched, own, wanted


@given(st.lists(st.tuples(SENTENCES, SENTENCES), min_size=1, max_size=6))
def test_counts_are_those_of_matching_word_by_word(pairs: list[tuple[list[str], list[str]]]) -> None:
    rows = [row(" ".join(hypothesis), " ".join(reference)) for hypothesis, reference in pairs]
    counts = word_counts(rows, SEEN, EARLIER).sum(axis=0)
    assert counts.tolist() == [list(_oracle(rows, bucket.low, bucket.high)) for bucket in BUCKETS]
    assert counts[:, 2].sum() == sum(len(reference) for _, reference in pairs)
    turned = word_counts([row(r["reference"], r["hypothesis"]) for r in rows], SEEN, EARLIER).sum(axis=0)
    assert turned[:, [0, 2, 1]].tolist() == counts.tolist()


def test_words_are_those_of_the_scored_form() -> None:
    rows = [row("scho\u0308n", "schön")]
    nfc = Scoring(normalization="nfc")
    assert words_of(rows, nfc) == {"schön"}
    assert found(rows, nfc)["0"]["f1"] == 1.0
    assert found(rows)["0"]["f1"] == 0.0


def test_intervals_are_the_quantiles_of_drawn_sentences() -> None:
    generator = np.random.default_rng(3)
    rows = [row(*(" ".join(generator.choice(WORDS, 6)) for _ in range(2))) for _ in range(40)]
    counts = word_counts(rows, SEEN, EARLIER)
    drawn = resample_buckets(counts[None], resamples=50, seed=7)
    same = np.random.default_rng(7).integers(40, size=(50, 40))
    for place in range(len(BUCKETS)):
        sums = np.array([counts[draw, place].sum(axis=0) for draw in same])
        expected = 2 * sums[:, 0] / np.maximum(sums[:, 1] + sums[:, 2], 1)
        assert np.allclose(drawn[place].draws_RS[:, 0], expected)
    scores = by_frequency(rows, lambda words: SEEN, EARLIER, resamples=50, seed=7)
    low, high = np.quantile(drawn[0].draws_RS[:, 0], [0.025, 0.975])
    assert scores[0]["f1_interval"] == [pytest.approx(low), pytest.approx(high)]


def test_only_the_words_at_hand_are_looked_up() -> None:
    asked: list[Counter[str]] = []
    by_frequency([row("a b", "b, c.")], lambda words: asked.append(Counter(words)) or {}, EARLIER, resamples=2, seed=1)
    assert asked == [Counter("abc")]
