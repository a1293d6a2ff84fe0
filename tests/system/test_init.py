"""`init=RUN`: training that begins from another run, on other data, with some modules as they are."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from rnnsearch.evaluation.trained_model import load
from rnnsearch.records.run_record import read_record
from rnnsearch.study.cards import descent

from .conftest import WORDS
from .here import in_process

RATES = "batches.size=16 trainer=cpu threads=1 scheduler.warmup=0 learning_rate=0.01 validation.every=2 samples=0"
STILL = "averaging=none learning_rate=1e-30"  # too little for a weight in single precision to move


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Other texts, in which a third of the words is unknown to the first run; sentences by file, and overrides."""
    folder, draw = tmp_path_factory.mktemp("other"), random.Random(9)
    sentences: dict[str, list[str]] = {
        "overrides": ["data=files", "data.source_language=nl", "data.target_language=de"]
    }
    for split, count in (("train", 40), ("validation", 8), ("test", 3)):
        sources = [draw.choices([*WORDS, "Katze", "Maus", "Ei"], k=draw.randint(2, 6)) for _ in range(count)]
        for side, texts in (("source", sources), ("target", [[WORDS.get(w, w) for w in text] for text in sources])):
            sentences[f"{split}.{side}"] = [" ".join(text) for text in texts]
            (folder / f"{split}.{side}").write_text("".join(f"{line}\n" for line in sentences[f"{split}.{side}"]))
            sentences["overrides"].append(f'data.{split}.{side}="{folder / f"{split}.{side}"}"')
    return sentences


class Tuner:
    """Trains on the other texts from a run."""

    def __init__(self, workshop: Any, overrides: list[str]) -> None:
        self.workshop = workshop
        self.data = [*overrides, workshop.quoted("paths.cache", workshop.folder / "cache"), *RATES.split()]

    def __call__(self, ancestor: Path, run: Path, words: str = "") -> int:
        places = (self.workshop.quoted("init", ancestor), self.workshop.quoted("hydra.run.dir", run))
        code: int = self.workshop.main("train", *self.data, *places, *words.split())
        return code


@pytest.fixture(scope="module")
def tune(workshop: Any, other: dict[str, list[str]]) -> Tuner:
    return Tuner(workshop, other["overrides"])


@pytest.fixture(scope="module")
def tuned(tune: Tuner, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four updates that began from the shared one, its encoder frozen. Tests only read it."""
    folder = tmp_path_factory.mktemp("tuned") / "child"
    assert tune(trained, folder, "budget.updates=4 freeze=[encoder,context] optimizer=adamw") == 0
    return folder


def checkpoint(run: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True)
    return found


def same_bits(one: Tensor, other: Tensor) -> bool:
    return one.numpy().tobytes() == other.numpy().tobytes()


def test_frozen_modules_keep_every_bit_and_the_others_change(trained: Path, tuned: Path) -> None:
    start = checkpoint(trained, "best")["state_dict"]
    last = checkpoint(tuned, "last")
    of_frozen = ("translator.encoder.", "translator.decoder.context.")
    for weights in (checkpoint(tuned, "best")["state_dict"], last["state_dict"], last["current_model_state"]):
        for name, weight in weights.items():
            if name.startswith("translator."):
                assert same_bits(weight, start[name]) == name.startswith(of_frozen), name
    count = len([name for name in start if name.startswith("translator.") and not name.startswith(of_frozen)])
    [state] = last["optimizer_states"]
    assert len(state["state"]) == count - 1  # the target words' matrix is the output's, too
    assert {float(one["step"]) for one in state["state"].values()} == {4.0}  # it began anew


def test_the_record_says_where_it_began(workshop: Any, trained: Path, tuned: Path) -> None:
    parent, child = workshop.record(trained), workshop.record(tuned)
    weights = parent["results"]["weights_sha256"]
    assert child["ancestors"] == [
        {"id": parent["id"], "name": "trained", "checkpoint": "best", "weights_sha256": weights}
    ]
    assert child["tokenizer"]["source"] == parent["tokenizer"]["source"]
    assert (child["data"]["source_language"], child["data"]["target_language"]) == ("nl", "de")
    assert child["parameters"] < parent["parameters"]
    config = (tuned / "config.yaml").read_text()
    assert f"init: {trained}\n" in config
    assert f"init_sha256: {weights}\n" in config
    log = (tuned / "train.log").read_text()
    assert f"begins from {trained}, checkpoint best: its model and vocabularies" in log
    assert f"{child['parameters']:,} parameters and {parent['parameters'] - child['parameters']:,} frozen" in log
    assert descent(read_record(tuned).ancestors) == f"trained ({parent['id']}), best, weights {weights}"


def test_unknown_words_are_counted(tuned: Path, other: dict[str, list[str]]) -> None:
    words = " ".join(other["train.source"]).split()
    unknown = len([word for word in words if word not in WORDS])
    log = (tuned / "train.log").read_text()
    assert f"in the train split: {unknown} of {len(words)} source tokens and {unknown} of {len(words)} target" in log


def test_it_begins_with_the_ancestor_s_likelihood(
    workshop: Any, tune: Tuner, trained: Path, other: dict[str, list[str]], tmp_path: Path
) -> None:
    """By another way: each sentence forced through the loaded ancestor."""
    assert tune(trained, tmp_path / "run", f"budget.updates=1 {STILL} test=false") == 0
    pairs = list(zip(other["validation.source"], other["validation.target"], strict=True))
    scores = load(trained, device="cpu").score(pairs)
    nll = -sum(score.log_prob for score in scores) / sum(len(score.tokens) for score in scores)
    results = workshop.record(tmp_path / "run")["results"]
    assert results["curves"]["validation"][0]["nll"] == pytest.approx(nll, rel=1e-5)
    assert results["weights_sha256"] == workshop.record(trained)["results"]["weights_sha256"]


@pytest.mark.slow
def test_it_goes_on_without_its_ancestor(
    workshop: Any, tune: Tuner, trained: Path, tuned: Path, tmp_path: Path
) -> None:
    parent, run = shutil.copytree(trained, tmp_path / "parent"), tmp_path / "run"
    words = "freeze=[encoder,context] optimizer=adamw"
    assert tune(parent, run, f"budget.updates=4 pause.updates=2 {words}") == 0
    assert workshop.record(run)["status"] == "paused"
    shutil.rmtree(parent)
    assert tune(parent, run, f"budget.updates=4 ckpt=last {words}") == 0
    assert workshop.record(run)["results"] == workshop.record(tuned)["results"]
    assert workshop.record(run)["ancestors"] == workshop.record(tuned)["ancestors"]


@pytest.mark.slow
def test_another_ancestor_is_another_run(workshop: Any, tune: Tuner, tuned: Path, tmp_path: Path, capsys: Any) -> None:
    run = shutil.copytree(tuned, tmp_path / "run")
    words = "freeze=[encoder,context] optimizer=adamw budget.updates=6 ckpt=last"
    assert tune(tuned, run, words) == 1
    assert "was trained with other settings (init_sha256 was " in capsys.readouterr().err
    assert tune(tmp_path / "none", run, words) == 1
    assert "holds no record.json" in capsys.readouterr().err


@pytest.mark.slow
def test_the_line_grows(workshop: Any, tune: Tuner, trained: Path, tuned: Path, tmp_path: Path) -> None:
    run = tmp_path / "grandchild"
    assert tune(tuned, run, "budget.updates=2 init_checkpoint=last") == 0
    line = workshop.record(run)["ancestors"]
    assert [(one["name"], one["checkpoint"]) for one in line] == [("child", "last"), ("trained", "best")]
    assert line[1:] == workshop.record(tuned)["ancestors"]
    assert " that one from trained (" in str(descent(read_record(run).ancestors))


@pytest.mark.slow
def test_it_is_repeated_while_its_ancestor_is_there(
    workshop: Any, tune: Tuner, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    parent, run = shutil.copytree(trained, tmp_path / "parent"), tmp_path / "run"
    assert tune(parent, run, "budget.updates=4 freeze=[decoder.output]") == 0
    in_process(monkeypatch)
    words = [workshop.quoted("run", run), workshop.quoted("paths.cache", workshop.folder / "cache")]
    assert workshop.main("reproduce", *words, "paths.output=one") == 0
    parent.rename(tmp_path / "moved")
    assert workshop.main("reproduce", *words, "paths.output=two") == 1
    assert f"init={parent}: {parent} holds no record.json" in capsys.readouterr().err
    assert workshop.main("reproduce", *words, "paths.output=two", workshop.quoted("init", tmp_path / "moved")) == 0
    assert workshop.main("reproduce", *words, "paths.output=three", workshop.quoted("init", run)) == 1
    assert "its weights changed since" in capsys.readouterr().err
    (run / "config.yaml").unlink()  # from its command
    assert workshop.main("reproduce", *words, "paths.output=four", workshop.quoted("init", tmp_path / "moved")) == 0
    assert workshop.main("reproduce", workshop.quoted("run", tmp_path / "moved"), "init=x") == 1
    assert "began from no other run; leave init=x out" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("names", ["encoder", "decoder.readout", "context,decoder.transition"])
def test_two_processes_leave_them_alone_too(workshop: Any, trained: Path, tmp_path: Path, names: str) -> None:
    words = f"trainer=ddp_cpu trainer.devices=2 freeze=[{names}] budget.updates=2 validation.every=2"
    given = [*workshop.overrides(tmp_path / "run", words)]
    model = [word for word in given if word.startswith(("model", "tokenizer"))]
    process = workshop.process(tmp_path, "train", *(w for w in given if w not in model), f'init="{trained}"')
    _, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    start, found = (checkpoint(run, "last")["state_dict"] for run in (trained, tmp_path / "run"))
    best = checkpoint(trained, "best")["state_dict"]
    frozen = tuple(f"translator.{name}" for name in names.replace("context", "decoder.context").split(","))
    assert {name for name in found if same_bits(found[name], best[name])} == {n for n in start if n.startswith(frozen)}
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert record["ancestors"][0]["name"] == "trained"
