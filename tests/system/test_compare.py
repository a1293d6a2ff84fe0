"""`rnnsearch compare`: equal members, resumable, honest about what failed. Its processes run in this one here."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from omegaconf import OmegaConf
from tests.once import made_once
from tests.system.here import STARTED, in_process, interrupt_after

from rnnsearch.sweeps import ledger
from rnnsearch.sweeps.local_launcher import LocalLauncher

SIZES = "model.embedding_size=24 model.hidden_size=40 model.attention_size=24 model.readout_size=24 samples=0"
SHORT = f"{SIZES} budget.updates=4 study=pair seeds=[1] tuning.factors=[]"
TRIALS = (  # judged after updates 1 and 2 of 4
    *("tuning.factors=[0.01,2,1e40]", "tuning.extensions=0", "validation.every=1", "tuning.warmups=0.5"),
    "optimizer.lr=0.01",
)


@pytest.fixture(autouse=True)
def _in_process(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if request.node.name != "test_processes_of_their_own":
        in_process(monkeypatch)


def compared(workshop: Any, factory: pytest.TempPathFactory, name: str, *words: str) -> Path:
    """A finished comparison. Tests only read it."""

    def make(output: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            in_process(patch)
            patch.chdir(output)
            assert workshop.compare(output, SHORT, "seeds=[0,3]", *words) == 0

    return made_once(factory, name, make) / "pair"


@pytest.fixture(scope="module")
def study(workshop: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compared(workshop, tmp_path_factory, "compared")


@pytest.fixture(scope="module")
def tuned(workshop: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With trials; one of the rates diverges."""
    return compared(workshop, tmp_path_factory, "compared with trials", *TRIALS)


def described(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "study.json").read_text())
    return found


def run_of(folder: Path, member: str, seed: int) -> Path:
    """The run's folder of a member in a study."""
    names = {(run["member"], run["seed"]): run["folder"] for run in described(folder)["runs"]}
    return folder / str(names[member, seed])


def test_the_study_is_described(study: Path) -> None:
    found = described(study)
    assert found["format"] == 1
    assert (found["name"], found["seeds"], found["match"]) == ("pair", [0, 3], "parameters")
    assert [member["name"] for member in found["members"]] == ["fixed", "additive"]
    assert {key: limit for key, limit in found["budget"].items() if limit} == {"updates": 4}
    assert found["kind"] == "comparison"
    assert {(run["member"], run["seed"], run["folder"][:-9]) for run in found["runs"]} == {
        (member, seed, f"{member}-seed{seed}") for member in ("fixed", "additive") for seed in (0, 3)
    }
    assert all((study / run["folder"] / "job.json").is_file() for run in found["runs"])
    assert found["protocol"]["comparisons"] == [["additive", "fixed"]]
    assert found["question"] == found["protocol"]["question"]
    assert (study / "report.html").stat().st_size > 1000
    assert (study / "report.md").exists()


def test_members_have_equal_parameters_and_data(workshop: Any, study: Path) -> None:
    for seed in (0, 3):
        fixed, additive = (workshop.record(run_of(study, name, seed)) for name in ("fixed", "additive"))
        assert abs(fixed["parameters"] / additive["parameters"] - 1) <= 0.01
        assert fixed["parameters"] != additive["parameters"] or fixed["config_hash"] != additive["config_hash"]
        assert fixed["seed"] == additive["seed"] == seed
        assert (fixed["member"], additive["member"]) == ("fixed", "additive")
        assert fixed["data"] == additive["data"]
        curves = [r["results"]["curves"]["train"] for r in (fixed, additive)]
        assert [p["tokens_seen"] for p in curves[0]] == [p["tokens_seen"] for p in curves[1]]  # the same batches
        assert [p["loss"] for p in curves[0]] != [p["loss"] for p in curves[1]]


@pytest.mark.slow
@pytest.mark.parametrize("budget", ["tokens=200", "seconds=0.3", "flops=5e7"])
def test_equal_operations_and_other_budgets(workshop: Any, tmp_path: Path, budget: str, capsys: Any) -> None:
    words = f"{SHORT.replace('budget.updates=4', 'budget.updates=null')} budget.{budget} match=flops"
    trials = ["tuning.factors=[2,3]", "tuning.extensions=0", "tuning.warmups=0", "validation.every=1"]
    assert workshop.compare(tmp_path, words.replace("tuning.factors=[]", ""), *trials) == 0
    found = described(tmp_path / "pair")
    key, limit = budget.split("=")
    assert (found["match"], found["budget"][key]) == ("flops", float(limit))
    records = [workshop.record(run_of(tmp_path / "pair", name, 1)) for name in ("fixed", "additive")]
    costs, sizes = ([record[name] for record in records] for name in ("flops_per_token", "parameters"))
    assert abs(costs[0] / costs[1] - 1) <= 0.01
    assert abs(sizes[0] / sizes[1] - 1) > 0.02
    for record in records:
        used = {"tokens": record["tokens_seen"], "seconds": record["training_seconds"]}
        used["flops"] = record["tokens_seen"] * record["flops_per_token"]
        assert used[key] >= float(limit)
    for trial in found["tuning"]["trials"]:
        assert len(trial["values_at"]) == 2
        assert workshop.record(tmp_path / "pair" / trial["folder"])["status"] in ("paused", "finished")
    assert "for equal flops" in capsys.readouterr().err


def test_only_what_differs_is_listed(study: Path) -> None:
    difference = {entry["key"]: entry["values"] for entry in described(study)["config_difference"]}
    assert difference.pop("model.context._target_") == {
        "fixed": "rnnsearch.model.context.Fixed",
        "additive": "rnnsearch.model.context.Additive",
    }
    assert set(difference) <= {
        "model.context.attention_size", "model.context.normed", "model.encoder.hidden_size",
        "model.decoder.hidden_size", "optimizer.lr",
    }  # fmt: skip
    assert difference["model.encoder.hidden_size"]["additive"] == 40
    configs = [OmegaConf.load(run_of(study, name, 0) / "config.yaml") for name in ("fixed", "additive")]
    assert configs[0].model.embedding_size == configs[1].model.embedding_size
    assert configs[0].model.readout_size == configs[1].model.readout_size


@pytest.mark.slow
def test_trials_choose_by_validation_s_likelihood(workshop: Any, tuned: Path) -> None:
    tuning = described(tuned)["tuning"]
    assert (tuning["measure"], tuning["seed"]) == ("nll", 0)
    trials = {(one["member"], one["values"]["optimizer.lr"]): one for one in tuning["trials"]}
    assert set(trials) == {(name, rate) for name in ("fixed", "additive") for rate in (0.0001, 0.02, 1e38)}
    for name in ("fixed", "additive"):
        slow, chosen, wild = (trials[name, rate] for rate in (0.0001, 0.02, 1e38))
        assert (slow["status"], wild["status"], wild["values_at"]) == ("paused", "diverged", [])
        assert tuning["chosen"][name] == {"optimizer.lr": 0.02}
        assert [one["update"] for one in slow["values_at"]] == [1, 3]
        assert all(a["value"] < b["value"] for a, b in zip(chosen["values_at"], slow["values_at"], strict=True))
        run = run_of(tuned, name, 0)
        assert run.name == chosen["folder"]  # the last trial is the run of that seed
        record = workshop.record(run)
        assert [one["update"] for one in record["pauses"]] == [1, 3]
        curve = {one["update"]: one["nll"] for one in record["results"]["curves"]["validation"]}
        assert [{"update": at, "value": curve[at]} for at in (1, 3)] == chosen["values_at"]
        assert OmegaConf.load(run_of(tuned, name, 3) / "config.yaml").optimizer.lr == 0.02
        assert workshop.record(tuned / slow["folder"])["updates"] == 3


@pytest.mark.slow
def test_a_tuned_run_equals_one_that_never_paused(workshop: Any, tuned: Path, tmp_path: Path) -> None:
    words = [*SHORT.split()[:-2], "model/context=additive", "optimizer.lr=0.02", "validation.every=1", "seed=0"]
    assert workshop.train(tmp_path / "run", "", *words[:-6], *words[-6:]) == 0
    chosen, alone = workshop.record(run_of(tuned, "additive", 0)), workshop.record(tmp_path / "run")
    assert chosen["results"] == alone["results"]
    assert chosen["config_hash"] == alone["config_hash"]


@pytest.mark.slow
def test_finished_runs_are_skipped_and_interrupted_ones_go_on(
    workshop: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = SHORT.replace("budget.updates=4", "budget.updates=8")
    with monkeypatch.context() as patch:
        interrupt_after(6, patch, run="additive")
        assert workshop.compare(tmp_path, words) == 1
    error = capsys.readouterr().err
    left = run_of(tmp_path / "pair", "additive", 1).name
    assert f"{left} is interrupted" in error
    assert "1 of 2 points are not finished (1 interrupted); the same command goes on with them" in error
    assert "Traceback" not in error
    assert workshop.record(run_of(tmp_path / "pair", "additive", 1))["status"] == "interrupted"
    assert workshop.record(run_of(tmp_path / "pair", "fixed", 1))["status"] == "finished"
    STARTED.clear()
    assert workshop.compare(tmp_path, words) == 0
    assert ["ckpt=last" in words for words in STARTED] == [True]
    assert any("additive-seed1" in word for word in STARTED[0])
    out = capsys.readouterr().out
    assert out.strip() == str(tmp_path / "pair" / "report.html")
    STARTED.clear()
    before = workshop.record(run_of(tmp_path / "pair", "additive", 1))
    assert workshop.compare(tmp_path, words) == 0
    assert STARTED == []
    assert workshop.record(run_of(tmp_path / "pair", "additive", 1)) == before


@pytest.mark.slow
def test_a_resumed_member_equals_one_that_never_stopped(workshop: Any, tuned: Path, tmp_path: Path) -> None:
    copy = tmp_path / "pair"
    shutil.copytree(tuned, copy)
    shutil.rmtree(run_of(copy, "additive", 3))
    assert workshop.compare(tmp_path, SHORT, "seeds=[0,3]", *TRIALS) == 0
    assert len(STARTED) == 1  # not what is finished, nor any trial
    again, first = (workshop.record(run_of(folder, "additive", 3)) for folder in (copy, tuned))
    assert again["results"] == first["results"]


@pytest.mark.slow
def test_a_member_that_fails_does_not_stop_the_others(workshop: Any, tmp_path: Path, capsys: Any) -> None:
    wild = "+members.wild=['optimizer=sgd','optimizer.lr=1e38','scheduler=none','averaging=none']"
    assert workshop.compare(tmp_path, SHORT, wild, "match=none") == 1
    error = capsys.readouterr().err
    assert "wild-seed1" in error
    assert "1 of 3 points are not finished (1 diverged)" in error
    assert "the loss became" in (run_of(tmp_path / "pair", "wild", 1) / "job.log").read_text()
    statuses = {
        name: workshop.record(run_of(tmp_path / "pair", name, 1))["status"] for name in ("fixed", "additive", "wild")
    }
    assert statuses == {"fixed": "finished", "additive": "finished", "wild": "failed"}
    assert (tmp_path / "pair" / "report.html").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["+members.bad=['model/context=dot']"], "1 of 3 points are refused, so none is trained: model/context=dot"),
        (["+members.bad=['model/context=dot']", "match=none"], "so none is trained: model/context=dot"),
        (["+members.bad=['model/context=dott']"], "model/context has no option 'dott'"),
        (['+members.bad="[model/context=dot]"'], "members.bad='[model/context=dot]': give a list such as"),
        (["seeds=[]"], "seeds=[]: give a list such as [0,1,2]"),
        (["seeds=[1,1]"], "seeds=[1, 1]: give a list"),
        (["seeds=3"], "seeds=3: give a list"),
        (["seeds=[a]"], "seeds=[a]: give a list"),
        (["seed=3", "seeds=[1]"], "seed and seeds are two names of one thing"),
        (["match_to=none"], "match_to=none: give the name of a member; there are fixed, additive"),
        (["tuning.factors=[1,2]", "optimizer.lr=0.1,0.2"], "tuning finds optimizer.lr, so it can't be swept"),
        (["tuning.factors=[1,2]", "learning_rate=0.1,0.2"], "tuning finds learning_rate, so it can't be swept"),
        (["tuning=learning_rate", "+tuning.grid={learning_rate:[1,2]}"], "tuning.factors tunes the rate"),
        (["tuning=learning_rate", "+tuning.grid={validation.sentences:[1,2]}"], "validation.sentences can't be tuned"),
        (["+tuning.grid={model.hidden_size:[8,64]}", "model=tiny"], "has no longer the parameters that"),
        (["+tuning.grid={tokenizer.source_size:[40,50]}", "protocol.metric=perplexity"], "perplexities are of other"),
        (["tuning=learning_rate", "+tuning.grid={search.beam_size:[1,2]}"], "search.beam_size can't be tuned"),
        (["tuning=learning_rate", "+tuning.grid={optimizer.lr:[1,2]}"], "tuning.factors tunes the rate"),
        (["tuning=learning_rate", "+tuning.grid={model.dropout:0.1}"], "give a list of values"),
        (["tuning.judged_at=[0.5,0.2]"], "tuning.judged_at=[0.5, 0.2]: give a list"),
        (["+tuning.grid={optimizer.betas:[[0.9,0.98],[0.9,0.999]]}"], "lists of lists can't be tuned"),
        (["tuning.keep=[1]"], "tuning.judged_at=[0.25, 0.75] and tuning.keep=[1]: give as many numbers to both"),
        (["tuning=learning_rate", "+tuning.grid={model.dropout:[0.1,2]}"], "model.dropout=2: give a number"),
        (["model.hidden_size=8,16"], "match=parameters finds the hidden sizes, so model.hidden_size can't be swept"),
        (["match=size"], "match=size: choose one of none, parameters, flops"),
        (["seeds=1,2"], "seeds is the same for a whole study"),
        (["--run"], "--run"),
        (["+members.again=['model/context=additive']"], "the members additive and again train the same"),
        (["jobs=0"], "jobs=0: give a whole number"),
        (["jobs=2", "hydra/launcher=joblib"], "jobs=2 is for hydra/launcher=local; joblib has keys of its own"),
        (["budget.tokens=0"], "budget.tokens=0: give a whole number, 1 or more"),
        (["~members.fixed"], "at least two members"),
        (["study=a/b"], "a study's name has letters"),
        (["study=.."], "a study's name has letters"),
        (["trainer.max_steps=3"], "two names of one limit"),
    ],
)
@pytest.mark.slow
def test_wrong_comparisons_are_refused_before_anything_runs(
    workshop: Any, tmp_path: Path, capsys: Any, words: list[str], sentence: str
) -> None:
    given = [word.split("=")[0] for word in words]
    base = " ".join(word for word in SHORT.split() if word.split("=")[0] not in given)
    assert workshop.compare(tmp_path, base, *words) in (1, 2)
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error
    assert STARTED == []


@pytest.mark.slow
def test_other_settings_are_trained_beside(workshop: Any, study: Path, tmp_path: Path) -> None:
    copy = tmp_path / "pair"
    shutil.copytree(study, copy)
    before = workshop.snapshot(run_of(copy, "fixed", 0))
    old = run_of(copy, "fixed", 0)
    assert workshop.compare(tmp_path, SHORT, "label_smoothing=0.2", "seeds=[0]", "optimizer.lr=0.02") == 0
    assert workshop.snapshot(old) == before
    assert len(STARTED) == len(described(copy)["runs"]) == 2
    assert run_of(copy, "fixed", 0) != old


@pytest.mark.slow
def test_a_run_that_no_study_asked_for_is_never_cleared(
    workshop: Any, study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "pair"
    shutil.copytree(study, copy)
    foreign = run_of(copy, "fixed", 3)
    (foreign / "job.json").unlink()
    before = workshop.snapshot(foreign)
    assert workshop.compare(tmp_path, SHORT, "seeds=[0,3]") == 1
    assert "holds a run that no study asked for" in capsys.readouterr().err
    assert workshop.snapshot(foreign) == before


@pytest.mark.slow
def test_models_are_made_equal_in_operations_by_as_many_jobs_as_asked(
    workshop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    launched = []
    monkeypatch.setattr(LocalLauncher, "launch", lambda self, *_, **__: launched.append(self.jobs))
    assert workshop.compare(tmp_path, SHORT, "match=flops", "jobs=3") == 1
    assert launched == [3]
    assert "2 of 2 points are not finished (2 waiting)" in capsys.readouterr().err
    sizes = {
        point.member: any("model.encoder.hidden_size=" in one for one in point.overrides)
        for point in ledger.read_points(tmp_path / "pair")
    }
    assert sizes == {"fixed": True, "additive": False}


def test_the_config_is_printed_and_nothing_is_done(workshop: Any, tmp_path: Path, capsys: Any) -> None:
    assert workshop.compare(tmp_path / "out", SHORT, "--cfg", "job") == 0
    assert "members:\n" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def test_two_comparisons_at_once_are_refused(workshop: Any, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "pair").mkdir()
    with FileLock(tmp_path / "pair" / ".lock"):
        assert workshop.compare(tmp_path, SHORT) == 1
    assert "another comparison is at work in" in capsys.readouterr().err


@pytest.mark.slow
def test_members_seeds_and_settings_of_the_user(workshop: Any, tmp_path: Path) -> None:
    own = tmp_path / "my conf"
    (own / "experiment").mkdir(parents=True)
    (own / "experiment" / "mine.yaml").write_text("# @package _global_\nlabel_smoothing: 0.25\n")
    words = "study=own trainer.max_steps=2 tuning.factors=[10]"
    flags = (f"--config-dir={own}", "experiment=mine", "+members.mean=['model/context=mean']", "seeds=[7]")
    odd = tmp_path / "out, é='x'"
    assert workshop.compare(odd, f"{SIZES} {words}", *flags) == 0
    for name in ("fixed", "additive", "mean"):
        assert workshop.record(run_of(odd / "own", name, 7))["updates"] == 2
        assert OmegaConf.load(run_of(odd / "own", name, 7) / "config.yaml").label_smoothing == 0.25
    parameters = [workshop.record(run_of(odd / "own", name, 7))["parameters"] for name in ("fixed", "additive", "mean")]
    assert max(parameters) / min(parameters) <= 1.01


@pytest.mark.slow
def test_processes_of_their_own(workshop: Any, tmp_path: Path) -> None:
    odd = tmp_path / "a b,c=é"
    data = [*workshop.corpus(odd / "corpus"), workshop.quoted("paths.cache", odd / "cache")]
    rest = [o for o in workshop.overrides(tmp_path, SHORT) if not o.startswith(("data", "paths", "hydra"))]
    words = ["compare", *data, *rest, workshop.quoted("paths.output", odd / "out")]
    process = workshop.process(tmp_path, *words)
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    assert out.strip() == str(odd / "out" / "pair" / "report.html")
    assert workshop.record(run_of(odd / "out" / "pair", "fixed", 1))["status"] == "finished"
    assert "Traceback" not in error
