"""`rnnsearch sweep` and `train -m`: which points a command line means, and where they are kept. Nothing is trained."""

import json
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser

from rnnsearch.config.compose import Composer
from rnnsearch.config.config_dir import config_dir
from rnnsearch.sweeps import axes

AXES = ("model/context=additive,fixed", "model.context.attention_size=8,16", "seed=0,1")


def values(plan: Any, key: str) -> list[str]:
    """What each point has for a key, in the order in which they would be trained."""
    return [dict(one.partition("=")[::2] for one in launched).get(key, "") for launched in plan.launched]


def test_a_grid_without_what_a_point_lacks(plan: Any) -> None:
    assert plan("sweep study=s model=tiny", *AXES) == 1  # nothing was trained, and that is said
    found = plan.points("s")
    assert len(found) == len(plan.launched) == 6
    assert {point.member for point in found} == {"additive, attention_size=8", "additive, attention_size=16", "fixed"}
    assert [point.seed for point in found].count(0) == 3
    assert not any("attention_size" in one for point in found if point.member == "fixed" for one in point.overrides)
    members = plan.described("s")["members"]
    assert [one["name"] for one in members] == ["additive, attention_size=8", "additive, attention_size=16", "fixed"]
    assert members[0]["settings"] == {"model/context": "additive", "model.context.attention_size": 8}


@pytest.mark.slow
def test_train_m_and_sweep_give_the_same_points(plan: Any) -> None:
    plan("sweep study=one model=tiny", *AXES)
    plan("train -m study=two model=tiny", *AXES)
    one, two = (
        {point.key: (point.member, point.seed, point.folder.name) for point in plan.points(study)}
        for study in ("one", "two")
    )
    assert one == two
    assert len(one) == 6


@pytest.mark.slow
def test_a_study_grows_by_what_is_new(plan: Any, capsys: pytest.CaptureFixture[str]) -> None:
    plan("sweep study=s model=tiny", *AXES)
    first = {point.folder.name: point.key for point in plan.points("s")}
    plan("sweep study=s model=tiny", *AXES[:2], "seed=0,1,2")
    assert len(plan.points("s")) == 9
    assert first.items() <= {point.folder.name: point.key for point in plan.points("s")}.items()
    assert len({point.member for point in plan.points("s")}) == 3
    assert plan.described("s")["seeds"] == [0, 1, 2]
    plan("sweep study=s model=tiny", "seed=3")
    assert "s: 1 points, 1 of them to be trained" in capsys.readouterr().err
    assert len(plan.described("s")["runs"]) == 10


@pytest.mark.slow
def test_members_that_become_two_are_named_apart_and_keep_their_folders(plan: Any) -> None:
    plan("sweep study=s model=tiny model/context=additive,fixed model.context.attention_size=8 seed=0")
    before = {point.key: point.folder for point in plan.points("s")}
    assert {point.member for point in plan.points("s")} == {"additive", "fixed"}
    plan("sweep study=s model=tiny model/context=additive,fixed model.context.attention_size=8,16 seed=0")
    names = [member["name"] for member in plan.described("s")["members"]]
    assert names == ["additive, attention_size=8", "fixed", "additive, attention_size=16"]
    assert before.items() <= {point.key: point.folder for point in plan.points("s")}.items()


def test_a_key_without_effect_makes_no_second_point(plan: Any) -> None:
    plan("sweep study=s model=tiny model/context=fixed,additive model.attention_size=8,16 seed=0")
    members = sorted(point.member for point in plan.points("s"))
    assert members == ["additive, attention_size=16", "additive, attention_size=8", "fixed"]


def axis(word: str) -> tuple[str, tuple[str, ...]]:
    (parsed,) = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader()).parse_overrides([word])
    found = axes.axis(parsed)
    return found.key, found.values


@pytest.mark.parametrize(
    ("word", "values"),
    [
        ("seed=0,1", ("0", "1")),
        ("seed=range(0,3)", ("0", "1", "2")),
        ("seed=choice(3,1)", ("3", "1")),
        ("seed=4,4", ("4",)),
        ("model/context=glob(fix*)", ("fixed",)),
        ("model/context=glob([fix*,add*])", ("additive", "fixed")),
        ("label_smoothing=0.0,0.1", ("0.0", "0.1")),
        ("label_smoothing=range(0.0,0.3,0.1)", ("0.0", "0.1", "0.2")),
        ("optimizer.betas=[0.9,0.98]", ("[0.9,0.98]",)),
        ("optimizer.betas=[0.9,0.98],[0.9,0.99]", ("[0.9,0.98]", "[0.9,0.99]")),
        ("data.root='a, b','c'", ('"a, b"', "c")),
        ("test=false", ("False",)),
        ("~logger", ()),
    ],
)
def test_ways_to_list_values(word: str, values: tuple[str, ...]) -> None:
    with initialize_config_dir(str(config_dir())):
        assert axis(word) == (word.partition("=")[0], values)


def test_an_interval_needs_a_search() -> None:
    with initialize_config_dir(str(config_dir())), pytest.raises(ValueError, match="an interval has no end of values"):
        axis("optimizer.lr=interval(0.1,1)")


def test_a_file_s_grid_and_its_paired_dimensions(plan: Any, tmp_path: Path) -> None:
    (tmp_path / "conf" / "sweep").mkdir(parents=True)
    (tmp_path / "conf" / "sweep" / "pairs.yaml").write_text(
        "grid: {seed: 'range(0,2)', test: [true, false]}\n"
        "points: [[model.hidden_size=8, model.attention_size=4], [model.hidden_size=16, model.attention_size=8]]\n"
        "search: null\n"
    )
    plan("sweep --config-dir=conf study=s model=tiny sweep=pairs test=false")
    both = zip(values(plan, "model.hidden_size"), values(plan, "model.attention_size"), strict=True)
    assert sorted(both) == [("16", "8"), ("16", "8"), ("8", "4"), ("8", "4")]
    assert values(plan, "test") == ["False"] * 4  # the command line is stronger than the file
    assert all(point.flags for point in plan.points("s"))


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("model.context.attention_siz=8,16", "did you mean model.context.attention_size"),
        ("model/context=additive,nonsense", "model/context has no option 'nonsense'"),
    ],
)
def test_a_key_that_no_option_has_is_an_error(
    plan: Any, word: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan("sweep study=s model=tiny", word) != 0
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error
    assert plan.launched == plan.points("s") == []


def test_a_key_that_only_an_option_not_swept_has_is_an_error(plan: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan("sweep study=s model=tiny model/context=fixed model.context.attention_size=8,16") == 1
    assert "no point of this sweep has this key" in capsys.readouterr().err


# The study's name


NAMES = ("007", "1e3", "true", "additive", "0x1f", "a.b-c_d", "1_000", "none", "2026-01-01")


def test_a_study_s_name_is_text() -> None:
    compose = Composer("train")
    for name in NAMES:
        assert compose([f"study={name}"]).study == name
    assert compose(["study=null"]).study is None


def test_a_study_s_folder_is_what_was_typed(plan: Any) -> None:
    plan("sweep study=007 model=tiny seed=0")
    assert [path.name for path in plan.outputs.iterdir()] == ["007"]
    assert plan.described("007")["name"] == "007"
    assert 'study="007"' in plan.points("007")[0].overrides


@pytest.mark.parametrize("name", ["a,b", "a/b", "..", "a|b", "${x}", 'a"b'])
def test_a_name_that_is_no_folder_s_is_refused_in_a_sentence(
    plan: Any, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan("sweep", f"study={name}", "seed=0,1") == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert len(error.strip().splitlines()) == 1
    assert not plan.outputs.exists()


@pytest.mark.slow
def test_without_a_name_the_study_is_called_after_its_corpus(plan: Any) -> None:
    plan("train -m data=controlled model=tiny seed=0,1 study=null")
    assert len(plan.points("sweep-controlled")) == 2


# The study's folder


def test_points_know_the_directory_and_a_relative_output(plan: Any, tmp_path: Path) -> None:
    plan("sweep study=s model=tiny paths.output=here/there seed=0")
    (point,) = [*(tmp_path / "here" / "there" / "s").glob("*/job.json")]
    assert json.loads(point.read_text())["directory"] == str(tmp_path)
    (launched,) = plan.launched
    assert f'hydra.sweep.dir="{tmp_path / "here" / "there" / "s"}"' in launched
    assert f'hydra.sweep.subdir="{point.parent.name}"' in launched


@pytest.mark.slow
def test_an_output_folder_of_any_name(plan: Any, tmp_path: Path) -> None:
    plan("sweep study=s model=tiny seed=0", 'paths.output="é, =x\\" it\'s"')
    assert len([*(tmp_path / "é, =x\" it's" / "s").glob("*/job.json")]) == 1


def test_two_sweeps_in_one_study_at_once(plan: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (plan.outputs / "s").mkdir(parents=True)
    with FileLock(plan.outputs / "s" / ".lock"):
        assert plan("sweep study=s model=tiny seed=0,1") != 0
    error = capsys.readouterr().err
    assert "another sweep is at work in" in error
    assert len(error.strip().splitlines()) == 1


@pytest.mark.slow
def test_a_damaged_description_is_refused_and_one_that_was_removed_is_written_anew(
    plan: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    plan("sweep study=s model=tiny seed=0,1")
    description = plan.outputs / "s" / "study.json"
    description.write_text("{")
    assert plan("sweep study=s model=tiny seed=0,1") == 1
    assert "put a copy back, or remove it and give the command that wrote it again" in capsys.readouterr().err
    assert description.read_text() == "{"
    description.unlink()
    plan("sweep study=s model=tiny seed=0,1")
    assert len(plan.described("s")["runs"]) == 2


def test_a_study_keeps_its_question(plan: Any, capsys: pytest.CaptureFixture[str]) -> None:
    plan("sweep protocol=recipe_axes study=s model=tiny seed=0 tuning=none")
    before = plan.described("s")
    capsys.readouterr()
    assert plan("sweep study=s model=tiny seed=0,1") == 1
    assert "give the protocol= that it began with, or take another study=NAME" in capsys.readouterr().err
    assert plan.described("s") == before


def test_a_search_is_described_before_its_trials(plan: Any) -> None:
    assert plan("sweep sweep=optuna_tpe study=s model=tiny sweep.search.trials=2") == 1
    described = plan.described("s")
    assert described["kind"] == "search"
    assert list(described["search"]["space"]) == [
        "optimizer.lr",
        "model.hidden_size",
        "model.attention_size",
        "model.dropout",
    ]


def test_what_is_not_finished_is_said_last(plan: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan("sweep study=s model=tiny seed=0,1") == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    last = printed.err.strip().splitlines()[-1]
    assert "2 of 2 points are not finished (2 waiting); the same command goes on with them" in last


# Flags that only print


@pytest.mark.parametrize("flags", ["--cfg job", "--info defaults"])
def test_flags_that_only_print_start_nothing(plan: Any, flags: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan(f"sweep study=s model=tiny seed=0 {flags}") == 0
    assert "model" in capsys.readouterr().out
    assert not plan.outputs.exists()
    assert plan.launched == []
