"""What every sweeper shares."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from rnnsearch.cli.study_sweeper import quoted


@pytest.mark.parametrize(
    "value", ["a", "a b", "a,b=c", "é", "it's", 'say "x"', "back\\slash", "end\\", "[x]", "{y}", "# no", "$z"]
)
def test_hydra_reads_a_quoted_value_as_it_was(value: str) -> None:
    assert OverridesParser.create().parse_override(f"key={quoted(value)}").value() == value
