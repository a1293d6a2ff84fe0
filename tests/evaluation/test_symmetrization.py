"""Symmetrization: worked examples, and what must hold for any two alignments."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnsearch.evaluation.alignment_links import Link, Links, parse_pharaoh
from rnnsearch.evaluation.symmetrization import METHODS, NEIGHBOURS, symmetrize

alignments = st.frozensets(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=14)


def links(text: str) -> Links:
    return parse_pharaoh(text).sure


@pytest.mark.parametrize(
    ("forward", "backward", "grown"),
    [
        # 1-1 lies beside 0-0 and aligns both of its words; 3-3 is beside nothing
        ("0-0 1-1", "0-0 3-3", "0-0 1-1"),
        # a chain: 2-1 becomes a neighbour once 1-1 is in, and aligns source word 2
        ("0-0 1-1 2-1", "0-0", "0-0 1-1 2-1"),
        # 1-0 and 0-1 each align one new word; 1-1 then aligns none
        ("0-0 1-0 1-1", "0-0 0-1", "0-0 0-1 1-0"),
        # the same, but 1-1 comes from nowhere else: straight neighbours come before diagonal ones
        ("0-0 1-1", "0-0 0-1 1-0", "0-0 0-1 1-0"),
        # nothing to start from
        ("0-0 1-1", "0-1 1-0", ""),
        ("", "", ""),
        # a link between two words that are aligned already is left out, though it lies beside both
        ("0-0 1-1 0-1", "0-0 1-1", "0-0 1-1"),
        # two candidates for source word 1: 1-0 is visited first (from 0-0, source word + 1), then 1-2 aligns target 2
        ("0-0 1-0", "0-0 0-1 1-2", "0-0 0-1 1-0 1-2"),
    ],
)
def test_growing_by_hand(forward: str, backward: str, grown: str) -> None:
    assert symmetrize(links(forward), links(backward), "grow_diag") == links(grown)


def test_both_and_either_by_hand() -> None:
    one, other = links("0-0 1-1"), links("1-1 2-1")
    assert symmetrize(one, other, "intersection") == links("1-1")
    assert symmetrize(one, other, "union") == links("0-0 1-1 2-1")


def published(forward: Links, backward: Links, size: int = 7) -> Links:
    """GROW-DIAG as Koehn, Och and Marcu (2003) print it: over all places, those that were just added too."""
    alignment, either = set(forward & backward), forward | backward
    while True:
        before = len(alignment)
        for target in range(size):
            for source in range(size):
                if (source, target) not in alignment:
                    continue
                for i, j in NEIGHBOURS:
                    new = source + i, target + j
                    aligned = any(s == new[0] for s, _ in alignment) and any(t == new[1] for _, t in alignment)
                    if new in either and new not in alignment and not aligned:
                        alignment.add(new)
        if len(alignment) == before:
            return frozenset(alignment)


@settings(max_examples=400)
@given(one=alignments, other=alignments)
def test_growing_is_the_published_loop(one: Links, other: Links) -> None:
    assert symmetrize(one, other, "grow_diag") == published(one, other)


@given(one=alignments, other=alignments)
def test_grown_lies_between_both_and_either(one: Links, other: Links) -> None:
    both, grown, either = (symmetrize(one, other, how) for how in ("intersection", "grow_diag", "union"))
    assert both <= grown <= either
    assert symmetrize(other, one, "grow_diag") == grown
    assert symmetrize(grown, either, "grow_diag") >= grown


@given(one=alignments, other=alignments)
def test_growing_stops_only_where_nothing_is_left_to_add(one: Links, other: Links) -> None:
    grown = symmetrize(one, other, "grow_diag")
    sources, targets = ({link[side] for link in grown} for side in (0, 1))
    for source, target in (one | other) - grown:
        beside = any((source + i, target + j) in grown for i, j in NEIGHBOURS)
        assert not beside or (source in sources and target in targets)


@given(one=alignments, other=alignments)
def test_every_grown_link_aligned_a_word_of_its_own(one: Links, other: Links) -> None:
    both, grown = one & other, symmetrize(one, other, "grow_diag")
    words = {("source", s) for s, _ in grown} | {("target", t) for _, t in grown}
    had = {("source", s) for s, _ in both} | {("target", t) for _, t in both}
    assert len(grown - both) <= len(words - had)


@given(alignment=alignments)
def test_equal_alignments_stay_as_they_are(alignment: Links) -> None:
    assert {symmetrize(alignment, alignment, how) for how in METHODS} == {alignment}


@pytest.mark.parametrize("how", ["intersection", "union"])
@given(one=alignments, other=alignments)
def test_turning_commutes(how: str, one: Links, other: Links) -> None:
    def turned(some: Links) -> Links:
        return frozenset(map(turn, some))

    assert turned(symmetrize(one, other, how)) == symmetrize(turned(one), turned(other), how)


def turn(link: Link) -> Link:
    return link[1], link[0]


def test_another_way_is_refused() -> None:
    with pytest.raises(ValueError, match="symmetrize=grow: choose one of intersection, union, grow_diag"):
        symmetrize(frozenset(), frozenset(), "grow")
