import math
from itertools import pairwise

import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st

from rnnsearch.evaluation.length import Bucket, buckets, by_length, default_edges, merge


def sized(*sizes: int) -> list[Bucket]:
    return [Bucket(5 * i + 1, 5 * i + 5, tuple(range(size))) for i, size in enumerate(sizes)]


def test_width_follows_the_data() -> None:
    assert default_edges([12] * 99 + [38]) == [5, 10, 15, 20, 25, 30, 35, 40]
    assert default_edges([12] * 80 + [55] * 20) == [10, 20, 30, 40, 50, 60]


def test_edges_end_buckets_and_longer_sentences_are_one_more() -> None:
    found = buckets([3, 5, 6, 10, 11, 47], edges=[5, 10], minimum=1)
    assert [(b.low, b.high, b.rows) for b in found] == [(1, 5, (0, 1)), (6, 10, (2, 3)), (11, 47, (4, 5))]
    found = buckets([12, 0, 47], edges=[5, 10, 15], minimum=0)
    assert [(b.low, b.high, b.rows) for b in found] == [(0, 5, (1,)), (6, 10, ()), (11, 15, (0,)), (16, 47, (2,))]


def test_small_buckets_join_their_smaller_neighbour() -> None:
    assert [(b.low, b.high, b.n) for b in merge(sized(60, 200, 30, 10, 3))] == [(1, 5, 60), (6, 25, 243)]
    assert [(b.low, b.high, b.n) for b in merge(sized(60, 200, 30, 10, 13))] == [(1, 5, 60), (6, 10, 200), (11, 25, 53)]
    assert [b.n for b in merge(sized(49, 50))] == [99]
    assert [b.n for b in merge(sized(50, 50))] == [50, 50]
    assert [b.n for b in merge(sized(7))] == [7]


@given(st.lists(st.integers(0, 70), min_size=1, max_size=300), st.integers(1, 60))
def test_every_sentence_is_in_one_bucket(lengths: list[int], minimum: int) -> None:
    found = buckets(lengths, minimum=minimum)
    assert sorted(row for b in found for row in b.rows) == list(range(len(lengths)))
    assert all(b.low <= lengths[row] <= b.high for b in found for row in b.rows)
    assert len(found) == 1 or min(b.n for b in found) >= minimum
    assert all(later.low == earlier.high + 1 for earlier, later in pairwise(found))


def test_scores_of_a_bucket_are_corpus_scores_of_its_sentences() -> None:
    rows = [
        {
            "source_words": 4 + 8 * (i % 2),
            "hypothesis": f"a man {i % 7} walks his dog",
            "reference": f"a man {i % 5} walks the dog",
            "nll": 3.0 + i,
            "tokens": 6 + i % 3,
        }
        for i in range(120)
    ]
    short, long = by_length(rows)
    assert (short["low"], short["high"], short["n"], long["low"], long["high"], long["n"]) == (1, 10, 60, 11, 12, 60)
    chosen = rows[1::2]
    pairs = [row["hypothesis"] for row in chosen], [[row["reference"] for row in chosen]]
    assert long["bleu"] == sacrebleu.corpus_bleu(*pairs).score
    assert long["chrf"] == sacrebleu.corpus_chrf(*pairs).score
    expected = math.fsum(float(row["nll"]) for row in chosen) / sum(int(row["tokens"]) for row in chosen)
    assert long["nll"] == pytest.approx(expected, rel=1e-12)


def test_bad_edges_are_refused() -> None:
    with pytest.raises(ValueError, match="must increase"):
        buckets([1, 2], edges=[5, 5])
    with pytest.raises(ValueError, match="no sentences"):
        buckets([])
