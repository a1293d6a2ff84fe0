"""Values that do not go together are refused before data are read."""

from pathlib import Path

import pytest
from omegaconf import DictConfig

from rnnsearch.config import combination_checks
from rnnsearch.config.combination_checks import check_combinations
from rnnsearch.config.compose import Composer
from rnnsearch.config.devices import check_devices
from rnnsearch.config.value_checks import check_values

compose_training = Composer("train")


def train(*overrides: str) -> DictConfig:
    """The config of a training whose values are allowed each by itself."""
    cfg = compose_training(overrides)
    check_values(cfg)
    return cfg


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["search.n_best=9"], r"search\.n_best=9: must be at most search\.beam_size=5"),
        (["search.coverage_penalty=0.2", "model/context=fixed"], r"search\.coverage_penalty=0\.2 needs attention wei"),
        (["search.min_length=5", "search.max_length=3"], r"search\.min_length=5 is above search\.max_length=3"),
        (["model.tied_embeddings=all"], r"model\.tied_embeddings=all is one matrix .* tokenizer\.joint=true"),
        (["tokenizer.joint=true"], r"a joint vocabulary \(tokenizer\.joint=true\) has one size"),
        (["model/context=dot"], r"model/context=dot multiplies states with annotations"),
        (["model/encoder=unidirectional", "model/decoder=paper"], r"model\.decoder\.initial_state=backward reads"),
        (["model.readout_size=3"], r"tied embeddings need equal shapes"),
        (["budget.updates=null"], r"no budget is given, so training would never end"),
        (["streaming=1000", "trainer.overfit_batches=3"], r"trainer\.overfit_batches repeats the first batches"),
        (["data.min_length=40"], r"data\.min_length=40 and data\.max_length=30 do not fit"),
        (["data=multi30k", "data.target_language=xx"], r"Multi30k has no pair de to xx"),
        (["data=files", "data.train=deu.txt"], r"^data\.train=deu\.txt is one file, and data=files takes two"),
        (["filters.first=30000"], r"filters\.first=30000 is above data\.train_pairs=20000, the training pairs that"),
        (["data=mixture"], r"data\.members is empty"),
        (["budget.until=converged", "callbacks=early_stopping"], r"early stopping would cut off"),
        (["early_stopping=3", "callbacks=early_stopping"], r"^callbacks\.early_stopping and early_stopping=3 do the"),
        (["keep_best=2", "callbacks=kept_checkpoints"], r"^callbacks\.kept_checkpoints and keep_best=2 do the same"),
        (["+callbacks.early_stopping.patience=3"], r"^callbacks\.early_stopping names no _target_, .*callbacks="),
        (["+callbacks.mine=null"], r"^callbacks\.mine names no _target_"),
        (["+logger.mine=null"], r"^logger\.mine names no _target_"),
    ],
)
def test_what_does_not_go_together(overrides: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        check_combinations(train(*overrides))


@pytest.mark.parametrize("overrides", [[], ["search.coverage_penalty=0.2"], ["search=sampling"], ["data=files"]])
def test_what_goes_together(overrides: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    check_combinations(train(*overrides))
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_no_memory_holds() -> None:
    sizes = [f"model.{key}_size=65536" for key in ("hidden", "embedding", "readout")]
    with pytest.raises(ValueError, match=r"a model of [\d,]+ weights takes [\d,]+ GiB .* this machine has \d+ GiB"):
        check_combinations(train("tokenizer.source_size=1000000", *sizes))


def test_a_logger_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(combination_checks, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"logger\.wandb needs wandb, which is not installed"):
        check_combinations(compose_training(["logger=wandb"]))


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["trainer.precision=16-mixed"], r"trainer\.precision=16-mixed needs a GPU, and this trains on the CPU"),
        (["trainer.strategy=fsdp"], r"trainer\.strategy=fsdp needs GPUs"),
        (["trainer.devices=-1"], r"trainer\.devices=-1 names GPUs, and this trains on the CPU"),
        (["trainer.devices=[0,1]"], r"trainer\.devices=\[0, 1\] names GPUs"),
        (["trainer.accelerator=gpu"], r"trainer\.accelerator=gpu: torch sees no GPU here"),
        (["trainer.accelerator=mps"], r"trainer\.accelerator=mps: torch sees no Apple GPU here"),
    ],
)
def test_what_a_processor_cannot(overrides: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    with pytest.raises(ValueError, match=sentence):
        check_devices(train(*overrides).trainer)


@pytest.mark.parametrize(
    ("devices", "sentence"), [("3", "this machine has 2"), ("[0,2]", "GPUs 0 to 1"), ("'0,5'", "GPUs 0 to 1")]
)
def test_gpus_that_are_not_there(devices: str, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    with pytest.raises(ValueError, match=sentence):
        check_devices(train("trainer=gpu", f"trainer.devices={devices}").trainer)
