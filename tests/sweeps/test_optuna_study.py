"""The trials of a search, with a function in the place of trainings, and real processes that are really killed."""

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import optuna
import pytest
import requests
from optuna.trial import TrialState

from rnnsearch.sweeps import optuna_study
from rnnsearch.sweeps.hyperparameter_search import HyperparameterSearch, read_search, write_search
from rnnsearch.sweeps.search_space import Choices, Range, suggest

SPACE = {
    "model/context": Choices(("fixed", "additive")),
    "optimizer.lr": Range(1e-4, 1e-2, log=True),
    "model.hidden_size": Range(8, 64, whole=True),
}
STORAGES = pytest.mark.parametrize("storage", ["journal", "sqlite"])


def search(**changes: Any) -> HyperparameterSearch:
    values: dict[str, Any] = {
        "space": SPACE, "metric": "bleu", "sampler": "tpe", "startup": 4, "pruner": "none", "warmup": 0,
        "storage": "journal", "seed": 0, "updates": 100, "fixed": ("data=controlled",), "base": "a", **changes,
    }  # fmt: skip
    return HyperparameterSearch(**values)


def objective(parameters: dict[str, Any]) -> float:
    """Best at lr=0.001, many units, attention."""
    rate = -abs(float(parameters["optimizer.lr"]) - 0.001) * 1000
    return rate + parameters["model.hidden_size"] / 64 + (parameters["model/context"] == "additive")


def ask(found: HyperparameterSearch, folder: Path, index: int) -> tuple[int, dict[str, Any]]:
    with optuna_study.asking(folder):
        trial = optuna_study.open_study(found, folder, index=index).ask()
        return trial.number, suggest(trial, found.space, found.space)


def finish(found: HyperparameterSearch, folder: Path, number: int, parameters: dict[str, Any]) -> None:
    optuna_study.tell(optuna_study.open_study(found, folder), number, "finished", curve={100: objective(parameters)})


def run(found: HyperparameterSearch, folder: Path, count: int) -> list[dict[str, Any]]:
    folder.mkdir(exist_ok=True)
    asked = []
    for index in range(count):
        number, parameters = ask(found, folder, index)
        finish(found, folder, number, parameters)
        asked.append(parameters)
    return asked


def states(found: HyperparameterSearch, folder: Path) -> list[TrialState]:
    return [trial.state for trial in optuna_study.open_study(found, folder).trials]


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_search_is_a_function_of_its_seed(tmp_path: Path, sampler: str) -> None:
    found = search(sampler=sampler)
    first, again = run(found, tmp_path / "a", 8), run(found, tmp_path / "b", 8)
    assert first == again
    assert run(search(sampler=sampler, seed=1), tmp_path / "c", 8) != first
    assert len({tuple(one.values()) for one in first}) == 8


@pytest.mark.slow
def test_tpe_finds_better_values_than_chance(tmp_path: Path) -> None:
    means = {}
    for sampler in ("tpe", "random"):
        values = [
            objective(one)
            for seed in range(2)
            for one in run(search(sampler=sampler, seed=seed), tmp_path / f"{sampler}{seed}", 20)[8:]
        ]
        means[sampler] = sum(values) / len(values)
    assert means["tpe"] > means["random"] + 0.2


def test_trials_that_ask_at_once_draw_different_values(tmp_path: Path) -> None:
    found = search()
    asked: list[tuple[int, dict[str, Any]]] = []
    threads = [threading.Thread(target=lambda i=i: asked.append(ask(found, tmp_path, i))) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(number for number, _ in asked) == list(range(6))
    assert len({tuple(parameters.values()) for _, parameters in asked}) == 6


def test_values_are_short_and_within_their_bounds(tmp_path: Path) -> None:
    space = {"optimizer.lr": Range(0.00012345, 0.00012346), "label_smoothing": Range(0.0, 1.0)}
    for index in range(5):
        _, parameters = ask(search(space=space), tmp_path, index)
        assert 0.00012345 <= float(parameters["optimizer.lr"]) <= 0.00012346
        assert len(str(parameters["label_smoothing"])) <= 8


WORKER = """
import sys, time
from pathlib import Path
from tests.sweeps.test_optuna_study import ask, finish, read_search
folder, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
found = read_search(folder)
for index in range(first, first + count):
    print("asks", flush=True)
    number, parameters = ask(found, folder, index)
    time.sleep(0.02)
    finish(found, folder, number, parameters)
    print("done", index, flush=True)
"""


def worker(folder: Path, first: int, count: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(folder), str(first), str(count)], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.slow
@STORAGES
def test_a_search_that_is_killed_at_any_time_draws_what_it_would_have_drawn(tmp_path: Path, storage: str) -> None:
    found, count = search(storage=storage), 12  # more than can be done before the second kill
    expected = run(found, tmp_path / "whole", count)
    folder = tmp_path / "killed"
    folder.mkdir()
    write_search(found, folder)
    moments = random.Random(0)
    for _ in range(2):
        begun = len(finished(found, folder))
        process = worker(folder, begun, count - begun)
        assert process.stdout is not None
        for _ in range(moments.randint(2, 4)):  # lines, of two for each trial
            process.stdout.readline()
        time.sleep(moments.random() * 0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        optuna_study.mend(found, folder)
        with optuna_study.asking(folder):
            optuna_study.close_strays(optuna_study.open_study(found, folder), [])
    begun = len(finished(found, folder))
    assert 0 < begun < count
    for index in range(begun, count):
        number, parameters = ask(found, folder, index)
        finish(found, folder, number, parameters)
    assert finished(found, folder) == expected
    assert TrialState.RUNNING not in states(found, folder)


def finished(found: HyperparameterSearch, folder: Path) -> list[dict[str, Any]]:
    """The values of the finished trials in their order, as a training gets them."""
    complete = optuna_study.open_study(found, folder).get_trials(states=(TrialState.COMPLETE,))
    return [suggest(optuna.trial.FixedTrial(one.params), found.space, found.space) for one in complete]


@pytest.mark.slow
@STORAGES
def test_an_interrupted_trial_goes_on_and_a_failed_one_is_tried_again(tmp_path: Path, storage: str) -> None:
    found = search(storage=storage)
    number, parameters = ask(found, tmp_path, 0)
    study = optuna_study.open_study(found, tmp_path)
    optuna_study.tell(study, number, "interrupted")
    assert optuna_study.reopened(study, number) == number
    optuna_study.tell(study, number, "killed", error="Killed: the process was ended by SIGKILL")
    assert study.trials[0].state == TrialState.FAIL
    assert study.trials[0].user_attrs["error"] == "Killed: the process was ended by SIGKILL"
    again = optuna_study.reopened(study, number)
    assert again == 1
    optuna_study.tell(study, again, "finished", curve={10: 1.0, 20: 3.0, 30: 2.0})
    retried = study.trials[1]
    assert (retried.state, retried.value, retried.params) == (TrialState.COMPLETE, 3.0, study.trials[0].params)
    assert retried.intermediate_values == {10: 1.0, 20: 3.0, 30: 2.0}
    assert retried.user_attrs["retry_of"] == 0
    optuna_study.tell(study, again, "failed")  # told twice
    assert study.trials[1].state == TrialState.COMPLETE
    assert optuna_study.reopened(study, 7) is None
    assert parameters["model.hidden_size"] == retried.params["model.hidden_size"]


def test_a_trial_without_a_finite_value_is_a_failure(tmp_path: Path) -> None:
    found = search(metric="nll")
    study = optuna_study.open_study(found, tmp_path)
    assert optuna_study.best(study) is None
    for curve, state in (({}, "FAIL"), ({1: 3.0, 2: 2.0, 3: 2.5}, "COMPLETE")):
        number, _ = ask(found, tmp_path, 0)
        optuna_study.tell(study, number, "finished", curve=curve)
        assert study.trials[number].state.name == state
    assert optuna_study.best(study) == (1, 2.0)


@pytest.mark.slow
@STORAGES
def test_a_trial_that_diverged_was_tried_and_is_worse_than_any(tmp_path: Path, storage: str) -> None:
    """The sampler then keeps away from its values, as it does not from those of a failure."""
    found = search(space={"optimizer.lr": Range(1e-4, 1e4, log=True)}, startup=8, storage=storage)
    rates = []
    for index in range(24):
        number, parameters = ask(found, tmp_path, index)
        rates.append(float(parameters["optimizer.lr"]))
        study = optuna_study.open_study(found, tmp_path)
        if rates[-1] > 1:
            optuna_study.tell(study, number, "failed", error="Diverged: the loss became NaN at update 3", diverged=True)
        else:
            optuna_study.tell(study, number, "finished", curve={100: 10.0})
    study = optuna_study.open_study(found, tmp_path)
    diverged = [trial for trial in study.trials if float(trial.params["optimizer.lr"]) > 1]
    assert {trial.state for trial in diverged} == {TrialState.PRUNED}
    assert {trial.user_attrs["error"] for trial in diverged} == {"Diverged: the loss became NaN at update 3"}
    late = [rate > 1 for rate in rates[8:]]
    assert sum(late) < 0.4 * len(late)  # chance gives a half
    assert optuna_study.best(study) is not None


def test_what_nobody_noted_is_given_up(tmp_path: Path) -> None:
    found = search()
    noted, _ = ask(found, tmp_path, 0)
    lost, before = ask(found, tmp_path, 1)
    study = optuna_study.open_study(found, tmp_path)
    optuna_study.close_strays(study, [noted])
    assert [trial.state for trial in study.trials] == [TrialState.RUNNING, TrialState.FAIL]
    assert ask(found, tmp_path, 1) == (lost + 1, before)


def test_a_line_that_a_full_disk_cut_short_is_taken_off(tmp_path: Path) -> None:
    found = search()
    run(found, tmp_path, 2)
    path = found.file(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code":6,"worker_')
    optuna_study.mend(found, tmp_path)
    assert path.read_bytes() == whole
    run(found, tmp_path, 1)
    assert states(found, tmp_path) == [TrialState.COMPLETE] * 3


@pytest.mark.parametrize("pruner", ["none", "median", "hyperband"])
def test_pruning(tmp_path: Path, pruner: str) -> None:
    found = search(pruner=pruner, startup=2, warmup=30 if pruner == "median" else 10, updates=90)
    study = optuna_study.open_study(found, tmp_path)
    for index in range(6):
        number, _ = ask(found, tmp_path, index)
        report = optuna_study.reporter(found, tmp_path, number)
        curve = {step: float(step + index) for step in range(10, 100, 10)}
        for step, value in curve.items():
            report(step, value)
        optuna_study.tell(study, number, "finished", curve=curve)
    hopeless = []
    for index in range(6, 10):
        number, _ = ask(found, tmp_path, index)
        report = optuna_study.reporter(found, tmp_path, number)
        hopeless.append(next((step for step in range(10, 100, 10) if report(step, 0.0)), None))
        assert report(10, 5.0) in (True, False)  # told again after a resume: the first value stands
        assert study.trials[number].intermediate_values[10] == 0.0
        optuna_study.tell(study, number, "pruned", curve={10: 0.0})
    assert (hopeless == [None] * 4) == (pruner == "none")
    if pruner == "median":
        assert hopeless == [30] * 4  # the first that the warm-up allows
    assert study.trials[-1].state == TrialState.PRUNED
    number, _ = ask(found, tmp_path, 10)
    assert not any(optuna_study.reporter(found, tmp_path, number)(step, 1000.0) for step in range(10, 100, 10))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"metric": "nll"}, r"metric was bleu, is nll"),
        ({"storage": "sqlite"}, r"storage was journal, is sqlite"),
        ({"base": "b", "fixed": ("data=multi30k",)}, r"data was controlled, is multi30k"),
        ({"base": "b"}, r"what the YAML files say"),
        ({"space": {**SPACE, "model/context": Choices(("fixed", "dot"))}}, r"the values of model/context are others"),
        ({"space": {**SPACE, "optimizer.lr": Range(1e-4, 1e-2)}}, r"the values of optimizer.lr are others"),
    ],
)
def test_another_search_is_refused(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    write_search(search(), tmp_path)
    with pytest.raises(ValueError, match=f"{sentence}.*choose another study"):
        write_search(search(**changes), tmp_path)


def test_a_search_may_be_widened(tmp_path: Path) -> None:
    wider = search(space={**SPACE, "optimizer.lr": Range(1e-5, 1e-1, log=True)}, pruner="median", startup=9)
    run(search(), tmp_path, 6)
    write_search(search(), tmp_path)
    write_search(wider, tmp_path)
    assert read_search(tmp_path) == wider
    ask(wider, tmp_path, 6)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: search(sampler="cmaes"), "sampler=cmaes: choose one of tpe, random"),
        (lambda: search(pruner="asha"), "pruner=asha: choose one of none, median, hyperband"),
        (lambda: search(metric="ter"), "metric=ter: choose one of bleu, chrf, nll"),
        (lambda: search(storage="mysql"), "storage=mysql: choose one of journal, sqlite"),
        (lambda: search(startup=-1), "startup=-1: give a whole number, 0 or more"),
        (lambda: search(seed="x"), "seed=x: give a whole number"),
        (lambda: search(space={}), "nothing to search over"),
        (lambda: search(space={"seed": Choices(("0", "1"))}), "over seeds picks the luckiest"),
        (lambda: Range(2, 1), r"interval\(2,1\) holds nothing"),
        (lambda: Range(0, 1, log=True), "must be above 0"),
    ],
)
def test_mistakes(make: Callable[[], object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()


def test_without_optuna(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ValueError, match=r"a search needs Optuna; install it: pip install 'rnnsearch\[search\]'"):
        optuna_study.open_study(search(), tmp_path)


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None: ...


@contextmanager
def dashboard(storage: optuna.storages.BaseStorage) -> Iterator[str]:
    """optuna-dashboard on a free loopback port."""
    from optuna_dashboard import wsgi

    with make_server("127.0.0.1", 0, wsgi(storage), server_class=WSGIServer, handler_class=_Silent) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@STORAGES
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.slow
def test_optuna_dashboard_reads_the_storage_while_trials_go_on(tmp_path: Path, storage: str) -> None:
    found, folder = search(storage=storage), tmp_path / "mine"
    run(found, folder, 2)
    with dashboard(optuna_study.open_study(found, folder)._storage) as address:
        studies = requests.get(f"{address}/api/studies", timeout=30).json()["study_summaries"]
        assert [one["study_name"] for one in studies] == ["mine"]
        ask(found, folder, 2)
        shown = requests.get(f"{address}/api/studies/{studies[0]['study_id']}?after=0", timeout=30).json()["trials"]
    assert [one["state"] for one in shown] == ["Complete", "Complete", "Running"]
