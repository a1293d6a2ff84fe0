"""`rnnsearch reproduce`: equal results from a run's card, or what differs."""

import json
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from tests.system.here import in_process

from rnnsearch.cli.commands.reproduce import differences, figures, measured_then
from rnnsearch.config.identity import config_hash
from rnnsearch.config.plain_values import flat, plain
from rnnsearch.records.json_files import DIGEST
from rnnsearch.records.run_record import FILES, read_record
from rnnsearch.sweeps import ledger
from rnnsearch.sweeps.ledger import Attempt, Point
from rnnsearch.sweeps.repetition import repetition

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("output")


@pytest.fixture(scope="module")
def again(workshop: Any, trained: Path, output: Path) -> Path:
    """The shared run, trained again. Tests only read it."""
    with pytest.MonkeyPatch.context() as patch:
        in_process(patch)
        assert reproduce(workshop, trained, output) == 0
    return output / "reproduced" / f"{trained.name}-{workshop.record(trained)['id']}"


def reproduce(workshop: Any, run: Path, output: Path) -> int:
    places = (workshop.quoted("paths.output", output), workshop.quoted("paths.cache", workshop.folder / "cache"))
    code: int = workshop.main("reproduce", workshop.quoted("run", run), *places)
    return code


def copied(run: Path, folder: Path, change: Change = lambda record: None, *, files: tuple[str, ...] = ("*",)) -> Path:
    """A copy under the same name, with another record."""
    copy = folder / run.name
    copy.mkdir()
    for path in (path for pattern in files for path in run.glob(pattern)):
        (shutil.copytree if path.is_dir() else shutil.copy)(path, copy / path.name)
    record = json.loads((run / "record.json").read_text())
    change(record)
    write_record(copy, record)
    return copy


def write_record(run: Path, record: dict[str, Any]) -> None:
    """Without digests, as earlier versions wrote it, so that tests may change it and the files beside it."""
    (run / "record.json").write_text(json.dumps({key: record[key] for key in record if key not in (DIGEST, FILES)}))


def edit(run: Path, key: str, value: object) -> None:
    config = OmegaConf.load(run / "config.yaml")
    OmegaConf.update(config, key, value)
    OmegaConf.save(config, run / "config.yaml")


def test_a_run_again_is_equal(workshop: Any, trained: Path, again: Path, output: Path, capsys: Any) -> None:
    before = workshop.snapshot(again)
    assert reproduce(workshop, trained, output) == 0
    count = len(figures(workshop.record(trained)["results"]))
    assert capsys.readouterr().out == f"equal: all {count} figures of {trained}, again in {again}\n"
    assert count > 50
    assert workshop.snapshot(again) == before  # finished already
    assert workshop.record(again)["id"] != workshop.record(trained)["id"]
    assert workshop.record(again)["results"] == workshop.record(trained)["results"]
    assert workshop.record(again)["hardware"]["threads"] == workshop.record(trained)["hardware"]["threads"]
    assert not (again / "metrics.csv").exists()


def test_what_differs_is_listed_with_what_may_be_the_reason(
    workshop: Any, trained: Path, again: Path, output: Path, tmp_path: Path, capsys: Any
) -> None:
    def change(record: dict[str, Any]) -> None:
        record["results"]["metrics"]["test"]["bleu"] = 99.5
        record["results"]["curves"]["train"][0]["loss"] = -1.0
        record["results"]["metrics"]["test"]["more"] = 1
        record["versions"]["torch"] = "1.0"
        record["hardware"]["gpus"] = ["one"]
        record["tokenizer"]["source"]["checksum"] = "another"
        record["git"] = {"commit": "abc", "dirty": True}

    assert reproduce(workshop, copied(trained, tmp_path, change), output) == 1
    said = capsys.readouterr()
    lines = said.out.splitlines()
    bleu = workshop.record(again)["results"]["metrics"]["test"]["bleu"]
    assert lines[0].startswith("different: 3 of ")
    assert lines[1:4] == [
        f"  metrics.test.bleu: was 99.5, is {bleu}",
        "  metrics.test.more: was 1, is absent",
        f"  curves.train.0.loss: was -1.0, is {workshop.record(again)['results']['curves']['train'][0]['loss']}",
    ]
    for part in ("versions.torch: was 1.0", "hardware.gpus.0: was one, is absent", "git.commit: was abc"):
        assert any(line.startswith(f"  perhaps since {part}") for line in lines), part
    assert any("tokenizer.source.checksum: was another" in line for line in lines)
    assert "  perhaps since it was trained by a checkout with changes that were not committed" in lines
    assert "Traceback" not in said.err


def test_differences_without_a_reason(
    workshop: Any, trained: Path, again: Path, output: Path, tmp_path: Path, capsys: Any
) -> None:
    def change(record: dict[str, Any]) -> None:
        record["results"]["curves"]["train"] *= 9
        record["git"] = None

    shutil.copytree(output, tmp_path / "output")
    write_record(tmp_path / "output" / "reproduced" / again.name, {**workshop.record(again), "git": None})
    assert reproduce(workshop, copied(trained, tmp_path, change), tmp_path / "output") == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].startswith("  and ")
    assert lines[-1] == "  versions, commit, hardware, data and tokenizers are the same"
    assert len(lines) == 23


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"status": "interrupted"}, "is a interrupted run; give a finished one"),
        ({"format": 7}, "is not a record of format 1"),
    ],
)
def test_what_is_no_finished_run_is_refused(
    workshop: Any, trained: Path, tmp_path: Path, capsys: Any, change: dict[str, Any], sentence: str
) -> None:
    run = copied(trained, tmp_path, lambda record: record.update(change))
    assert reproduce(workshop, run, tmp_path / "output") == 1
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "output").exists()


def test_data_that_are_gone_or_others_are_refused(workshop: Any, trained: Path, tmp_path: Path, capsys: Any) -> None:
    run = copied(trained, tmp_path)
    source = Path(OmegaConf.load(run / "config.yaml").data.train.source)
    edit(run, "data.train.source", str(tmp_path / "gone"))
    assert reproduce(workshop, run, tmp_path / "output") == 1
    error = capsys.readouterr().err
    assert f"{tmp_path / 'gone'} does not exist" in error
    shutil.copy(source, tmp_path / "other")
    with (tmp_path / "other").open("a") as file:
        file.write("\n")
    edit(run, "data.train.source", str(tmp_path / "other"))
    assert reproduce(workshop, run, tmp_path / "output") == 1
    error = capsys.readouterr().err
    assert "the data are not those of the run: train.source: was " in error
    assert "Traceback" not in error
    assert not (tmp_path / "output").exists()


# The arguments


def config_of(run: Path, workshop: Any, cache: str = "nowhere") -> Any:
    return repetition(run, read_record(run), cache).config()


def test_a_record_alone_is_enough_where_its_command_makes_the_same_config(
    workshop: Any, trained: Path, tmp_path: Path
) -> None:
    run = copied(trained, tmp_path, files=())
    whole, alone = (flat(plain(config_of(one, workshop))) for one in (trained, run))
    assert config_hash(plain(config_of(run, workshop))) == workshop.record(trained)["config_hash"]
    around = ("logger", "paths", "data.cache")
    assert {k: v for k, v in alone.items() if not k.startswith(around)} == {
        k: v for k, v in whole.items() if not k.startswith(around)
    }
    assert not [key for key in (*whole, *alone) if key.startswith("logger.")]


def test_a_record_whose_command_makes_another_config_is_refused(
    workshop: Any, trained: Path, tmp_path: Path, capsys: Any
) -> None:
    def change(record: dict[str, Any]) -> None:
        record["command"].append("label_smoothing=0.3")
        record["git"] = {"commit": "abc", "dirty": False}

    assert reproduce(workshop, copied(trained, tmp_path, change, files=()), tmp_path / "output") == 1
    error = capsys.readouterr().err
    assert "its overrides make another config by now (" in error
    assert error.endswith("use the version that trained it, abc\n")
    assert not (tmp_path / "output").exists()


def test_a_record_without_a_train_command_is_refused(workshop: Any, trained: Path, tmp_path: Path) -> None:
    run = copied(trained, tmp_path, lambda record: record.update(command=["pytest", "x"]), files=())
    with pytest.raises(ValueError, match=r"nobody knows how it was trained \(pytest x\)"):
        config_of(run, workshop)


def test_a_point_of_a_sweep_is_repeated_as_its_last_attempt_was(workshop: Any, trained: Path, tmp_path: Path) -> None:
    words = [
        word for word in workshop.record(trained)["command"][2:] if not word.startswith(("hydra.", "batches.size"))
    ]
    run = copied(trained, tmp_path, files=())
    own = tmp_path / "own"
    own.mkdir()
    fallback = ("batches.size=16",)
    ledger.write_point(
        Point(folder=run, key="k", member="m", seed=1, overrides=(*words, "batches.size=32", "logger=many"),
              flags=(f"--config-dir={own}",), directory=str(own), fallbacks=(fallback,))
    )  # fmt: skip
    found = ledger.read_point(run)
    ledger.add_attempt(found, Attempt(started="now", overrides=fallback))
    with pytest.raises(ValueError, match=r"with YAML of the folder .*; if you trust it, add --config-dir="):
        repetition(run, read_record(run), "nowhere")
    how = repetition(run, read_record(run), "nowhere", [own])
    assert how.config().batches["size"] == 16
    assert (how.directory, how.flags(tmp_path)) == (str(own), (f"--config-dir={own}",))
    assert how.config().get("logger") is None
    ledger.end_attempt(found, Attempt(started="now", overrides=()))
    with pytest.raises(ValueError, match="make another config by now"):
        repetition(run, read_record(run), "nowhere", [own])


def test_keys_that_are_newer_than_a_config_are_added(workshop: Any, trained: Path, tmp_path: Path) -> None:
    run = copied(trained, tmp_path)
    config = OmegaConf.load(run / "config.yaml")
    for key in ("match", "protocol", "profile", "cuda_graphs"):
        del config[key]
    del config.budget["flops"]
    OmegaConf.save(config, run / "config.yaml")
    found, whole = (flat(plain(config_of(one, workshop))) for one in (run, trained))
    assert found == whole
    assert config_of(run, workshop).sweep.grid == {}


def test_a_config_that_is_not_the_record_s_is_told(workshop: Any, trained: Path, tmp_path: Path, caplog: Any) -> None:
    config_of(trained, workshop)
    assert caplog.text == ""
    run = copied(trained, tmp_path)
    edit(run, "label_smoothing", 0.3)
    config_of(run, workshop)
    assert f"its record says {workshop.record(trained)['config_hash']}: it was changed" in caplog.text


def test_libraries_that_were_measured_are_those_of_the_record(workshop: Any, trained: Path, tmp_path: Path) -> None:
    run, record = copied(trained, tmp_path), workshop.record(trained)
    assert config_of(run, workshop).products == "onednn"
    edit(run, "products", "auto")
    record["hardware"]["products"] = {"rows": "torch", "small rows": "onednn"}
    write_record(run, record)
    assert plain(config_of(run, workshop).products) == {"rows": "torch", "small_rows": "onednn"}


def test_a_budget_in_seconds_becomes_one_in_updates(workshop: Any, trained: Path, tmp_path: Path, caplog: Any) -> None:
    run = copied(trained, tmp_path)
    for key, value in {"budget.seconds": 3.5, "budget.updates": None, "trainer.max_steps": None}.items():
        edit(run, key, value)
    config = config_of(run, workshop)
    assert {key: limit for key, limit in plain(config.budget).items() if limit} == {"updates": 12}
    assert config.trainer.max_steps == 12
    assert "12 updates instead" in caplog.text


def test_the_cache_is_the_command_s(workshop: Any, trained: Path) -> None:
    assert config_of(trained, workshop, cache="/a b,c").paths.cache == "/a b,c"


def test_a_figure_that_an_older_version_did_not_measure_is_no_difference() -> None:
    was = {"metrics": {"bleu": 1.0, "buckets": [{"n": 3}, {"n": 4}]}}
    now = {"metrics": {"bleu": 2.0, "aer_saliency": 0.5, "buckets": [{"n": 3, "aer": 1}, {"n": 4}, {"n": 5}]}}
    kept = measured_then(now, was)
    assert kept == {"metrics": {"bleu": 2.0, "buckets": [{"n": 3}, {"n": 4}, {"n": 5}]}}
    assert len(differences(figures(was), figures(kept))) == 2  # BLEU, and a bucket more
    assert measured_then(was, now) == was  # what is gone is


def test_differences() -> None:
    was, now = figures({"a": [{"x": 1.0}, {"x": 2}], "b": {}}), figures({"a": [{"x": 1.0}], "b": {"c": None}})
    assert was == {"a.0.x": 1.0, "a.1.x": 2}
    assert differences(was, now) == ["a.1.x: was 2, is absent", "b.c: was absent, is None"]
    assert differences(was, dict(was)) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_repetition_goes_on(workshop: Any, tmp_path: Path, number: signal.Signals) -> None:
    run, output = tmp_path / "run", tmp_path / "a b,c=é"
    assert workshop.train(run, "budget.updates=60 model.dropout=0.2") == 0
    words = ("reproduce", workshop.quoted("run", run), workshop.quoted("paths.output", output))
    process = workshop.process(tmp_path, *words)
    again = output / "reproduced" / f"run-{workshop.record(run)['id']}"
    while not (again / "checkpoints" / "last.ckpt").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode in (130, -number)
    second = workshop.process(tmp_path, *words)
    out, error = second.communicate(timeout=200)
    assert second.returncode == 0, error
    assert out.startswith("equal: all ")
    assert len(ledger.read_attempts(again)) == 2
