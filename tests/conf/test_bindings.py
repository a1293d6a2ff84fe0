"""Every node of conf/ that names a constructor is one call of it: no key missing, none too many."""

import inspect
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from hydra.errors import InstantiationException
from hydra.utils import get_object
from omegaconf import OmegaConf

from rnnsearch.config.build import make
from rnnsearch.config.trust import whitelist

CONF = Path(__file__).resolve().parents[2] / "conf"
WIRED = {  # what the code adds to a node's keys when it makes the object; the first pattern that fits counts
    "rnnsearch.model.transformer.TransformerEncoder": {"vocabulary_size", "kernels"},
    "rnnsearch.model.transformer.TransformerDecoder": {"vocabulary_size", "annotation_size", "kernels"},
    "rnnsearch.model.encoder.*": {"vocabulary_size", "kernels"},
    "rnnsearch.model.context.*": {"annotation_size", "state_size"},
    "rnnsearch.model.decoder.*": {"vocabulary_size", "context", "ends_size", "bidirectional", "kernels"},
    "torch.optim.*": {"params"},
    "lightning.pytorch.loggers.*": {"save_dir"},
    "rnnsearch.training.loggers.*": {"save_dir"},
    "rnnsearch.training.metrics_csv.*": {"save_dir"},
    "rnnsearch.training.dashboards.Samples": {"translate"},
    "rnnsearch.training.dashboards.*": {"save_dir"},
    "rnnsearch.training.checkpoints.kept_checkpoints": {"folder"},
}
Node = dict[str, Any]


def nodes(value: object, place: str) -> Iterator[tuple[str, Node]]:
    """Every mapping with a `_target_` in `value`, with where it stands."""
    if isinstance(value, dict):
        if "_target_" in value:
            yield place, value
        for key, child in value.items():
            yield from nodes(child, f"{place}:{key}")
    elif isinstance(value, list):
        for child in value:
            yield from nodes(child, place)


def all_nodes() -> list[tuple[str, Node]]:
    """Every node of every file of conf/."""
    found = []
    for path in sorted(CONF.rglob("*.yaml")):
        content = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
        found += nodes(content, path.relative_to(CONF).as_posix())
    return found


def check_binding(node: Node) -> None:
    wired = next((names for pattern, names in WIRED.items() if fnmatchcase(node["_target_"], pattern)), set())
    keys = {key for key in node if not key.startswith("_") and key != "defaults"}
    assert not keys & wired, "the code gives these"
    signature = inspect.signature(get_object(node["_target_"]))
    named = {name for name, parameter in signature.parameters.items() if parameter.kind != parameter.VAR_KEYWORD}
    assert keys <= named, "nobody takes these, or a **kwargs would swallow them"
    signature.bind(**dict.fromkeys(keys | wired))


# Hydra makes its plugins itself, beside what a configuration may construct.
NODES = [(place, node) for place, node in all_nodes() if not node["_target_"].startswith("hydra_plugins.")]
PLUGINS = [(place, node) for place, node in all_nodes() if node["_target_"].startswith("hydra_plugins.")]


@pytest.mark.parametrize("node", [node for _, node in PLUGINS], ids=[place for place, _ in PLUGINS])
def test_plugin_takes_these_keys(node: Node) -> None:
    target = get_object(node["_target_"])
    named = set(inspect.signature(target.__init__).parameters)
    keys = {key for key in node if not key.startswith("_")}
    assert keys <= named or {"params", "kwargs"} & named, keys - named


@pytest.mark.parametrize("node", [node for _, node in NODES], ids=[place for place, _ in NODES])
def test_node_binds(node: Node) -> None:
    check_binding(node)


@pytest.mark.parametrize("node", [node for _, node in NODES], ids=[place for place, _ in NODES])
def test_node_may_be_made(node: Node) -> None:
    own = ("rnnsearch.sweeps.durable_sweeper.", "rnnsearch.sweeps.local_launcher.")  # Hydra's plugins too
    assert node["_target_"].startswith(own) or node["_target_"] in whitelist()


def test_nothing_else_is_made() -> None:
    with pytest.raises(InstantiationException, match=r"shutil\.which"):
        make(OmegaConf.create({"_target_": "shutil.which", "cmd": "true"}))


def test_a_refusal_arrives_as_it_was_raised() -> None:
    config = OmegaConf.create({"_target_": "rnnsearch.model.context.Dot"})
    with pytest.raises(ValueError, match=r"^model/context=dot multiplies"):
        make(config, annotation_size=4, state_size=3)


def test_every_group_with_constructors_is_there() -> None:
    found = {place.split("/")[0] for place, _ in NODES}
    assert found >= {"model", "data", "tokenizer", "filters", "batches", "search", "optimizer", "scheduler", "trainer"}


@pytest.mark.parametrize(
    "node",
    [
        {"_target_": "rnnsearch.search.beam.BeamSearch", "beam_size": 1},
        {"_target_": "rnnsearch.model.context.General", "attention_size": 3},
        {"_target_": "rnnsearch.model.context.General", "state_size": 3},
        {"_target_": "lightning.pytorch.loggers.TensorBoardLogger", "nmae": "misspelt"},
    ],
    ids=["missing", "stray", "given twice", "swallowed"],
)
def test_the_check_can_fail(node: Node) -> None:
    with pytest.raises((TypeError, AssertionError)):
        check_binding(node)
