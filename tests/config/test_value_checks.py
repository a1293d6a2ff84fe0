"""Values are judged right after composing: wrong ones by one sentence, the rest in one spelling."""

from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from rnnsearch.config.compose import Composer, compose
from rnnsearch.config.constructor_checks import check_constructors, kind_of_annotation
from rnnsearch.config.identity import config_hash, point_key
from rnnsearch.config.trust import trusting
from rnnsearch.config.value_checks import canonical, check_values
from rnnsearch.runs.run_folder import plain

WRONG = {  # override -> what the sentence says
    "data.reverse=no": r"data\.reverse='no': give true or false",
    "data.reverse=null": r"data\.reverse=null: give true or false",
    "test=no": r"test='no': give true or false",
    "test=0": r"test=0: give true or false",
    "trainer.gradient_clip_val=-1": r"trainer\.gradient_clip_val=-1: give a number from 0 on, or null",
    "label_smoothing=2": r"label_smoothing=2: give a number from 0 on, below 1",
    "label_smoothing=nan": r"label_smoothing=nan: give a number from 0 on, below 1",
    "scheduler.warmup=-5": r"scheduler\.warmup=-5: give a whole number, 0 or more",
    "scheduler.final=-1": r"scheduler\.final=-1: give a number from 0 to 1",
    "early_stopping=-1": r"early_stopping=-1: give a whole number, 1 or more, or null",
    "match=abc": r"match=abc: choose one of none, parameters, flops",
    "search.max_length_ratio=1e18": r"search\.max_length_ratio=1e\+18: give a number from 0 to 1000",
    "data.train_pairs=inf": r"data\.train_pairs=inf: give a whole number, 0 or more",
    "data.train_pairs='5'": r"data\.train_pairs='5': give a whole number",
    "data.train_pairs={a:1}": r"data\.train_pairs=\{a: 1\}: give a whole number",
    "model.context=additive": r"model\.context has keys of its own; choose an option with model/context=OPTION: addit",
    "budget=5": r"budget=5: budget has keys of its own; set them",
    "budget.seconds=true": r"budget\.seconds=true: give a number above 0, or null",
    "optimizer.betas=0.9": r"optimizer\.betas=0\.9: give a list such as \[0\.9,0\.999\] of 2, each a number from 0",
    "optimizer.betas=[0.9]": r"optimizer\.betas=\[0\.9\]: give a list such as \[0\.9,0\.999\] of 2",
    "model.hidden_size=100000000": r"model\.hidden_size=100000000: give a whole number from 1 to 65536",
    "trainer.limit_val_batches=0": r"trainer\.limit_val_batches=0: give a whole number, 1 or more, or a share",
    "trainer.accelerator=tpu": r"trainer\.accelerator=tpu: choose one of auto, cpu, gpu",
    "trainer.precision=64-true": r"trainer\.precision=64-true: choose one of 32-true",
    "trainer.precision=16": r"trainer\.precision=16: choose one of 32-true, 16-mixed, bf16-mixed",
    "trainer.strategy=dpp": r"trainer\.strategy=dpp: choose one of auto, ddp, ",
    "seed=-1": r"seed=-1: give a whole number from 0 to 4294967295",
    "seed=null": r"seed=null: give a whole number from 0 to",
    "seed=x": r"seed=x: give a whole number from 0 to",
    "validation.monitor=ter": r"validation\.monitor=ter: choose one of bleu, chrf, nll",
    "validation.every=0": r"validation\.every=0: give a whole number, 1 or more",
    "profile=0": r"profile=0: give a whole number from 1 to 100000, or null",
    "curve_every=0": r"curve_every=0: give a whole number, 1 or more",
    "budget.updates=0": r"budget\.updates=0: give a whole number, 1 or more, or null",
    "trainer.max_steps=0": r"trainer\.max_steps=0: give a whole number, 1 or more, or -1, or null",
    "budget.tokens=-1": r"budget\.tokens=-1: give a whole number, 1 or more, or null",
    "budget.seconds=nan": r"budget\.seconds=nan: give a number above 0, or null",
    "budget.flops=1e999": r"budget\.flops=inf: give a number above 0, or null",
    "budget.flops=much": r"budget\.flops=much: give a number above 0, or null",
    "averaging.decay=1.5": r"averaging\.decay=1\.5: give a number above 0, below 1",
    "optimizer.lr=abc": r"optimizer\.lr=abc: give a number above 0",
    "~seed": r"seed is not there, which train needs",
    "~early_stopping": r"early_stopping is not there, which train needs; for none give early_stopping=null",
    "~validation": r"^validation is not there, which train needs; leave it where it is$",
    "~checkpoints": r"^checkpoints is not there, which train needs",
    "~tokenizer": r"no tokenizer is chosen; choose one with tokenizer=OPTION: sentencepiece, word",
    "~trainer.devices": r"trainer\.devices is not there, which train needs",
    "~trainer.gradient_clip_val": r"for none give trainer\.gradient_clip_val=null",
    "~optimizer.lr": r"optimizer\.lr is not there, which train needs",
    "+sweep.search.trials=3": r"sweep\.search\.metric is not there, which a search needs; sweep=optuna_tpe has all",
    "~search": r"no search is chosen; choose one with search=OPTION: beam, greedy, sampling",
}


compose_training = Composer("train")


def train(*overrides: str) -> DictConfig:
    cfg = compose_training(overrides)
    check_values(cfg)
    return cfg


@pytest.mark.parametrize("override", WRONG)
def test_a_wrong_value_is_named(override: str) -> None:
    with pytest.raises(ValueError, match=WRONG[override]):
        train(override)


@pytest.mark.parametrize("value", ["null", "1", "nan", "true", "[]", "[beam,greedy]", "{a:1}"])
def test_what_is_no_option_of_a_group(value: str) -> None:
    with pytest.raises(ValueError, match=r"^search=.*: search is a group; choose one of its options: beam, greedy, sa"):
        train(f"search={value}")
    assert train("logger=[csv,tensorboard]").logger.keys() == {"csv", "tensorboard"}


def test_several_wrong_values_are_named_together() -> None:
    with pytest.raises(ValueError, match=r"^curve_every=0: .*; test='no': .*; model\.dropout=2: [^;]*$"):
        train("test=no", "curve_every=0", "model=tiny", "model.dropout=2")  # and not what takes its value from there


@pytest.mark.parametrize(
    ("command", "overrides", "sentence"),
    [
        ("compare", ["seeds=[0,0]"], r"seeds=\[0, 0\]: give a list such as \[0,1,2\] of at least one.*all different"),
        ("compare", ["length_edges=[20,10]"], r"length_edges=\[20, 10\]: give a list .*, larger than the one before"),
        ("compare", ["~tuning"], r"^no tuning is chosen; choose one with tuning=OPTION"),
        ("compare", ["~jobs"], r"^jobs is not there, which compare needs; for none give jobs=null"),
        ("compare", ["jobs=0"], r"jobs=0: give a whole number from 1 to 1024, or null"),
        ("compare", ["tuning.factors=[0]"], r"tuning\.factors=\[0\]: give a list such as \[0\.5,1,2\], each a numb"),
        ("translate", ["run=x", "device=tpu"], r"device=tpu: give one of auto, cpu, cuda, or one GPU of several"),
        ("translate", ["run=x", "format=xml"], r"format=xml: choose one of text, tsv, jsonl"),
        ("translate", ["run=x", "strict=yes"], r"strict='yes': give true or false"),
        ("evaluate", ["run=x", "split=[dev]"], r"split=\[dev\]: give a name"),
        ("evaluate", ["run=x", "attention=none"], r"attention=none: choose one of learned, uniform"),
        ("evaluate", ["run=x", "attention=[erased,erased]"], r"each one of learned, .*, all different"),
        ("evaluate", ["run=x", "significance.seed=0"], r"significance\.seed=0: give a whole number from 1"),
        ("score", ["run=x", "tokens=1"], r"tokens=1: give true or false"),
        ("align", ["run=x", "source=a", "target=b", "symmetrize=both"], r"symmetrize=both: choose one of intersection"),
        ("page", ["run=x", "port=99999"], r"port=99999: give a whole number from 0 to 65535"),
        ("dashboard", ["open=on"], r"open='on': give true or false"),
        ("status", ["study=x", "format=csv"], r"format=csv: choose one of table, json"),
        ("export", ["study=x", "format=xls"], r"format=xls: choose one of csv, json, latex, markdown"),
    ],
)
def test_every_command_is_judged(command: str, overrides: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        check_values(compose(command, overrides), command)


def test_a_number_where_text_is_wanted_asks_for_quotes() -> None:
    cfg = compose("translate", ["run=x"])
    cfg.run = 10
    with pytest.raises(ValueError, match=r"run=10: give a run's folder, or a list .*; in quotes a value is text"):
        check_values(cfg, "translate")


@pytest.mark.parametrize(
    "alike",
    [
        ["model.dropout=0", "model.dropout=0.0", "model.dropout=0e5"],
        ["optimizer.lr=1e-3", "optimizer.lr=0.001", "optimizer.lr=0.0010"],
        ["seed=1000", "seed=1e3", "seed=1000.0"],
        ["optimizer.betas=[0,0.9]", "optimizer.betas=[0.0,0.9]"],
        ["budget.seconds=60", "budget.seconds=60.0"],
    ],
)
def test_what_means_the_same_is_one_point(alike: list[str]) -> None:
    assert len({config_hash(plain(train(override))) for override in alike}) == 1
    assert len({point_key(canonical(plain(compose_training([override])))) for override in alike}) == 1


def test_a_count_and_a_share_are_two() -> None:
    assert type(train("trainer.overfit_batches=1").trainer.overfit_batches) is int
    assert type(train("trainer.overfit_batches=1.0").trainer.overfit_batches) is float


def test_what_is_wrong_stays_for_whoever_judges_it() -> None:
    assert canonical({"model": {"dropout": 0}, "test": "no"}) == {"model": {"dropout": 0.0}, "test": "no"}


# Constructors


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["data=multi30k", "+data.train=x"], r"data\.train: Multi30kCorpus takes no train"),
        (["data=multi30k", "data.source_language=null"], r"data\.source_language=null: give a text"),
        (["~search.beam_size"], r"search\.beam_size is not there, which BeamSearch needs"),
        (["+optimizer.amsgrad=yes"], r"optimizer\.amsgrad='yes': give true or false"),
        (["+optimizer.amsgrat=true"], r"optimizer\.amsgrat: Adam takes no amsgrat; did you mean optimizer\.amsgrad\?"),
        (["+trainer.max_epochs=3"], r"trainer\.max_epochs: Trainer gets its max_epochs from elsewhere"),
        (["optimizer._target_=os.system"], r"os\.system may not be constructed"),
        (
            ["+callbacks.x={_target_:rnnsearch.training.dashboards.mlflow_logger,save_dir:/x,tracking_uri:x}"],
            r"^callbacks\.x\._target_=rnnsearch\.training\.dashboards\.mlflow_logger is a logger",
        ),
        (
            ["averaging._target_=lightning.pytorch.loggers.CSVLogger", "+averaging.save_dir=/x"],
            r"^averaging\._target_=lightning\.pytorch\.loggers\.CSVLogger is a logger",
        ),
    ],
)
def test_what_a_constructor_does_not_take(overrides: list[str], sentence: str) -> None:
    cfg = train(*overrides)
    with pytest.raises(ValueError, match=sentence):
        check_constructors(cfg)


def test_a_budget_without_updates_is_taken() -> None:
    cfg = train("budget.updates=null", "budget.tokens=1000")
    check_constructors(cfg)
    assert cfg.trainer.max_steps is None


OWN = """
from typing import Literal

class Sgd:
    def __init__(self, params, *, lr: float, steps: int, kind: Literal["a", "b"] = "a", nesterov: bool = False,
                 rates: list[float] | None = None):
        pass
"""


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"lr": "high", "steps": 1}, r"optimizer\.lr=high: give a number"),
        ({"lr": 1, "steps": 1.5}, r"optimizer\.steps=1\.5: give a whole number"),
        ({"lr": 1, "steps": 1, "kind": "c"}, r"optimizer\.kind=c: choose one of a, b"),
        ({"lr": 1, "steps": 1, "nesterov": "no"}, r"optimizer\.nesterov='no': give true or false"),
        ({"lr": 1, "steps": 1, "rates": [1, "x"]}, r"optimizer\.rates=\[1, x\]: give a list, each a number, or null"),
        ({"lr": 1}, r"optimizer\.steps is not there, which Sgd needs"),
        ({"lr": 1, "steps": 1, "step": 2}, r"optimizer\.step: Sgd takes no step; did you mean optimizer\.steps\?"),
        ({"lr": 1, "steps": 2e1, "rates": None}, None),
    ],
)
def test_a_class_of_the_user_is_held_to_its_annotations(
    settings: dict[str, Any], sentence: str | None, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "annotated_sgd.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    cfg = compose_training([])
    OmegaConf.set_struct(cfg, False)
    cfg.optimizer = {"_target_": "annotated_sgd.Sgd", "_partial_": True, **settings}
    check_values(cfg)
    with trusting(["annotated_sgd"]):
        if sentence is None:
            check_constructors(cfg)
            assert cfg.optimizer.steps == 20
            assert type(cfg.optimizer.steps) is int
            return
        with pytest.raises(ValueError, match=sentence):
            check_constructors(cfg)


def test_annotations_in_words() -> None:
    assert kind_of_annotation(int | None).noun == "a whole number, or null"
    assert kind_of_annotation(tuple[float, float]).noun == "a list of 2, each a number"
    assert kind_of_annotation(dict[str, bool]).noun == "names and values, each true or false"
