"""What a line of n-best lists may hold."""

import json

import pytest

from rnnsearch.evaluation.rescoring import parse_entry


def line(extra: str) -> str:
    return f'{{"source": "a", "hypotheses": [{{"text": "b", "x": {extra}}}]}}'


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1.5E+400"])
@pytest.mark.parametrize("place", ["{}", "[1, [{}]]", '{{"y": {{"z": {}}}}}'])
def test_numbers_that_json_has_not_are_refused(number: str, place: str) -> None:
    sentence = rf"^F: line 3 holds the number {number.replace('+', '.')}, which JSON cannot write; take it out of the"
    with pytest.raises(ValueError, match=sentence):
        parse_entry(line(place.format(number)), "F: line 3")


def test_a_number_of_many_digits_is_told_in_few() -> None:
    with pytest.raises(ValueError, match=r"^F holds the number 9{20}, which"):
        parse_entry(line("9" * 5000 + ".5"), "F")


@pytest.mark.parametrize("value", ["1e308", "-0.0", "5e-324", '"NaN"', "123456789012345678901234567890", "null"])
def test_what_json_can_write_passes(value: str) -> None:
    entry = parse_entry(line(value), "F")
    assert json.dumps(entry, allow_nan=False) == json.dumps(json.loads(line(value)))
