"""The run that a training begins from: read from its folder, known by its weights, and no more needed once begun."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from tests.small_run import write_ancestor

from rnnsearch.cli.main import main
from rnnsearch.config.compose import Composer
from rnnsearch.config.identity import config_hash, point_key
from rnnsearch.config.plain_values import plain
from rnnsearch.evaluation.trained_model import load
from rnnsearch.model.weights_digest import weights_sha256
from rnnsearch.runs.ancestor import Ancestors, begin, read_beginning

compose = Composer("train")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with three checkpoints. Tests only read it."""
    return write_ancestor(tmp_path_factory.mktemp("runs") / "small", checkpoints={"last": 1, "update-2": 2})


def settled(place: Path, *words: str, folder: Path = Path("nowhere")) -> dict[str, Any]:
    """The config of a training that begins from a run."""
    config = compose([f"init={place}", *words])
    begin(config, words, folder)
    return plain(config)


def begun(folder: Path, values: dict[str, Any]) -> Path:
    """What a run leaves that has begun."""
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "last.ckpt").touch()
    OmegaConf.save(values, folder / "config.yaml")
    return folder


def test_model_vocabularies_and_weights_are_the_run_s(small: Path) -> None:
    beginning = read_beginning(small, "last")
    system = load(small, checkpoint="last", device="cpu").system
    assert beginning.weights.keys() == system.model.state_dict().keys()
    assert all(torch.equal(value, beginning.weights[name]) for name, value in system.model.state_dict().items())
    assert beginning.tokenizers.target.checksum == system.target.checksum
    assert beginning.ancestor.weights_sha256 == weights_sha256(system.model)
    assert [one["name"] for one in beginning.descent] == ["small", "old"]
    assert beginning.descent[0]["weights_sha256"] == beginning.ancestor.weights_sha256
    values = settled(small, "init_checkpoint=last", "data=controlled", "learning_rate=0.5")
    config: Any = OmegaConf.load(small / "config.yaml")
    assert (values["model"], values["tokenizer"]) == (config["model"], config["tokenizer"])
    assert values["tokenizer"]["source_size"] == 77
    assert values["data"] == plain(compose(["data=controlled"]))["data"]
    assert values["optimizer"]["lr"] == 0.5


def test_the_key_has_the_weights_and_not_the_place(small: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(small, tmp_path / "moved")
    here, there = settled(small), settled(moved)
    assert here["init"] != there["init"]
    assert point_key(here) == point_key(there)
    assert config_hash(here) == config_hash(there)
    others = [settled(small, f"init_checkpoint={name}") for name in ("last", "update-2")]
    assert len({point_key(values) for values in (here, *others)}) == 3
    same = settled(small, "init_checkpoint=average")  # of the one that was kept
    assert point_key(same) == point_key(others[1])


def test_without_it_nothing_counts() -> None:
    values = plain(compose([]))
    older = {key: value for key, value in values.items() if not key.startswith("init") and key != "freeze"}
    assert config_hash(values) == config_hash(older)
    assert point_key(values) == point_key(older)
    assert config_hash({**values, "freeze": ["encoder"]}) != config_hash(older)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["model=small"], "model=small"),
        (["model/context=dot", "seed=2"], "model/context=dot"),
        (["model.dropout=0.1", "tokenizer=word"], "model.dropout=0.1, tokenizer=word"),
        (["sizes.units=8"], "sizes.units=8"),
        (["+model.extra=1"], r"\+model.extra=1"),
    ],
)
def test_another_model_or_vocabulary_is_refused(small: Path, words: Sequence[str], told: str) -> None:
    sentence = f"brings that run's model and vocabularies, so {told} can't be given beside it"
    with pytest.raises(ValueError, match=sentence):
        begin(compose([f"init={small}"]), words, Path("nowhere"))
    with pytest.raises(ValueError, match=sentence):
        Ancestors().of(compose([f"init={small}"]), words)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["init_checkpoint=nope"], "init=.*small: .* has no checkpoint 'nope': it has best, last, update-2"),
        ([f"init_sha256={'0' * 64}"], r"init=.*small: its weights changed since \(SHA-256 [0-9a-f]{64}, and"),
    ],
)
def test_what_is_not_there_is_refused(small: Path, words: Sequence[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        settled(small, *words)


def test_what_is_no_whole_run_is_refused(small: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"init=.*nothing: .* holds no record.json"):
        settled(tmp_path / "nothing")
    without = shutil.copytree(small, tmp_path / "without")
    OmegaConf.save({"model": {}}, without / "config.yaml")
    with pytest.raises(ValueError, match="has no sections model and tokenizer"):
        settled(without)
    broken = shutil.copytree(small, tmp_path / "broken")
    path = broken / "checkpoints" / "best.ckpt"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"init=.*broken: .*best.ckpt can't be read as a checkpoint"):
        settled(broken)


@pytest.mark.parametrize("place", ["tokenizer", "model.encoder"])
def test_what_a_stranger_s_config_names_is_not_constructed(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    foreign = shutil.copytree(small, tmp_path / "foreign")
    config = OmegaConf.load(foreign / "config.yaml")
    OmegaConf.update(config, f"{place}._target_", "os.system")
    OmegaConf.save(config, foreign / "config.yaml")
    assert main(["train", f"init={foreign}", f"hydra.run.dir={tmp_path / 'run'}"]) == 1
    assert "os.system may not be constructed by a configuration" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_run_that_has_begun_needs_its_ancestor_no_more(small: Path, tmp_path: Path) -> None:
    parent = shutil.copytree(small, tmp_path / "parent")
    first = settled(parent)
    own = begun(tmp_path / "own", first)
    assert settled(parent, "ckpt=last", folder=own) == {**first, "ckpt": "last"}
    assert begin(compose([f"init={parent}", "ckpt=last"]), [], own) is None
    (parent / "checkpoints" / "best.ckpt").unlink()
    shutil.copy(parent / "checkpoints" / "last.ckpt", parent / "checkpoints" / "best.ckpt")
    assert settled(parent, "ckpt=last", folder=own) == {**first, "ckpt": "last"}  # as it was then
    shutil.rmtree(parent)
    assert settled(parent, "ckpt=last", folder=own) == {**first, "ckpt": "last"}
    with pytest.raises(ValueError, match="holds no record"):
        settled(parent, folder=own)
    with pytest.raises(ValueError, match="holds no record"):  # it named another checkpoint
        settled(parent, "ckpt=last", "init_checkpoint=last", folder=own)
    (own / "checkpoints" / "last.ckpt").unlink()
    with pytest.raises(ValueError, match="holds no record"):  # nothing to go on from
        settled(parent, "ckpt=last", folder=own)
    (own / "record.json").write_text('{"format": 1, "status": "finished"}')  # and nothing to do
    assert settled(parent, "ckpt=last", folder=own) == {**first, "ckpt": "last"}


def test_what_began_from_it_says_what_is_gone(small: Path, tmp_path: Path) -> None:
    parent = shutil.copytree(small, tmp_path / "parent")
    first = settled(parent)
    own = begun(tmp_path / "own", first)
    asked = compose([f"init={parent}"])
    shutil.rmtree(parent)
    with pytest.raises(ValueError, match="holds no record"):
        Ancestors(lambda: [tmp_path / "none"]).of(asked, [])
    found = Ancestors(lambda: [tmp_path / "none", own]).of(asked, [])
    assert found is not None
    assert (found.weights_sha256, found.sections["model"]) == (first["init_sha256"], first["model"])
    assert Ancestors().of(compose([]), ["model=small"]) is None
