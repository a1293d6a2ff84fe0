"""The tuning stage as a study has it: durable, extended, added to; its trials are trained in this process."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.once import made_once
from tests.system.here import STARTED, in_process, interrupt_after

from rnnsearch.sweeps import ledger

pytestmark = pytest.mark.slow  # test_compare has one of each quick

WORDS = (
    "study=s model.hidden_size=12 samples=0 test=false budget.updates=8 validation.every=2 scheduler.warmup=1 "
    "tuning=learning_rate optimizer.lr=0.01 seed=0"
)
BOTH = ("model/context=fixed,additive", "tuning.extensions=1")


@pytest.fixture(autouse=True)
def _in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    in_process(monkeypatch)


def sweep(workshop: Any, output: Path, *more: str, words: str = WORDS) -> int:
    """`rnnsearch sweep`; of words that set one key the last counts."""
    every = [*workshop.overrides(output)[:-1], *words.split(), *more]  # without the folder of a single run
    last = {word.partition("=")[0]: word for word in every}
    code: int = workshop.main("sweep", *last.values(), workshop.quoted("paths.output", output))
    return code


def tuning(output: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((output / "s" / "study.json").read_text())["tuning"]
    return found


def told(output: Path) -> dict[str, Any]:
    """What a tuning found that the same seeds give again."""
    found = tuning(output)
    return {**found, "trials": [{key: one[key] for key in one if key != "seconds"} for one in found["trials"]]}


@pytest.fixture(scope="module")
def study(workshop: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a finished study of two members. Tests only read it."""

    def make(output: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            in_process(patch)
            patch.chdir(output)
            assert sweep(workshop, output, *BOTH) == 0

    return made_once(tmp_path_factory, "tuned", make)


@pytest.fixture
def copied(study: Path, tmp_path: Path) -> Path:
    """An output folder with a copy of it, for a test to go on with."""
    shutil.copytree(study / "s", tmp_path / "s")
    STARTED.clear()
    return tmp_path


def test_rates_are_extended_while_the_best_is_an_end(study: Path) -> None:
    found = tuning(study)
    for member in ("fixed", "additive"):
        rates = sorted(one["values"]["optimizer.lr"] for one in found["trials"] if one["member"] == member)
        chosen = found["chosen"][member]["optimizer.lr"]
        assert (len(rates) == 4) or chosen == 0.01
        assert (member in found["at_edge"]) == (chosen in (rates[0], rates[-1]))
    assert {point.member for point in ledger.read_points(study / "s")} == {"fixed", "additive"}


def test_only_the_chosen_trials_are_runs_of_the_study(study: Path) -> None:
    described = json.loads((study / "s" / "study.json").read_text())
    folders = {(one["member"], one["values"]["optimizer.lr"]): one["folder"] for one in described["tuning"]["trials"]}
    chosen = {member: values["optimizer.lr"] for member, values in described["tuning"]["chosen"].items()}
    assert {run["folder"] for run in described["runs"]} == {folders[one] for one in chosen.items()}
    assert [member["name"] for member in described["members"]] == ["fixed", "additive"]  # the rate is no label


def test_the_same_again_trains_nothing(workshop: Any, copied: Path) -> None:
    before = told(copied)
    assert sweep(workshop, copied, *BOTH) == 0
    assert STARTED == []
    assert told(copied) == before
    (copied / "s" / "study.json").unlink()  # what is chosen follows from the trials alone
    assert sweep(workshop, copied, *BOTH) == 0
    assert STARTED == []
    assert told(copied) == before


def test_a_seed_that_is_given_alone_has_the_rates_of_the_others(workshop: Any, copied: Path) -> None:
    before = told(copied)
    assert sweep(workshop, copied, *BOTH, "seed=7") == 0
    assert len(STARTED) == 2
    assert told(copied) == before
    STARTED.clear()
    more = ("optimizer.lr=0.3", "seed=7")  # another default, as a later version may have
    assert sweep(workshop, copied, *BOTH, *more) == 0
    assert STARTED == []


@pytest.mark.parametrize("stop", [3, 5])
def test_a_tuning_that_was_stopped_goes_on(
    workshop: Any, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    with monkeypatch.context() as patch:
        interrupt_after(stop, patch)
        assert sweep(workshop, tmp_path, *BOTH) == 1
    assert sweep(workshop, tmp_path, *BOTH) == 0
    assert told(tmp_path) == told(study)


def test_more_seeds_and_members_get_the_rates_or_their_own(
    workshop: Any, copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = told(copied)
    assert sweep(workshop, copied, "model/context=fixed,additive", "seed=0,1", "tuning.extensions=1") == 0
    assert len(STARTED) == 2
    assert told(copied) == before
    rates = {(point.member, point.seed): point.overrides for point in ledger.read_points(copied / "s")}
    for member in ("fixed", "additive"):
        assert f"optimizer.lr={before['chosen'][member]['optimizer.lr']}" in rates[member, 1]
    STARTED.clear()
    wider = ("model/context=fixed,additive,mean", "tuning.extensions=0")
    assert sweep(workshop, copied, *wider, "tuning.factors=[3,9,27]") == 1
    assert "mean: this study's other members were tuned with tuning.judged_at=" in capsys.readouterr().err
    assert STARTED == []
    assert sweep(workshop, copied, *wider) == 0
    after = tuning(copied)
    assert all("mean" in " ".join(words) for words in STARTED)
    assert after["chosen"].items() > before["chosen"].items()
    assert {one["member"] for one in after["trials"]} == {"fixed", "additive", "mean"}


def test_longer_labels_of_a_wider_sweep_keep_what_was_chosen(workshop: Any, copied: Path) -> None:
    before = tuning(copied)
    wider = ("model/context=fixed,additive", "label_smoothing=0.1,0.2", "seed=1", "tuning.extensions=1")
    assert sweep(workshop, copied, *wider, "tuning.seed=0") == 0
    after = tuning(copied)
    for member in ("fixed", "additive"):
        assert after["chosen"][f"{member}, label_smoothing=0.1"] == before["chosen"][member]
        assert after["bases"][f"{member}, label_smoothing=0.1"] == before["bases"][member]
    assert len(after["chosen"]) == 4
    assert {one["member"] for one in after["trials"]} == set(after["chosen"])
    trained_again = [words for words in STARTED if "label_smoothing=0.1" in " ".join(words)]
    assert len(trained_again) == 2  # the new seed of each


def test_a_choice_at_an_edge_is_extended_further(workshop: Any, tmp_path: Path) -> None:
    words = ("model/context=fixed", "optimizer.lr=0.0001", "tuning.factors=[0.5,1]")
    assert sweep(workshop, tmp_path, *words, "tuning.extensions=0") == 0
    first = tuning(tmp_path)
    assert first["at_edge"] == ["all"]  # so low a rate that the higher one is better
    STARTED.clear()
    assert sweep(workshop, tmp_path, *words, "tuning.extensions=0") == 0
    assert STARTED == []
    assert sweep(workshop, tmp_path, *words, "tuning.extensions=2") == 0
    second = tuning(tmp_path)
    assert len(second["trials"]) == 4
    assert second["chosen"]["all"]["optimizer.lr"] > first["chosen"]["all"]["optimizer.lr"]
    described = json.loads((tmp_path / "s" / "study.json").read_text())
    assert [run["member"] for run in described["runs"]].count("all") == 1


def test_a_trial_that_fails_is_said_and_tried_again(
    workshop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        interrupt_after(1, patch, RuntimeError)
        assert sweep(workshop, tmp_path, "tuning.factors=[0.5,1]", "tuning.extensions=0") == 1
    error = capsys.readouterr().err
    assert "trials are not where they are judged" in error
    assert "stopped by a test" in error
    assert sweep(workshop, tmp_path, "tuning.factors=[0.5,1]", "tuning.extensions=0") == 0
    assert {one["status"] for one in tuning(tmp_path)["trials"]} == {"finished", "paused"}


def test_where_all_diverge_and_none_lower_may_be_tried_nothing_is_chosen(
    workshop: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wild = ("optimizer=sgd", "optimizer.lr=1e38", "scheduler=none", "averaging=none")
    words = WORDS.replace("scheduler.warmup=1 ", "")
    assert sweep(workshop, tmp_path, *wild, "tuning.factors=[0.9,1]", "tuning.extensions=0", words=words) == 1
    assert "every trial diverged, down to optimizer.lr=9e+37; give lower ones" in capsys.readouterr().err


def test_other_keys_are_tuned_and_data_by_bleu(workshop: Any, tmp_path: Path) -> None:
    grid = "+tuning.grid={model.dropout:[0.1,0.3]}"
    assert sweep(workshop, tmp_path, grid, "tuning.factors=[1]") == 0
    found = tuning(tmp_path)
    assert set(found["chosen"]["all"]) == {"optimizer.lr", "model.dropout"}
    assert len(found["trials"]) == 2
    assert found["measure"] == "nll"
    words = tmp_path / "words"
    assert sweep(workshop, words, "tuning.factors=[]", "+tuning.grid={tokenizer.source_size:[15,20]}") == 0
    found = tuning(words)
    assert found["measure"] == "bleu"
    assert set(found["chosen"]["all"]) == {"optimizer.lr", "tokenizer.source_size"}


def test_a_budget_in_seconds_pauses_too(workshop: Any, tmp_path: Path) -> None:
    budget = ("budget.updates=null", "budget.seconds=0.5", "validation.every=1")
    more = (*budget, "tuning.factors=[0.5,1]", "tuning.extensions=0")
    assert sweep(workshop, tmp_path, *more) == 0
    assert all(one["values_at"] for one in tuning(tmp_path)["trials"])


def test_status_tells_of_trials(workshop: Any, copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copied / "s" / "study.json").unlink()
    assert workshop.main("status", "study=s", "format=json", workshop.quoted("paths.output", copied)) == 0
    states = [json.loads(line)["status"] for line in capsys.readouterr().out.splitlines()]
    assert states.count("finished") == 2
    assert states.count("paused") == len(states) - 2 > 2
