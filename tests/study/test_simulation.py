"""Made-up studies: what reports claim, find and call detectable, and that the experiment's figures are its results."""

import json

import pytest
from experiments.intervals import simulate


@pytest.mark.parametrize("seeds", [1, 2, 3, 5])
def test_no_more_studies_claim_a_difference_than_may(seeds: int) -> None:
    for row in simulate.null(studies=800, seeds=(seeds,), members=(2, 4)):
        assert max(row["planned"], row["all"]) <= (simulate.tolerance(800) if seeds > 1 else 0.0)


def test_other_models_do_claim_too_much() -> None:
    """So that the test above can fail."""
    rows = list(simulate.null(studies=800, seeds=(2, 3), members=(4,)))
    assert max(row["Satterthwaite"] for row in rows) > simulate.tolerance(800)
    assert min(row["sentences alone"] for row in rows) > simulate.tolerance(800)
    assert max(row["pooled"] for row in simulate.null(studies=800, seeds=(3,), members=(2,))) > simulate.tolerance(800)


def test_the_whole_way_from_sentences_claims_no_more() -> None:
    found = simulate.whole_way(studies=200, sentences=60)
    assert found["claimed"] <= simulate.tolerance(200)


def test_the_committed_figures_are_those_of_the_results() -> None:
    found = json.loads((simulate.HERE / "results.json").read_text(encoding="utf-8"))
    text = (simulate.HERE / "README.md").read_text(encoding="utf-8")
    assert simulate.filled(text, found) == text
    assert simulate.tables(found) == (simulate.HERE / "table.md").read_text(encoding="utf-8")
    assert all(max(row["planned"], row["all"]) <= found["tolerance"] for row in found["null"])
    assert found["whole way"]["claimed"] <= found["tolerance"]
    assert min(row["power"] for row in found["pilots"]) >= 0.8
    assert min(row["power"] for row in found["wished"]) >= 0.8
