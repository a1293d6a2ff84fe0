"""The name of a study, which is that of its folder."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from rnnsearch.config.overrides import quoted
from rnnsearch.sweeps.study_name import checked_name


@pytest.mark.parametrize(
    "value", ["a", "a b", "a,b=c", "é", "it's", 'say "x"', "back\\slash", "end\\", "[x]", "{y}", "# no", "$z"]
)
def test_hydra_reads_a_quoted_value_as_it_was(value: str) -> None:
    assert OverridesParser.create().parse_override(f"key={quoted(value)}").value() == value


@pytest.mark.parametrize("name", ["2024_11_30", "été", "日本語", "शब्द", "می\u200cخواهم", "two words", "-x.1"])
def test_a_study_has_a_name_of_any_script(name: str) -> None:
    assert checked_name(name) == name


def test_one_name_is_one_folder_however_it_was_typed() -> None:
    assert checked_name("e\u0301te\u0301") == "\u00e9t\u00e9"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        ".x",
        "a/b",
        "../x",
        "a\\b",
        "a\0",
        "a\nb",
        "a\x1b[2J",
        "a\x9b",
        "a\u202eb",
        " a",
        "a ",
        "ab" * 200,
        "$x",
    ],
)
def test_a_name_that_is_no_folder_or_commands_a_terminal(name: str) -> None:
    with pytest.raises(ValueError, match="a study's name"):
        checked_name(name)
