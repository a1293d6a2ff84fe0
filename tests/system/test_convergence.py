"""``budget.until=converged`` by the command: what the record says of it, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

SOON = "budget.until=converged convergence.patience=1 convergence.least=9 convergence.decay=0.5 test=false "


def test_the_record_says_that_it_converged_and_from_where_it_decayed(workshop: Any, tmp_path: Path) -> None:
    """No fall is as large as 9, so that the second validation begins the decay, at update 8."""
    run = tmp_path / "run"
    assert workshop.train(run, SOON + "budget.updates=100") == 0
    record = workshop.record(run)
    assert (record["converged"], record["decay_from"], record["updates"]) == (True, 8, 12)
    before = workshop.snapshot(run)
    assert workshop.train(run, SOON + "budget.updates=200", "ckpt=last") == 0
    assert workshop.snapshot(run) == before  # a larger cap changes nothing


@pytest.mark.slow
def test_one_that_is_not_converged_goes_on_under_a_larger_cap(workshop: Any, tmp_path: Path) -> None:
    run, never = tmp_path / "run", SOON.replace("patience=1", "patience=50")
    assert workshop.train(run, never + "budget.updates=9") == 0
    record = workshop.record(run)
    assert (record["converged"], record["decay_from"], record["updates"]) == (False, 6, 9)
    assert workshop.train(run, never + "budget.updates=18", "ckpt=last") == 0
    record = workshop.record(run)
    assert (record["converged"], record["decay_from"], record["updates"]) == (False, 12, 18)


def test_other_runs_say_nothing_of_it(workshop: Any, trained: Path) -> None:
    assert not {"converged", "decay_from"} & workshop.record(trained).keys()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("scheduler=plateau", "Plateau falls by a rule of its own or not at all; take scheduler=cosine"),
        ("early_stopping=3", "early stopping would cut off; set early_stopping=null"),
        ("budget.updates=null", "no budget is given, so training would never end"),
    ],
)
def test_what_does_not_go_together_is_refused(
    workshop: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str], words: str, said: str
) -> None:
    assert workshop.train(tmp_path / "run", SOON + words) == 1
    assert said in capfd.readouterr().err


def test_a_run_goes_on_by_the_rule_it_began_with(
    workshop: Any, trained: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert workshop.train(trained, "model.dropout=0.2 budget.updates=14 budget.until=converged", "ckpt=last") == 1
    assert "budget.until was None, is converged" in capfd.readouterr().err
