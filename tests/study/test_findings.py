"""What stands against believing a report."""

from pathlib import Path

import pytest

from rnnsearch.study.findings import rates_at_an_end
from rnnsearch.study.folder import Study


@pytest.mark.parametrize(("rate", "doubted"), [(0.001, True), (0.002, False), (0.004, True)])
def test_a_learning_rate_at_an_end_of_those_tried_is_a_doubt(rate: float, doubted: bool) -> None:
    tuning = {"learning_rates": [0.001, 0.002, 0.004], "chosen": {"fixed": 0.002, "additive": rate}}
    found = rates_at_an_end(Study(Path("study"), {"tuning": tuning}, ("fixed", "additive"), (1,), ()))
    assert [f"additive {rate:g}." in sentence for sentence in found] == ([True] if doubted else [])


def test_a_study_without_trials_has_no_such_doubt() -> None:
    assert rates_at_an_end(Study(Path("study"), {"tuning": None}, ("fixed", "additive"), (1,), ())) == []
