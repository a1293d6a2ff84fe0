"""Remarks of one kind are shown together, and folded where there are many."""

from rnnsearch.study.remarks import MANY, Remark, by_kind


def test_many_of_a_kind_are_folded_and_hide_no_other() -> None:
    many = [Remark("doubt", "unequal", f"Run {number}.") for number in range(100)]
    one = Remark("doubt", "weak", "Few sentences.")
    assert by_kind([*many[:50], one, *many[50:]]) == [(many[:MANY], many[MANY:]), ([one], [])]
    assert by_kind(many[: MANY + 1]) == [(many[: MANY + 1], [])]
    assert by_kind([]) == []
