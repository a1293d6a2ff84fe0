"""The hash of a configuration: what counts in it, and that it stays."""

import json
import re
from typing import Any

import pytest

from rnnsearch.config import identity
from rnnsearch.config.identity import config_hash

CONFIG: dict[str, Any] = {
    "seed": 1,
    "paths": {"output": "here", "cache": "there"},
    "logger": {"csv": {}},
    "data": {"_target_": "x", "root": "/a", "name": "multi30k"},
    "optimizer": {"lr": 0.1, "fused": True},
    "trainer": {"accelerator": "cpu", "precision": "32-true", "max_steps": 5},
    "budget": {"updates": 5},
    "model": {"hidden_size": 8, "decoder": {"hidden_size": 8}},
    "data_workers": 0,
}


def changed(key: str, value: object) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(json.dumps(CONFIG))
    *parents, last = key.split(".")
    node = config
    for parent in parents:
        node = node.setdefault(parent, {})
    node[last] = value
    return config


@pytest.mark.parametrize(
    "key",
    [
        *("paths.cache", "logger.csv", "data.root", "data_workers", "trainer.accelerator", "ckpt", "optimizer.fused"),
        *("profile", "model.hidden_size", "protocol.question"),
    ],
)
def test_the_hash_leaves_out_what_changes_no_result(key: str) -> None:
    assert config_hash(changed(key, "other")) == config_hash(CONFIG)
    assert not identity.is_hashed(key)


@pytest.mark.parametrize(
    "key",
    ["seed", "data.name", "optimizer.lr", "trainer.precision", "budget.updates", "model.decoder.hidden_size", "new"],
)
def test_the_hash_changes_with_what_does(key: str) -> None:
    assert config_hash(changed(key, "other")) != config_hash(CONFIG)
    assert identity.is_hashed(key)


def test_the_hash_stays_from_version_to_version() -> None:
    before = json.dumps(CONFIG)
    assert config_hash(CONFIG) == config_hash(dict(reversed(CONFIG.items())))
    assert re.fullmatch("[0-9a-f]{16}", config_hash(CONFIG))
    assert json.dumps(CONFIG) == before
    assert config_hash({"seed": 1}) == "a4bbadc1c78966d2"


@pytest.mark.parametrize(
    ("key", "usual", "other"),
    [("normalization", "nfc", "none"), ("joiners", True, False), ("learn_from", "kept", "all")],
)
def test_a_new_key_with_its_usual_value_changes_no_hash(key: str, usual: object, other: object) -> None:
    """Points of before the key keep their hashes; each other value is another point."""
    assert config_hash(changed(f"tokenizer.{key}", usual)) == config_hash(changed("tokenizer.kind", None))
    assert config_hash(changed(f"tokenizer.{key}", other)) != config_hash(CONFIG)


def test_a_new_key_that_is_null_changes_no_hash() -> None:
    assert config_hash({**CONFIG, "new": None}) == config_hash(CONFIG)
    assert config_hash(changed("budget.new", None)) == config_hash(CONFIG)


@pytest.mark.parametrize("callbacks", [{}, {"early_stopping": None}, {"throughput": {"every": 2}}])
def test_callbacks_that_change_no_result_change_no_hash(callbacks: dict[str, object]) -> None:
    assert config_hash({**CONFIG, "callbacks": callbacks}) == config_hash(CONFIG)
    assert config_hash({**CONFIG, "callbacks": {**callbacks, "early_stopping": {"patience": 3}}}) != config_hash(CONFIG)


@pytest.mark.parametrize("key", ["trainer.strategy", "trainer.devices", "kernels", "data_workers", "seed"])
def test_points_differ_in_how_the_machine_is_used_too(key: str) -> None:
    assert identity.point_key(changed(key, "other")) != identity.point_key(CONFIG)


@pytest.mark.parametrize("key", ["paths.cache", "study", "member", "trainer.max_steps", "model.attention_size"])
def test_points_do_not_differ_in_what_is_around_them(key: str) -> None:
    assert identity.point_key(changed(key, "other")) == identity.point_key(CONFIG)


def test_what_is_read_with_another_key_counts_only_where_that_is_set() -> None:
    rule = {"patience": 3, "least": 0.01}
    assert config_hash({**CONFIG, "convergence": rule}) == config_hash(CONFIG)
    until = {**CONFIG, "budget": {**CONFIG["budget"], "until": "converged"}}
    assert config_hash({**until, "convergence": rule}) != config_hash({**until, "convergence": {**rule, "patience": 4}})
    assert config_hash(until) != config_hash(CONFIG)
