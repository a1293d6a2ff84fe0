"""A user's own YAML: names are text, what is no configuration is a sentence, no key lands where nothing reads it."""

from pathlib import Path
from typing import Any

import pytest
from hydra._internal.core_plugins import file_config_source
from hydra._internal.sources_registry import SourcesRegistry
from hydra.utils import get_object

from rnnsearch.cli.main import main
from rnnsearch.config import yaml_source
from rnnsearch.config.compose import compose
from rnnsearch.config.old_names import CONSTRUCTORS
from rnnsearch.config.unread_keys import check_added

GLOBAL = "# @package _global_\n"
BOMB = "x0: &x0 [1]\n" + "".join(f"x{i + 1}: &x{i + 1} [{', '.join([f'*x{i}'] * 9)}]\n" for i in range(9))


def own(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def composed(folder: Path, *words: str) -> Any:
    return compose("train", words, [folder])


@pytest.mark.parametrize(("old", "new"), CONSTRUCTORS.items())
def test_constructors_that_moved_load_by_their_old_names(tmp_path: Path, old: str, new: str) -> None:
    text = f"logger:\n  mine: {{_target_: {old}, handlers: [{{class: {old}}}]}}\n"
    own(tmp_path, "experiment/mine.yaml", GLOBAL + text)
    mine = composed(tmp_path, "experiment=mine").logger.mine
    assert (mine._target_, mine.handlers[0]["class"]) == (new, new)
    assert callable(get_object(new))


def test_names_are_text_and_other_values_what_yaml_says(tmp_path: Path) -> None:
    text = """study: 2024_11_30
data:
  source_language: no
  target_language: on
  train: {source: 10, target: 1e3}
  test: null
seed: 3
test: no
sweep:
  grid:
    data.source_language: [no, en, null]
    optimizer.betas: [[0.9, 0.98]]
    test: [no]
"""
    own(tmp_path, "experiment/mine.yaml", f"{GLOBAL}defaults: [override /data: files]\n{text}")
    config = composed(tmp_path, "experiment=mine")
    assert (config.study, config.data.source_language, config.data.target_language) == ("2024_11_30", "no", "on")
    assert dict(config.data.train) == {"source": "10", "target": "1e3"}
    assert config.data.test is None
    assert (config.seed, config.test) == (3, False)
    assert list(config.sweep.grid["data.source_language"]) == ["no", "en", None]
    assert list(config.sweep.grid.test) == [False]


def test_members_are_named_as_they_are_written(tmp_path: Path) -> None:
    own(tmp_path, "experiment/mine.yaml", f"{GLOBAL}members: {{no: [model/context=fixed], 10: [model/context=dot]}}\n")
    names = list(compose("compare", ["experiment=mine"], [tmp_path]).members)
    assert sorted(names) == ["10", "additive", "fixed", "no"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x: " + "[" * 10_000 + "]" * 10_000, "nested more than 50 levels"),
        (BOMB, "aliases"),
        ("a: &a [*a]\n", "aliases"),
        ("a: *b\n", "aliases"),
        ("seed: 1\nseed: 2\n", "line 3: the key seed stands twice"),
        ("optimizer:\n  lr: 1\n  lr: 2\n", "the key lr stands twice"),
        ("seed: [1,\n", "is no YAML; look at"),
        ("seed: 1\n lr: 2: 3\n", "is no YAML; look at"),
        ("- a\n", "no lines of KEY: VALUE"),
        ("just words\n", "no lines of KEY: VALUE"),
        ("a: !!python/object/apply:os.system [ls]\n", "is no YAML"),
        ("a: \x01\n", "is no configuration"),
        (b"\xff\xfe\x00\x01", "not UTF-8"),
        (b"\x00" * 2_000_000, "more than 1,000,000 bytes"),
    ],
)  # fmt: skip
def test_what_is_no_configuration(tmp_path: Path, text: str | bytes, told: str) -> None:
    own(tmp_path, "experiment/mine.yaml", text if isinstance(text, bytes) else GLOBAL + text)
    with pytest.raises(ValueError, match=r"mine\.yaml") as error:
        composed(tmp_path, "experiment=mine")
    assert told in str(error.value)
    assert str(error.value).count("\n") == 0


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("experiment/mine.yaml", "trainer:\n  max_steps: 5\n", "nothing reads experiment.trainer; so that"),
        ("experiment/mine.yaml", "# mine\nseed: 3\nbudget: {updates: 5}\n", "experiment.seed, experiment.budget; so"),
        ("sweep/mine.yaml", "sweep:\n  grid:\n    seed: [0, 1]\n", "begin the file with the line # @package _global_"),
        ("protocol/mine.yaml", "match: none\n", "begin the file with the line # @package _global_"),
        ("mygroup/mine.yaml", "seed: 3\n", "begin the file with the line # @package _global_"),
        ("experiment/mine.yaml", f"{GLOBAL}validation: {{evry: 5}}\n", "did you mean validation.every"),
        ("experiment/mine.yaml", f"{GLOBAL}seeed: 5\n", "nothing reads seeed; did you mean seed"),
        ("experiment/mine.yaml", f"{GLOBAL}budget: {{udpates: 5}}\n", "did you mean budget.updates"),
        ("sweep/mine.yaml", "points: []\ngird: {}\n", "sweep.gird; did you mean sweep.grid"),
        ("experiment/mine.yaml", "# @package _global_ # all\nseed: 3\n", "has one word after it"),
    ],
)  # fmt: skip
def test_keys_that_nothing_reads(tmp_path: Path, name: str, text: str, told: str) -> None:
    own(tmp_path, name, text)
    group = name.partition("/")[0]
    with pytest.raises(ValueError, match=r"mine\.yaml") as error:
        composed(tmp_path, f"{'+' if group == 'mygroup' else ''}{group}=mine")
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("experiment/mine.yaml", f"{GLOBAL}seed: 1\nlabel_smoothing: 0.1\n", "experiment=mine"),
        ("experiment/mine.yaml", f"{GLOBAL}size: 9\nsizes: {{units: '${{size}}'}}\n", "experiment=mine"),
        ("experiment/mine.yaml", f"{GLOBAL}trainer: {{max_time: null}}\n", "experiment=mine"),  # of Lightning's
        ("experiment/mine.yaml", f"{GLOBAL}hydra: {{launcher: {{jobs: 1}}}}\n", "experiment=mine"),
        ("sweep/mine.yaml", "grid:\n  seed: [0, 1]\n", "sweep=mine"),
        ("optimizer/mine.yaml", "_target_: torch.optim.RMSprop\nlr: 0.1\nalpha: 0.9\n", "optimizer=mine"),
        ("model/context/mine.yaml", "_target_: mypackage.Context\nheads: 3\n", "model/context=mine"),
        ("data/mine.yaml", "defaults: [files]\ntrain: {source: a}\n", "data=mine"),
        ("mygroup/mine.yaml", f"{GLOBAL}seed: 3\n", "+mygroup=mine"),
        ("experiment/mine.yaml", "", "experiment=mine"),
    ],
)  # fmt: skip
def test_keys_that_something_reads(tmp_path: Path, name: str, text: str, word: str) -> None:
    own(tmp_path, name, text)
    composed(tmp_path, word)


def test_a_sentence_on_the_command_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    own(tmp_path, "experiment/mine.yaml", "seed: 3\n")
    assert main(["train", f"--config-dir={tmp_path}", "experiment=mine"]) == 2
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    assert "# @package _global_" in err


def test_nested_overrides(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["train", f"model.size={'[' * 10_000}{']' * 10_000}"]) == 2
    err = capfd.readouterr().err
    assert "nested" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("word", "told"), [("+seeed=1", "did you mean seed"), ("++budget.udpates=3", "did you mean budget.updates")]
)
def test_a_key_that_is_added_and_nothing_reads(word: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        check_added([word], [])


@pytest.mark.parametrize(
    "word",
    ["+trainer.max_time=null", "++seed=1", "+members.dot=[]", "+experiment=mine", "+data@data.members.a=files",
     "+sweep.grid.seed=[1]", "+hydra.launcher.jobs=1", "+logger.csv.x=1", "+model.context.heads=3", "seeed=1"],
)  # fmt: skip
def test_a_key_that_is_added_and_something_reads(word: str, tmp_path: Path) -> None:
    check_added([word], [tmp_path])
    check_added(["+size=3", "sizes.units=${size}"], [])


def test_a_folder_of_yaml_that_is_not_there(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--config-dir=/nowhere/at/all"]) == 2
    err = capfd.readouterr().err
    assert "--config-dir=/nowhere/at/all: there is no such folder" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("words", [["sweep", "--config-name=mine"], ["train", "-m", "-cn", "mine"]])
def test_a_config_of_one_s_own_can_t_be_swept(words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    err = capfd.readouterr().err
    assert "--config-name is for one training" in err
    assert err.count("\n") == 1


def test_a_launcher_s_process_may_register_hydra_s_own_reader() -> None:
    yaml_source.install()
    SourcesRegistry.instance().register(file_config_source.FileConfigSource)
    assert SourcesRegistry.instance().resolve("file") is yaml_source.FileConfigSource
