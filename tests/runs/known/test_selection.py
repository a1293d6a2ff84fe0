"""Which runs are found: by what their records, configs, words and studies say."""

from pathlib import Path

import pytest
from tests.runs.known.records import write_point, write_run, write_study

from rnnsearch.config.compose import compose
from rnnsearch.config.plain_values import plain
from rnnsearch.runs.known.listing import ABSENT, known_runs, read_run
from rnnsearch.runs.known.names import choice, resolve
from rnnsearch.runs.known.selection import Selection, select


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Single runs, a study with configs, a published one without, and what is damaged or has not begun."""
    write_run(tmp_path / "runs/one", test={"bleu": 20.0}, words=["data=controlled", "model/context=fixed"], seed=7)
    config = {"model": {"context": {"_target_": "rnnsearch.model.context.Additive", "heads": 4}, "cell": "lstm"}}
    mine = write_study(tmp_path / "mine", "wide", "new", "broken")
    write_run(mine / "wide", test={"bleu": 31.0, "nll": 2.0}, config=config, study="mine", member="wide")
    write_point(mine / "new", member="new", words=["model/context=additive", "model.cell=cudnn"])
    write_run(write_point(mine / "broken", member="broken", outcomes=["killed"]) / "x", status="running").rename(
        mine / "left"
    )
    differing = {
        "model.context._target_": {
            "fixed": "rnnsearch.model.context.Fixed",
            "additive": "rnnsearch.model.context.Additive",
        },
        "model.encoder.layers": {"fixed": 1, "additive": 2},
    }
    published = write_study(tmp_path / "published", "fixed", "additive", differing=differing)
    for name, bleu in (("fixed", 12.0), ("additive", 35.5)):
        scores = {"validation": {"bleu": 50 - bleu}, "study": "published", "member": name}
        write_run(published / name, test={"bleu": bleu, "nll": 50 - bleu}, **scores)
    (write_run(tmp_path / "runs/cut") / "record.json").write_text("{")
    return tmp_path


def named(selection: Selection) -> list[str]:
    return [run.folder.name for run in selection.runs]


def test_every_run_is_there_once(output: Path) -> None:
    runs = known_runs(output)
    assert sorted((run.folder.name, run.status) for run in runs) == [
        ("additive", "finished"),
        ("broken", "failed"),
        ("cut", "damaged"),
        ("fixed", "finished"),
        ("left", "running"),
        ("new", "not started"),
        ("one", "finished"),
        ("wide", "finished"),
    ]
    assert [run.folder.name for run in known_runs(output / "mine")] == ["broken", "left", "new", "wide"]
    assert [run.folder.name for run in known_runs(output / "runs/one")] == ["one"]
    with pytest.raises(FileNotFoundError, match=r"paths\.output=DIR"):
        known_runs(output / "none")


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("bleu>30 and model/context=additive", ["wide", "additive"]),
        ("model/context=fixed", ["fixed", "one"]),
        ("validation.bleu>30", ["fixed"]),
        ("test.nll<15", ["wide", "additive"]),
        ("model.context.heads=4", ["wide"]),
        ("model.cell=cudnn or model.cell=lstm", ["new", "wide"]),
        ("model.encoder.layers=2", ["additive"]),
        ("data=controlled", ["broken", "left", "new", "wide", "additive", "fixed", "one"]),
        ("status=damaged", ["cut"]),
        ("study=mine and not status=finished", ["broken", "left", "new"]),
        ("seed=7 or seed=3", ["broken", "new", "one"]),
        ("study=null", ["cut", "one"]),
        ("member~fix", ["fixed"]),
    ],
)
def test_found_by(output: Path, where: str, expected: list[str]) -> None:
    assert sorted(named(select(known_runs(output), where=where, sort=None))) == sorted(expected)


def test_order(output: Path) -> None:
    runs = known_runs(output)
    assert named(select(runs, where="bleu>0", sort="bleu")) == ["additive", "wide", "one", "fixed"]
    assert named(select(runs, where="bleu>0", sort="-bleu")) == ["fixed", "one", "wide", "additive"]
    assert named(select(runs, where="bleu>0", sort="nll")) == ["wide", "additive", "fixed", "one"]  # the last has none
    assert named(select(runs, where="bleu>0", sort="member"))[:2] == ["one", "additive"]
    assert named(select(runs, where=None, sort="-seed"))[0] == "one"


def test_runs_without_a_value_are_counted(output: Path) -> None:
    selection = select(known_runs(output), where="bleu>30 or not model/context=fixed", sort=None)
    assert named(selection) == ["new", "wide", "additive"]
    assert selection.summary == "3 of 8 runs; 3 more can't be told, since they have no bleu (3), model/context (3)"
    assert select(known_runs(output), where="status=finished", sort=None).summary == "4 of 8 runs"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("blue", "no run has blue; did you mean bleu"),
        ("model.context.head", r"did you mean model\.context\.heads"),
        ("model/contxt", "did you mean model/context"),
        ("xyzzy", "rnnsearch runs --help"),
    ],
)
def test_unknown_names(output: Path, name: str, said: str) -> None:
    runs = known_runs(output)
    with pytest.raises(ValueError, match=said):
        select(runs, where=f"{name}=1", sort=None)
    with pytest.raises(ValueError, match=said):
        select(runs, where=None, sort=name)
    with pytest.raises(ValueError, match=said):
        select(runs, where=None, sort=None, columns=[name])


def test_keys_of_one_s_own_model_are_known_where_a_run_has_them(tmp_path: Path) -> None:
    write_run(tmp_path / "a", config={"model": {"own": {"depth": 3}}})
    assert named(select(known_runs(tmp_path), where="model.own.depth=3", sort=None)) == ["a"]


@pytest.mark.parametrize(
    "words",
    [
        ["model/context=dot", "search=greedy", "optimizer=sgd", "batches=tokens", "tokenizer=word", "scheduler=none"],
        ["model/context=location_only", "search=beam", "batches=sentences", "optimizer=adamw", "averaging=none"],
    ],
)
def test_choices_are_told_by_a_config_alone(tmp_path: Path, words: list[str]) -> None:
    config = plain(compose("train", ["model=tiny", "trainer=cpu", *words]))
    run = read_run(write_run(tmp_path / "a", config=config))
    for word in words:
        group, _, option = word.partition("=")
        assert choice(run, group) == option


def test_strangers_files_are_no_danger(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", words=["model.cell=" + "[" * 10_000])
    (folder / "config.yaml").write_text("model: &x {a: *x}\nseed: 1\nbatches: !!python/object/apply:os.getcwd []\n")
    run = read_run(folder)
    assert [run.config_value(key) for key in ("model.cell", "batches.size")] == [ABSENT, ABSENT]
    assert run.config_value("seed") == 1
    assert resolve("model.cell", [run]).read(run) is ABSENT
