"""The table of keys is that of conf/ and of the constructors: no key without a row, no row without a key, one type."""

import inspect
import re
import types
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
import yaml
from hydra.utils import get_object

from rnnsearch.cli.help import COMMANDS
from rnnsearch.config.config_dir import chosen_groups, config_dir
from rnnsearch.config.keys.kinds import Either, Kind, Named, OrNull, Wrong
from rnnsearch.config.keys.table import TABLE, kind_of, required_keys, text_keys
from rnnsearch.evaluation import symmetrization, word_alignment
from rnnsearch.kernels import libraries
from rnnsearch.model import cells, initial_state, readout, recurrence, translator
from rnnsearch.search import attention_conditions, beam
from rnnsearch.study.export import FORMATS as TABLES
from rnnsearch.sweeps import hyperparameter_search
from rnnsearch.training import initialization

SAMPLES: Mapping[type, tuple[Any, ...]] = {  # of each type, so many that each kind takes one
    bool: (True, False),
    int: (1, 2, 5, 64, 1000),
    float: (1.0, 0.5, 0.99, 3.0),
    str: ("a", ""),
    type(None): (None,),
}
WIDER: Mapping[str, set[type]] = {  # what a key may be beyond its annotation
    "trainer.strategy": {dict},  # a constructor of its own
    "trainer.max_steps": {type(None)},  # as budget.updates, whose other name it is
}


@cache
def content(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def leaves(node: Mapping[str, Any], command: str, before: str = "") -> Iterator[tuple[str, Any, str]]:
    """Dotted keys, values and constructors of a section, down to what the table has a row for."""
    target = node.get("_target_", "")
    for name, value in node.items():
        key = f"{before}{name}"
        if name == "defaults" or key == "hydra" or name.startswith("_"):
            continue
        kind = kind_of(key, command)
        has_rows = any(row.startswith(f"{key}.") for row in TABLE[command])
        is_whole = isinstance(kind.kind if isinstance(kind, OrNull) else kind, Named) and not has_rows
        if isinstance(value, dict) and value and not is_whole:
            yield from leaves(value, command, f"{key}.")
        else:
            yield key, value, target


def keys_in_conf(command: str) -> list[tuple[str, Any, str]]:
    """Every leaf that a command can have, of whatever option, with its value and its constructor."""
    conf, found = config_dir(), []
    for base in {"sweep": ("train", "sweep"), "compare": ("train", "sweep", "compare")}.get(command, (command,)):
        found += leaves(content(conf / f"{base}.yaml"), command)
    tops = {group.split("/")[0] for group in chosen_groups(conf, command)}
    for path in sorted(conf.rglob("*/*.yaml")):
        group = path.parent.relative_to(conf).as_posix()
        if group.split("/")[0] not in tops:
            continue
        is_global = "@package _global_" in path.read_text(encoding="utf-8")
        found += leaves(content(path), command, "" if is_global else f"{group.replace('/', '.')}.")
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_every_key_has_a_row_that_takes_its_value(command: str) -> None:
    for key, value, _ in keys_in_conf(command):
        kind = kind_of(key, command)
        assert kind is not None, f"{key} is missing from src/rnnsearch/keys/: say there what it may be"
        if isinstance(value, str) and (value == "???" or "${" in value):
            continue
        assert kind.canonical(value) == value or value != value, key


@pytest.mark.parametrize("command", COMMANDS)
def test_every_row_has_a_key(command: str) -> None:
    known = {key for key, _, _ in keys_in_conf(command)} | {"trainer.log_every_n_steps"}
    known |= {"data.train", "data.validation", "data.test", "sweep.search"}  # whole sections, where they are null
    assert set(TABLE[command]) - known == set(), "no YAML has these"
    required = {key.removesuffix("._target_") for key in required_keys(command)}
    assert required <= {part for key in known for part in _parents(key)}


def _parents(key: str) -> list[str]:
    parts = key.split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts))]


def test_every_command_has_a_table() -> None:
    assert set(TABLE) == set(COMMANDS)


# Annotations

CONSTRUCTED: dict[str, list[Any]] = {}  # key -> the annotations of the constructors that take it
for _key, _, _target in keys_in_conf("train"):
    if _target:
        _parameters = inspect.signature(get_object(_target)).parameters
        CONSTRUCTED.setdefault(_key, []).append(_parameters[_key.rpartition(".")[2]].annotation)


def types_of(annotation: Any) -> set[type]:
    """The plain types that an annotation allows; a sequence or mapping as list or dict, text for what is named."""
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return set().union(*map(types_of, typing.get_args(annotation)))
    if origin is Literal:
        return {type(one) for one in typing.get_args(annotation)}
    if origin is not None:
        return {dict if issubclass(origin, Mapping) else list}
    return set() if annotation is torch.Tensor else {annotation}


def takes(kind: Kind, type_: type) -> bool:
    """Whether a kind has values of a type."""
    samples = {
        list: ([], [1], [0.5, 0.5], ["a"], [["a", "b"]]),
        dict: ({}, {"a": 1}, {"_target_": "x"}),
    }.get(type_) or SAMPLES[type_]
    if options := getattr(kind.kind if isinstance(kind, OrNull) else kind, "options", None):
        samples = (*samples, *options)
    pattern = re.search("auto", kind.noun)
    for value in (*samples, *(("auto",) if type_ is str and pattern else ())):
        try:
            found = kind.canonical(value)
        except Wrong:
            continue
        if type(found) is type_:
            return True
    return False


@pytest.mark.parametrize("key", CONSTRUCTED)
def test_a_row_has_the_types_of_its_constructors(key: str) -> None:
    kind = kind_of(key, "train")
    assert kind is not None
    allowed = [types_of(annotation) for annotation in CONSTRUCTED[key]]
    taken = {one for one in (*SAMPLES, list, dict) if takes(kind, one)}
    whole = {int} if any(float in types for types in allowed) else set()
    assert taken - set().union(*allowed) - whole <= WIDER.get(key, set())
    assert all(taken & types for types in allowed)


@pytest.mark.parametrize(
    ("command", "key", "names"),
    [
        ("train", "model.cell", cells.CELLS),
        ("train", "kernels", cells.KERNELS),
        ("train", "products", ("auto", *libraries.LIBRARIES)),
        ("train", "model.decoder.query_state", recurrence.TRANSITIONS),
        ("train", "model.decoder.readout", readout.READOUTS),
        ("train", "model.decoder.initial_state", initial_state.INITIAL_STATES),
        ("train", "model.tied_embeddings", translator.TIES),
        ("train", "model.initialization", initialization.SCHEMES),
        ("train", "search.normalization", beam.NORMALIZATIONS),
        ("train", "sweep.search.sampler", hyperparameter_search.SAMPLERS),
        ("train", "sweep.search.pruner", hyperparameter_search.PRUNERS),
        ("train", "sweep.search.storage", hyperparameter_search.STORAGES),
        ("train", "sweep.search.metric", hyperparameter_search.DIRECTIONS),
        ("evaluate", "attention", (*attention_conditions.CONDITIONS, "all")),
        ("evaluate", "alignments.method", word_alignment.METHODS),
        ("align", "symmetrize", symmetrization.METHODS),
        ("export", "format", TABLES),
    ],
)
def test_choices_are_those_of_the_code(command: str, key: str, names: Any) -> None:
    kind: Any = TABLE[command][key]
    inner = kind.kind if isinstance(kind, OrNull) else kind.kinds[0] if isinstance(kind, Either) else kind
    assert set(inner.options) == set(names)


def test_a_member_of_a_mixture_has_the_keys_of_a_corpus() -> None:
    assert kind_of("data.members.news.train.source", "train") is kind_of("data.train.source", "train")
    assert kind_of("data.members.news", "train") is None


def test_names_and_paths_are_text() -> None:
    assert {"study", "data.train.source", "data.source_language", "paths.output"} <= text_keys("train")
    assert {"run", "checkpoint", "prefixes", "alignments.output"} <= text_keys("translate")
    assert not {"seed", "optimizer.lr", "kernels", "trainer.devices"} & text_keys("train")
