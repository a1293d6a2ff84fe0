"""Gold links from a file: sure and possible, plain and compressed, and what is wrong with a line."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnsearch.evaluation.alignment import GoldLinks, parse_pharaoh
from rnnsearch.evaluation.gold import format_gold, read_gold

TEXTS = [("das Haus ist rot", "the house is red"), ("ja", "oh yes"), ("nein", "no")]
links = st.frozensets(st.tuples(st.integers(0, 30), st.integers(0, 30)))


def test_sure_and_possible_links_of_each_line(tmp_path: Path) -> None:
    path = tmp_path / "gold.txt"
    path.write_text("0-0 3p3 1-1\n0-1 0p0\r\n\n")
    first, second, third = read_gold(path, TEXTS)
    assert first == GoldLinks(frozenset({(0, 0), (1, 1)}), frozenset({(0, 0), (1, 1), (3, 3)}))
    assert second == GoldLinks(frozenset({(0, 1)}), frozenset({(0, 1), (0, 0)}))
    assert third == GoldLinks(frozenset(), frozenset())


def test_a_compressed_file_that_counts_from_one(tmp_path: Path) -> None:
    path = tmp_path / "gold.gz"
    path.write_bytes(gzip.compress(b"1-1 4p4 2-2\n1-2 1p1\n\n"))
    plain = tmp_path / "gold"
    plain.write_text("0-0 3p3 1-1\n0-1 0p0\n\n")
    assert read_gold(path, TEXTS, one_indexed=True) == read_gold(plain, TEXTS)


@given(links, links)
def test_gold_survives_writing_and_reading(sure: frozenset[tuple[int, int]], more: frozenset[tuple[int, int]]) -> None:
    gold = GoldLinks(sure, sure | more)
    assert parse_pharaoh(format_gold(gold)) == gold


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0-0\n0-0\n", "2 lines but the split has 3 pairs"),
        ("0-0\n0-0\n0-0\n\n", "4 lines but the split has 3 pairs"),
        ("0-0\n0:0\n0-0\n", "line 2: '0:0' is no link"),
        ("0-0\n0-1\n0-1\n", "line 3: link 0-1 is beyond the 1 source and 1 target words of the pair, counted from 0"),
        ("4-0\n0-1\n0-0\n", "line 1: link 4-0 is beyond .* set one_indexed=true if the file counts from 1"),
        ("", "is empty"),
    ],
)
def test_what_is_wrong_with_a_file(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "gold"
    path.write_text(text)
    with pytest.raises(ValueError, match=sentence):
        read_gold(path, TEXTS)


def test_zero_in_a_file_that_counts_from_one(tmp_path: Path) -> None:
    path = tmp_path / "gold"
    path.write_text("1-1\n1-2\n0-1\n")
    with pytest.raises(ValueError, match="line 3: '0-1' counts from 0"):
        read_gold(path, TEXTS, one_indexed=True)
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        read_gold(tmp_path / "nowhere", TEXTS)
