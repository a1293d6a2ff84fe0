"""What stands against believing a report."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rnnsearch.study.findings import rates_at_an_end, unequal
from rnnsearch.study.folder import Run, Study, read_study
from rnnsearch.study.front import first
from rnnsearch.study.statistics import compare


@pytest.mark.parametrize(("rate", "doubted"), [(0.001, True), (0.002, False), (0.004, True)])
def test_a_learning_rate_at_an_end_of_those_tried_is_a_doubt(rate: float, doubted: bool) -> None:
    tuning = {"learning_rates": [0.001, 0.002, 0.004], "chosen": {"fixed": 0.002, "additive": rate}}
    found = rates_at_an_end(Study(Path("study"), {"tuning": tuning}, ("fixed", "additive"), (1,), ()))
    assert [f"additive {rate:g}." in sentence for sentence in found] == ([True] if doubted else [])


def test_a_study_without_trials_has_no_such_doubt() -> None:
    assert rates_at_an_end(Study(Path("study"), {"tuning": None}, ("fixed", "additive"), (1,), ())) == []


SAME = {"parameters": 1000, "flops_per_token": 50.0, "updates": 10, "tokens_seen": 400, "training_seconds": 3.0}


def doubts_of(description: dict[str, Any], **other: float) -> list[str]:
    """What is said of two runs that are the same but for ``other`` in the second."""
    runs = tuple(
        Run(name, 1, Path(name), "finished", record, ())
        for name, record in (("fixed", SAME), ("additive", {**SAME, **other}))
    )
    return unequal(Study(Path("study"), description, ("fixed", "additive"), (1,), runs), {r.member: (r,) for r in runs})


@pytest.mark.parametrize(
    ("match", "key", "sentence"),
    [
        ("parameters", "parameters", "additive has {} total parameters, fixed 1,000: more than 1 % apart."),
        ("flops", "flops_per_token", "additive has {} operations a target token, fixed 50: more than 1 % apart."),
    ],
)
def test_what_is_matched_must_be_equal(match: str, key: str, sentence: str) -> None:
    other = {"parameters": "flops_per_token", "flops_per_token": "parameters"}[key]
    assert doubts_of({"match": match}, **{key: 1.02 * SAME[key]}) == [sentence.format(f"{1.02 * SAME[key]:,.0f}")]
    assert doubts_of({"match": match}, **{key: 1.009 * SAME[key], other: 9 * SAME[other]}) == []
    assert doubts_of({"match": "none"}, **{key: 2 * SAME[key]}) == []


@pytest.mark.parametrize(
    ("budget", "key", "sentence"),
    [
        ({"updates": 10}, "updates", "additive has 20 updates, fixed 10"),
        ({"updates": 10, "tokens": 400}, "tokens_seen", "additive has 800 target tokens, fixed 400"),
        ({"updates": 10, "seconds": 3.0}, "training_seconds", "additive has 6 training seconds, fixed 3"),
        ({"flops": 2e4}, "tokens_seen", "additive has 40,000 operations, fixed 20,000"),
        ({}, "updates", "additive has 20 updates, fixed 10"),
    ],
)
def test_the_budget_must_be_equal_in_its_own_unit(budget: dict[str, float], key: str, sentence: str) -> None:
    nulls = {"updates": None, "tokens": None, "seconds": None, "flops": None}
    description = {"budget": {**nulls, **budget}}
    assert doubts_of(description, **{key: 2 * SAME[key]}) == [f"{sentence}: more than 1 % apart."]
    assert doubts_of(description, **{key: 1.005 * SAME[key]}) == []


def test_equal_operations_may_be_other_updates() -> None:
    assert doubts_of({"budget": {"flops": 2e4}}, flops_per_token=25.0, tokens_seen=800, updates=20) == []


def test_a_search_beside_a_sweep_ranks_trials_that_are_not_tested(
    make_study: Callable[..., Path], edit_json: Callable[..., None], tmp_path: Path
) -> None:
    folder = make_study(tmp_path / "s", seeds=(0,), sentences=20, matrices=1)
    trial = shutil.copytree(folder / "fixed-seed0", folder / "trial-0000")
    (trial / "translations.test.jsonl").unlink()

    def promises(record: Any) -> None:
        record["results"]["metrics"] = {"validation": {"bleu": 99.0}}

    def is_a_search(description: Any) -> None:
        description["kind"], description["search"] = "search", {"metric": "bleu"}
        description["members"].append({"name": "trial 0", "overrides": [], "settings": {}})
        runs = [{"member": name, "seed": 0, "folder": f"{name}-seed0"} for name in ("fixed", "additive")]
        description["runs"] = [*runs, {"member": "trial 0", "seed": 0, "folder": "trial-0000"}]

    edit_json(trial / "record.json", promises)
    edit_json(folder / "study.json", is_a_search)
    study = read_study(folder)
    assert compare(study) is None
    told = first(study, None, None)
    assert told.headline == "The best observed of 3 finished trials is trial 0 with 99.00 validation BLEU."
    assert "train it anew" in told.others[0]
