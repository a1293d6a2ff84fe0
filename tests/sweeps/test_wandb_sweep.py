"""Sweeps as Weights & Biases' agents read them."""

import pytest

from rnnsearch.sweeps.search_space import Choices, Range
from rnnsearch.sweeps.wandb_sweep import wandb_sweep

SPACE = {
    "model/context": Choices(("fixed", "additive")),
    "optimizer.lr": Range(1e-4, 1e-2, log=True),
    "model.hidden_size": Range(32, 128, whole=True),
    "model.dropout": Range(0.0, 0.3),
}


def test_a_search() -> None:
    found = wandb_sweep(SPACE, ["data=controlled"], name="s", metric="nll", sampler="tpe", pruned_after=1)
    assert found["method"] == "bayes"
    assert found["metric"] == {"name": "validation/nll", "goal": "minimize"}
    assert found["parameters"] == {
        "model/context": {"values": ["fixed", "additive"]},
        "optimizer.lr": {"min": 1e-4, "max": 1e-2, "distribution": "log_uniform_values"},
        "model.hidden_size": {"min": 32, "max": 128, "distribution": "int_uniform"},
        "model.dropout": {"min": 0.0, "max": 0.3, "distribution": "uniform"},
    }
    assert found["command"][:4] == ["${env}", "rnnsearch", "train", "data=controlled"]
    assert found["command"][-1] == "${args_no_hyphens}"
    assert found["early_terminate"]["type"] == "hyperband"


def test_a_grid() -> None:
    space = {"model/context": SPACE["model/context"]}
    found = wandb_sweep(space, [], name="s", metric="bleu", sampler=None, pruned_after=None)
    assert (found["method"], found["metric"]["goal"]) == ("grid", "maximize")
    assert "early_terminate" not in found
    with pytest.raises(ValueError, match=r"optimizer\.lr is an interval, which has no grid; add sweep=optuna_tpe"):
        wandb_sweep(SPACE, [], name="s", metric="bleu", sampler=None, pruned_after=None)
