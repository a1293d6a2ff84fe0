"""Values put into a composed configuration are those that Hydra would compose."""

import pytest
from omegaconf import OmegaConf

from rnnsearch.config.compose import Composer, compose
from rnnsearch.config.overrides import Overrides, read_value
from rnnsearch.config.plain_values import plain
from rnnsearch.config.template import Template

CONFIG = OmegaConf.create(
    {
        "rate": 0.1,
        "warm": "${rate}",
        "optimizer": {"lr": "${warm}", "betas": [0.9, 0.99]},
        "name": "at ${optimizer.lr}",
        "cache": "${oc.env:NO_SUCH_PLACE,${oc.env:HOME,.}/x}",
        "copied": "${section}",
        "section": {"a": 1},
        "empty": {},
    }
)


@pytest.mark.parametrize(
    "words",
    [
        ("model=tiny", "seed=7", "optimizer.lr=1e-4", "learning_rate=0.5"),
        ("model=tiny", "learning_rate=0.5", "model.dropout=0", "model.hidden_size=12"),
        ("model=tiny", "optimizer.betas=[0.8,0.9]", "seed=3", "study='1,2'", "member=null"),
        (
            "data=files",
            "data.train.source=a b",
            "paths.cache=/c",
            "validation={every:7}",
            "validation.every=9",
            "seed=-1",
        ),
        ("seed=1", "budget.updates=${seed}", "+experiment=reference", "tokenizer.source_size=300"),
        ("data.train_pairs=5", "~early_stopping", "+optimizer.momentum=0.1", "optimizer.momentum=0.2", "test=false"),
    ],
)
def test_values_are_those_that_hydra_composes(words: Overrides) -> None:
    composer = Composer("train")
    composer.values((*words, "seed=99"))  # what the next ones may begin with
    found = composer.values(words)
    assert found == plain(compose("train", words))
    assert repr(found) == repr(plain(compose("train", words)))


def test_what_follows_a_key_takes_its_value_unless_it_has_its_own() -> None:
    template = Template(OmegaConf.masked_copy(CONFIG, ["rate", "warm", "optimizer"]))
    assert template.with_({"rate": 3})["optimizer"]["lr"] == 3
    assert template.with_({"rate": 3, "warm": 4})["optimizer"]["lr"] == 4
    assert template.with_({"rate": 3, "optimizer.lr": 5}) == {
        **{"rate": 3, "warm": 3},
        "optimizer": {"lr": 5, "betas": [0.9, 0.99]},
    }
    assert template.with_({}) == plain(OmegaConf.masked_copy(CONFIG, ["rate", "warm", "optimizer"]))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("optimizer.lr", 1), ("rate", 1), ("section.a", 1)),  # text and sections that are made of them
        *(("optimizer.betas", 1), ("section", 1), ("empty", 1), ("no", 1)),  # no plain values now
        *(("cache", [1]), ("cache", "${rate}"), ("cache", "???"), ("cache", ...)),
    ],
)
def test_what_hydra_is_left_to_put_in(key: str, value: object) -> None:
    assert not Template(CONFIG).takes(key, value)


def test_nothing_is_put_in_where_it_is_unknown_what_is_read() -> None:
    assert Template(CONFIG).takes("cache", "here")
    assert not Template(OmegaConf.create({"a": 1, "b": {"c": 2, "d": "${.c}"}})).takes("a", 1)
    assert not Template(OmegaConf.create({"a": 1, "b": "${oc.select:a,2}"})).takes("a", 1)


@pytest.mark.parametrize("text", ["0", "-3", "007", "1.50", "1e3", "-2.5E-2", "1_0", ".5", "inf", "+1", "true", "a b"])
def test_a_number_is_read_as_the_grammar_reads_it(text: str) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    meant = OverridesParser.create().parse_override(f"key={text}").value()
    assert repr(read_value(text)) == repr(meant)
