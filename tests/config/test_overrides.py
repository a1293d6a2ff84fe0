"""Names and paths mean what was typed, a value of a YAML file means itself, whatever Hydra's grammar makes of it."""

from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from rnnsearch.config.compose import compose
from rnnsearch.config.overrides import as_typed, spelt, split, swept_values
from rnnsearch.sweeps.axes import sweep_text

NAMES = [
    "2024_11_30", "10", "007", "1e3", "true", "on", "no", "inf", "a=b", "a:b.txt", "/d/a,b.en", "~/x", "é", "日本語",
    "it's", 'say "hi"', '"a" b', "(x", "x(1].txt", "50%", "back\\slash\\", "a b", "{a}", "#1", "-", "choice(a)",
]  # fmt: skip


def parsed(override: str) -> Any:
    return OverridesParser.create().parse_override(override)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_what_was_typed(name: str) -> None:
    for key in ("run", "data.train.source", "data.members.second.train.target", "alignments.output", "hydra.run.dir"):
        assert parsed(as_typed(f"{key}={name}", swept=False)).value() == name
    assert parsed(as_typed(f"run=[{spelt(name)},10]", swept=False)).value() == [name, "10"]
    assert parsed(f"key={spelt([name])}").value() == [name]


@pytest.mark.parametrize(
    ("value", "meant"),
    [("null", None), ('"null"', "null"), ("[]", []), ("[1, 'b,c',null]", ["1", "b,c", None]), ("", "")],
)
def test_what_is_no_name(value: str, meant: Any) -> None:
    assert parsed(as_typed(f"run={value}", swept=False)).value() == meant
    assert parsed(as_typed("data.train={source:10,target: a b}", swept=False)).value() == {
        "source": "10",
        "target": "a b",
    }


@pytest.mark.parametrize("word", ["seed=007", "model=small", "~logger", "--config-dir=10", "optimizer.lr=1e3"])
def test_other_keys_are_left_alone(word: str) -> None:
    assert as_typed(word, swept=False) == word


@pytest.mark.parametrize(
    ("value", "values"),
    [
        ("10,11", ["10", "11"]),
        ("choice(10,/é/x)", ["10", "/é/x"]),
        ('"/a,b",2024_11_30', ["/a,b", "2024_11_30"]),
        ("a.en", ["a.en"]),
    ],
)
def test_commas_separate_the_names_of_a_sweep(value: str, values: list[str]) -> None:
    found = parsed(as_typed(f"data.train.source={value}", swept=True))
    texts = swept_values(found) if found.is_sweep_override() else [found.get_value_element_as_str()]
    assert [parsed(f"k={text}").value() for text in texts] == values
    assert parsed(as_typed("paths.output=a,b", swept=True)).value() == "a,b"  # no sweep goes through these


def test_commas_within_brackets_and_quotes() -> None:
    assert split("a,[b,c],'d,e',{f:1,g:2},it's,h\\,i") == ["a", "[b,c]", "'d,e'", "{f:1,g:2}", "it's", "h\\,i"]


@pytest.mark.parametrize(
    "values",
    [
        ["/d/a,b/x.en", "/d/c/x.en"],
        [[0.9, 0.999], [0.8, 0.98]],
        [None, True, 3, 1e-05, "true", "3", "null", ""],
        ["it's", 'say "hi"', "back\\slash", "a b", "é", "choice(1,2)", "[1]"],
        [{"a b": [1, None], "c": "d,e"}, {}],
        [[["a", None], ["b=c", "1"]]],
    ],
)
def test_a_list_of_a_yaml_grid_has_its_own_values(values: list[Any]) -> None:
    swept = parsed(f"key={sweep_text(OmegaConf.create(values))}")
    texts = swept_values(swept) if swept.is_sweep_override() else [swept.get_value_element_as_str()]
    found = [parsed(f"key={text}").value() for text in texts]
    assert found == values
    assert [type(one) for one in found] == [type(one) for one in values]


@pytest.mark.parametrize("value", ["range(1,4)", "tag(log, interval(0.1, 1))", "a,b"])
def test_a_text_of_a_yaml_grid_is_what_the_command_line_takes(value: str) -> None:
    assert sweep_text(value) == value


def test_an_empty_grid() -> None:
    with pytest.raises(ValueError, match="empty list"):
        sweep_text(OmegaConf.create([]))


def test_a_config_holds_text() -> None:
    words = ["data=files", "data.source_language=no", "data.train.source=10", "study=2024_11_30", "paths.output=1,2"]
    config = compose("train", words)
    assert config.data.source_language == "no"
    assert (config.data.train.source, config.study, config.paths.output) == ("10", "2024_11_30", "1,2")
    numbers = compose("train", ["data=tsv", "data.validation=500", "data.test=2024_11_30", "data.source_column=2"]).data
    assert (numbers.validation, numbers.test) == (500, "2024_11_30")
    assert (numbers.source_column, numbers.target_column) == (2, 1)
    assert compose("train", ["data=files", "data.validation=500", "data.test='500'"]).data.validation == 500
    assert compose("translate", ["run=2024_11_30", "alignments.output=1"]).run == "2024_11_30"
    assert list(compose("page", ["run=[1,2]"]).run) == ["1", "2"]
