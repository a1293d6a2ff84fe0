"""A run that pauses at a validation goes on as if it never had."""

from pathlib import Path
from typing import Any

import pytest

WHOLE = "budget.updates=16 test=false samples=0"


def told(workshop: Any, run: Path) -> dict[str, Any]:
    record = workshop.record(run)
    return {key: record[key] for key in ("results", "updates", "tokens_seen", "config_hash")}


@pytest.mark.parametrize("averaging", ["ema", pytest.param("none", marks=pytest.mark.slow)])
@pytest.mark.slow
def test_a_paused_run_goes_on_as_if_it_never_had(workshop: Any, tmp_path: Path, averaging: str) -> None:
    words = f"{WHOLE} averaging={averaging}"
    assert workshop.train(tmp_path / "whole", words) == 0
    run = tmp_path / "run"
    assert workshop.train(run, words, "pause.share=0.25") == 0
    paused = workshop.record(run)
    assert (paused["status"], paused["updates"]) == ("paused", 4)
    assert paused["pauses"] == [{"update": 4, "share": 0.25}]
    assert workshop.train(run, words, "ckpt=last", "pause.share=0.25", "pause.updates=9") == 0
    assert workshop.record(run)["pauses"][1:] == [{"update": 12, "share": 0.75}]  # the validation after 9 updates
    assert workshop.train(run, words, "ckpt=last") == 0
    assert workshop.record(run)["status"] == "finished"
    assert told(workshop, run) == told(workshop, tmp_path / "whole")


def test_a_pause_at_the_end_is_the_end(workshop: Any, tmp_path: Path) -> None:
    assert workshop.train(tmp_path / "run", "budget.updates=4 test=false samples=0", "pause.share=1") == 0
    assert workshop.record(tmp_path / "run")["status"] == "finished"


@pytest.mark.slow
def test_tokens_count_too(workshop: Any, tmp_path: Path) -> None:
    words = "budget.updates=null budget.tokens=600 test=false samples=0 validation.every=2"
    assert workshop.train(tmp_path / "run", words, "pause.share=0.5") == 0
    (pause,) = workshop.record(tmp_path / "run")["pauses"]
    assert pause["update"] % 2 == 0
    assert pause["share"] == workshop.record(tmp_path / "run")["tokens_seen"] / 600 >= 0.5
