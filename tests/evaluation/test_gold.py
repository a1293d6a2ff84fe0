"""Gold links from a file."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnsearch.evaluation.alignment_links import GoldLinks, alignment_score, parse_pharaoh
from rnnsearch.evaluation.gold import format_gold, read_gold

links = st.frozensets(st.tuples(st.integers(0, 30), st.integers(0, 30)))
TEXTS = [("a b c", "x y"), ("d", "z")]


def written(folder: Path, text: str) -> Path:
    path = folder / "gold"
    path.write_text(text)
    return path


def test_sure_and_possible_links_counted_from_one(tmp_path: Path) -> None:
    [first, second] = read_gold(written(tmp_path, "1-1 3p2\n\n"), TEXTS, one_indexed=True)
    assert (first.sure, first.possible) == ({(0, 0)}, {(0, 0), (2, 1)})
    assert second.possible == frozenset()
    assert format_gold(first) == "0-0 2p1"
    # A = {0-0, 2-1, 1-1}: |A∩S| = 1, |A∩P| = 2, so AER = 1 - (1 + 2) / (3 + 1), precision 2/3, recall 1
    score = alignment_score([{(0, 0), (2, 1), (1, 1)}], [first])
    assert (score.aer, score.precision, score.recall) == (0.25, pytest.approx(2 / 3), 1.0)


def test_a_compressed_file(tmp_path: Path) -> None:
    path = tmp_path / "gold.gz"
    path.write_bytes(gzip.compress(b"0-0\n0-0\n"))
    assert [one.sure for one in read_gold(path, TEXTS)] == [{(0, 0)}, {(0, 0)}]


@pytest.mark.parametrize("text", ["a  b\tc ", "\u00a0a b\u3000c", " a \t b c"])
def test_blanks_of_any_kind_and_number_are_no_words(tmp_path: Path, text: str) -> None:
    [found] = read_gold(written(tmp_path, " 2-1\t\u00a00-0  \n"), [(text, " x  y ")])
    assert found.sure == {(0, 0), (2, 1)}
    with pytest.raises(ValueError, match="link 3-0 is beyond the 3 source and 2 target words"):
        read_gold(written(tmp_path, "3-0\n"), [(text, " x  y ")])


@given(links, links)
def test_gold_survives_writing_and_reading(sure: frozenset[tuple[int, int]], more: frozenset[tuple[int, int]]) -> None:
    gold = GoldLinks(sure, sure | more)
    assert parse_pharaoh(format_gold(gold)) == gold


@pytest.mark.parametrize(
    ("text", "one_indexed", "sentence"),
    [
        ("0-0\n", False, "1 lines but the split has 2 pairs"),
        ("0-0\n0:0\n", False, "line 2: '0:0' is no link"),
        ("3-0\n0-0\n", False, "line 1: link 3-0 is beyond the 3 source and 2 target words .* set one_indexed=true"),
        ("0-0\n1-1\n", True, "line 1: '0-0' counts from 0"),
        ("1-3\n1-1\n", True, "line 1: link 1-3 is beyond the 3 source and 2 target words of the pair, counted from 1$"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, text: str, one_indexed: bool, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_gold(written(tmp_path, text), TEXTS, one_indexed=one_indexed)
