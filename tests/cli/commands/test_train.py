"""Names of one limit, folders, and that every option of train composes."""

from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from rnnsearch.config.compose import compose, settle_budget
from rnnsearch.config.config_dir import config_dir, groups
from rnnsearch.config.value_checks import check_values
from rnnsearch.runs.resume import starting_point

GROUPS = (
    *("optimizer", "scheduler", "averaging", "batches", "tokenizer", "trainer", "logger", "debug", "experiment"),
    "search",
)
OPTIONS = {group: list(groups(config_dir())[group]) for group in GROUPS}


def limits(steps: int | None, updates: int | None) -> DictConfig:
    return OmegaConf.create({"trainer": {"max_steps": steps}, "budget": {"updates": updates}})


@pytest.mark.parametrize(
    ("steps", "updates", "overrides", "expected"),
    [
        (25, 100, ["trainer.max_steps=25"], 25),
        (25, 25, ["trainer.max_steps=25", "budget.updates=25"], 25),
        (100, 100, ["budget.updates=100"], 100),
        (-1, 100, ["trainer.max_steps=-1"], None),
        (None, None, ["budget.updates=null"], None),
    ],
)
def test_two_names_of_one_limit(steps: int, updates: int, overrides: list[str], expected: int | None) -> None:
    cfg = limits(steps, updates)
    settle_budget(cfg, overrides)
    assert (cfg.budget.updates, cfg.trainer.max_steps) == (expected, expected)


@pytest.mark.parametrize("prefix", ["", "+", "++"])
def test_two_different_limits_are_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match=r"trainer\.max_steps=25 and budget\.updates=30 are two names of one limit"):
        settle_budget(limits(25, 30), ["trainer.max_steps=25", f"{prefix}budget.updates=30"])


def test_the_alias_follows_the_budget() -> None:
    assert compose("train", ["data=files", "budget.updates=77"]).trainer.max_steps == 77


TOGETHER = [
    [f"{group}={options[place % len(options)]}" for group, options in OPTIONS.items()]
    for place in range(max(map(len, OPTIONS.values())))
]
ALONE = [pytest.param([f"{group}={one}"], marks=pytest.mark.slow) for group, many in OPTIONS.items() for one in many]


@pytest.mark.parametrize("words", [*TOGETHER, *ALONE], ids=str)
def test_every_option_composes_with_allowed_values(words: list[str]) -> None:
    """The first of each group together, then the second of each; and each alone."""
    cfg = compose("train", ["data=files", *words])
    OmegaConf.resolve(cfg)
    check_values(cfg)
    settle_budget(cfg, words)
    assert cfg.budget.updates == cfg.trainer.max_steps


def test_a_new_folder(tmp_path: Path) -> None:
    for ckpt in (None, "last"):
        assert starting_point(tmp_path, ckpt, main=True) is None
    (tmp_path / "record.json").write_text("{}")
    with pytest.raises(ValueError, match=r"holds a run already.*ckpt=last to go on with it"):
        starting_point(tmp_path, None, main=True)
    assert starting_point(tmp_path, None, main=False) is None  # the first process has written the record
    assert starting_point(tmp_path, "last", main=True) is None
    with pytest.raises(ValueError, match="ckpt=first: allowed is last"):
        starting_point(tmp_path, "first", main=True)
