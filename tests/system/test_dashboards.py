"""What TensorBoard, Weights & Biases and the CSV file were told, read back from their files."""

import csv
import json
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from matplotlib.image import imread
from tests.system.sweeps import eventually

from rnnsearch.training import dashboards

BLOCK, FULL, LAST = 32768, 1, 4
WORDS = (
    "budget.updates=4 validation.every=2 study=group member=ours tags=[paper,first] note=why "
    "logger=many logger.wandb.project=ours logger.wandb.entity=us"
)


@pytest.fixture(scope="module")
def run(workshop: Any) -> Path:
    """A run watched by all loggers but MLflow's, Weights & Biases offline."""
    folder = workshop.folder / "watched"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("WANDB_API_KEY", raising=False)
        patch.setenv("HOME", str(workshop.folder))
        patch.setenv("WANDB_SILENT", "true")
        patch.chdir(workshop.folder)
        assert workshop.train(folder, WORDS) == 0
    return folder


def wandb_records(folder: Path) -> list[Any]:
    """The records of an offline run."""
    (path,) = (folder / "wandb").glob("offline-run-*/run-*.wandb")
    return records_in(path)


def records_in(path: Path) -> list[Any]:
    """Protocol buffers in LevelDB's log format, after a header of 7 bytes."""
    from wandb.proto import wandb_internal_pb2

    data, place, whole, records = path.read_bytes(), 7, b"", []
    while place + 7 <= len(data):
        left = BLOCK - place % BLOCK
        length, kind = struct.unpack("<HB", data[place + 4 : place + 7])  # after the checksum
        if left < 7 or kind == 0:
            place += left
            continue
        whole += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (FULL, LAST):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            records.append(record)
            whole = b""
    return records


def of_kind(records: list[Any], kind: str) -> list[Any]:
    return [getattr(record, kind) for record in records if record.WhichOneof("record_type") == kind]


def exit_codes(folder: Path) -> list[int]:
    """Those that are in the file by now; a process of wandb's own may be writing it."""
    from google.protobuf.message import DecodeError

    with suppress(DecodeError):
        return [ended.exit_code for ended in of_kind(wandb_records(folder), "exit")]
    return []


def mlflow_client(database: Path) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=f"sqlite:///{database}")


def items(pairs: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in pairs}


@pytest.mark.slow
def test_wandb(workshop: Any, run: Path) -> None:
    records = wandb_records(run)
    (started,) = of_kind(records, "run")
    assert (started.project, started.entity, started.display_name) == ("ours", "us", "ours, seed 1")
    assert started.run_group == "group"
    assert ([*started.tags], started.notes) == (["group", "paper", "first"], "why")
    assert started.run_id == workshop.record(run)["id"]
    config = items(started.config.update)
    for changed in of_kind(records, "config"):
        config |= items(changed.update)
    flat = json.dumps(config)
    assert '"validation"' in flat
    assert '"${' not in flat
    history = [items(row.item) for row in of_kind(records, "history")]
    keys = set().union(*history)
    assert {"train/loss", "validation/bleu", "validation/nll", "test/bleu"} <= keys
    assert {"translations/path", "alignments/0/path", "bleu_by_length/0/path"} <= keys
    curves = workshop.record(run)["results"]["curves"]["validation"]
    assert [row["validation/nll"] for row in history if "validation/nll" in row] == [p["nll"] for p in curves]
    assert [ended.exit_code for ended in of_kind(records, "exit")] == [0]


@pytest.mark.slow
def test_wandb_has_pictures_tables_and_a_summary(workshop: Any, run: Path) -> None:
    summary: dict[str, Any] = {}
    for changed in of_kind(wandb_records(run), "summary"):
        summary |= items(changed.update)
    found = workshop.record(run)
    assert summary["test/bleu"] == found["results"]["metrics"]["test"]["bleu"]
    assert (summary["parameters"], summary["status"]) == (found["parameters"], "finished")
    media = run / "wandb"
    pictures = sorted(media.glob("offline-run-*/files/media/images/*/*.png"))
    assert {path.parent.name for path in pictures} == {"alignments", "bleu_by_length"}
    assert all(imread(path).ndim == 3 for path in pictures)
    tables = [json.loads(path.read_text()) for path in sorted(media.glob("offline-run-*/files/media/table/*.json"))]
    (translations,) = {tuple(table["columns"]) for table in tables if "hypothesis" in table["columns"]}
    assert translations == ("source", "reference", "hypothesis")
    (lengths,) = [table for table in tables if "low" in table["columns"]]
    assert [row[3] for row in lengths["data"]] == [
        bucket["bleu"] for bucket in found["results"]["metrics"]["test"]["by_length"]
    ]


@pytest.mark.slow
def test_a_server_that_is_away_stops_nothing_and_the_key_reaches_no_file(
    workshop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "0123456789abcdef0123456789abcdef01234567"
    monkeypatch.setenv("WANDB_API_KEY", secret)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # where nobody listens
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.delenv("WANDB_MODE", raising=False)  # which Lightning sets for an offline run
    monkeypatch.setattr(dashboards, "PATIENCE", 2.0)
    assert workshop.train(tmp_path / "run", "logger=many budget.updates=2") == 0
    assert eventually(lambda: exit_codes(tmp_path / "run")) == [0]
    assert not [path for path, content in workshop.snapshot(tmp_path).items() if secret.encode() in content]


@pytest.mark.slow
def test_a_resumed_run_goes_on_in_the_same_one(workshop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_SILENT", "true")
    run, output = tmp_path / "run", workshop.quoted("paths.output", tmp_path)
    words = "logger=all logger.wandb.offline=true validation.every=2"
    assert workshop.train(run, words + " budget.updates=2", output) == 0
    assert workshop.train(run, words + " budget.updates=4 ckpt=last", output) == 0

    client = mlflow_client(tmp_path / "mlflow.db")
    (found,) = client.search_runs([e.experiment_id for e in client.search_experiments()])
    assert found.info.status == "FINISHED"
    assert [one.step for one in client.get_metric_history(found.info.run_id, "validation/nll")] == [2, 4]
    config = json.loads((Path(found.info.artifact_uri) / "config.json").read_text())
    assert (found.data.params["budget/updates"], config["budget"]["updates"]) == ("2", 4)

    parts = [records_in(path) for path in sorted((run / "wandb").glob("offline-run-*/run-*.wandb"))]
    assert len(parts) == 2
    assert {one.run_id for part in parts for one in of_kind(part, "run")} == {workshop.record(run)["id"]}
    rows = [items(row.item) for part in parts for row in of_kind(part, "history")]
    assert [row["trainer/global_step"] for row in rows if "validation/nll" in row] == [2, 4]


@pytest.mark.slow
@pytest.mark.parametrize(("status", "code", "state"), [("pruned", 0, "KILLED"), ("interrupted", 255, "KILLED")])
def test_every_end_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str, code: int, state: str) -> None:
    monkeypatch.setenv("WANDB_SILENT", "true")
    (tmp_path / "record.json").write_text(json.dumps({"format": 1, "id": "x", "name": "n", "seed": 0}))
    nothing = {"entity": None, "group": None, "name": None, "run_id": None}
    address = f"sqlite:///{tmp_path / 'mlflow.db'}"
    loggers = [
        dashboards.wandb_logger(save_dir=tmp_path, project="p", offline=True, **nothing),
        dashboards.mlflow_logger(save_dir=tmp_path, tracking_uri=address, experiment=None, name=None),
    ]
    dashboards.open_dashboards(loggers, {"model": {"size": 3}})
    dashboards.close_dashboards(loggers, status=status)
    assert [ended.exit_code for ended in of_kind(wandb_records(tmp_path), "exit")] == [code]
    found = mlflow_client(tmp_path / "mlflow.db").get_run((tmp_path / "mlflow_run_id").read_text())
    assert (found.info.status, found.data.params) == (state, {"model/size": "3"})


WRITER = """
import json, sys
from pathlib import Path
from rnnsearch.training import dashboards
folder = Path(sys.argv[1])
folder.mkdir()
(folder / "record.json").write_text(json.dumps({"format": 1, "id": folder.name, "name": folder.name, "seed": 0}))
address = f"sqlite:///{folder.parent / 'mlflow.db'}"
log = dashboards.mlflow_logger(save_dir=folder, tracking_uri=address, experiment="study", name=None)
dashboards.open_dashboards([log], {})
for step in range(30):
    log.log_metrics({"loss": float(step)}, step=step)
dashboards.close_dashboards([log], status="finished")
"""


@pytest.mark.slow
def test_two_jobs_of_a_sweep_write_into_one_new_database(tmp_path: Path) -> None:
    jobs = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / name)]) for name in "ab"]
    assert [job.wait(timeout=500) for job in jobs] == [0, 0]
    client = mlflow_client(tmp_path / "mlflow.db")
    study = client.get_experiment_by_name("study")
    assert study is not None
    found = client.search_runs([study.experiment_id])
    assert sorted((run.info.run_name, run.info.status) for run in found) == [("a", "FINISHED"), ("b", "FINISHED")]
    assert [len(client.get_metric_history(run.info.run_id, "loss")) for run in found] == [30, 30]


@pytest.mark.slow
def test_the_first_of_two_processes_tells_the_dashboards(workshop: Any, tmp_path: Path) -> None:
    words = "trainer=ddp_cpu logger=all logger.wandb.offline=true budget.updates=2 validation.every=2"
    output = workshop.quoted("paths.output", tmp_path)
    process = workshop.process(tmp_path, "train", *workshop.overrides(tmp_path / "run", words, output))
    _, said = process.communicate(timeout=500)
    assert process.returncode == 0, said
    client = mlflow_client(tmp_path / "mlflow.db")
    (found,) = client.search_runs([e.experiment_id for e in client.search_experiments()])
    assert found.info.status == "FINISHED"
    assert len(client.get_metric_history(found.info.run_id, "validation/nll")) == 1
    assert len(list((tmp_path / "run" / "wandb").glob("*run-*/run-*.wandb"))) == 1
    assert len(list((tmp_path / "run" / "tensorboard").rglob("events.*"))) <= 2  # scalars, hyperparameters


@pytest.mark.slow
def test_mlflow(workshop: Any, tmp_path: Path) -> None:
    run, output = tmp_path / "run", workshop.quoted("paths.output", tmp_path)
    words = "budget.updates=4 validation.every=2 study=group member=ours tags=[a,b] note=why logger=mlflow"
    assert workshop.train(run, words, output) == 0
    client = mlflow_client(tmp_path / "mlflow.db")
    experiment = client.get_experiment_by_name("group")
    assert experiment is not None
    (found,) = client.search_runs([experiment.experiment_id])
    record = workshop.record(run)
    assert (run / "mlflow_run_id").read_text() == found.info.run_id
    assert (found.info.status, found.info.run_name) == ("FINISHED", "ours, seed 1")
    assert (found.data.tags["study"], found.data.tags["id"]) == ("group", record["id"])
    assert (found.data.tags["tags"], found.data.tags["mlflow.note.content"]) == ("a, b", "why")
    assert found.data.params["model/context/_target_"] == "rnnsearch.model.context.Additive"
    assert found.data.metrics["test/bleu"] == record["results"]["metrics"]["test"]["bleu"]
    history = client.get_metric_history(found.info.run_id, "validation/nll")
    curves = record["results"]["curves"]["validation"]
    assert [(one.step, one.value) for one in history] == [(point["update"], point["nll"]) for point in curves]
    artifacts = Path(found.info.artifact_uri.removeprefix("file://"))
    assert json.loads((artifacts / "summary.json").read_text())["parameters"] == record["parameters"]
    assert found.data.metrics["summary/parameters"] == record["parameters"]
    assert json.loads((artifacts / "config.json").read_text())["seed"] == record["seed"]
    shown = json.loads((artifacts / "translations" / "4.json").read_text())
    assert (
        shown["source"][0] == json.loads((run / "data" / "validation.jsonl").read_text().splitlines()[0])["source_text"]
    )
    assert imread(artifacts / "bleu_by_length" / "4_0.png").ndim == 3
    assert sorted((artifacts / "alignments").glob("4_*.png"))


@pytest.mark.slow
def test_wandb_is_closed_when_a_run_fails(workshop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    monkeypatch.setenv("WANDB_SILENT", "true")
    words = "logger=wandb logger.wandb.offline=true optimizer=sgd optimizer.lr=1e38 scheduler=none averaging=none"
    assert workshop.train(tmp_path / "run", words + " budget.updates=20") == 1
    assert wandb.run is None
    assert [ended.exit_code for ended in of_kind(wandb_records(tmp_path / "run"), "exit")] == [1]


def test_tensorboard(workshop: Any, run: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard")).Reload()
    tags = events.Tags()
    assert {"train/loss", "train/learning_rate", "validation/bleu", "validation/chrf", "test/bleu"} <= set(
        tags["scalars"]
    )
    curves = workshop.record(run)["results"]["curves"]
    assert [(e.step, e.value) for e in events.Scalars("validation/nll")] == [
        (point["update"], pytest.approx(point["nll"], rel=1e-6)) for point in curves["validation"]
    ]
    assert [e.step for e in events.Scalars("train/loss")] == [2, 4]
    assert {"alignments/0", "alignments/1", "bleu_by_length/0"} <= set(tags["images"])
    (text,) = [tag for tag in tags["tensors"] if tag.startswith("translations")]
    shown = events.Tensors(text)[-1].tensor_proto.string_val[0].decode()
    first = json.loads((run / "data" / "validation.jsonl").read_text().splitlines()[0])
    assert first["source_text"] in shown
    assert first["target_text"] in shown
    for name, text in (("tags", "paper, first"), ("note", "why")):
        (told,) = events.Tensors(f"{name}/text_summary")
        assert told.tensor_proto.string_val[0].decode() == text


def test_tensorboard_s_table_of_runs_shows_the_test_s_figures(workshop: Any, run: Path) -> None:
    """HParams: a row a run, a column for each setting and each figure, whose last value is shown."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.metadata import (
        EXPERIMENT_TAG,
        SESSION_START_INFO_TAG,
        parse_experiment_plugin_data,
    )
    from tensorboard.plugins.hparams.metadata import parse_session_start_info_plugin_data as started

    events = EventAccumulator(str(run / "tensorboard")).Reload()
    told = events.PluginTagToContent("hparams")
    columns = {info.name.tag for info in parse_experiment_plugin_data(told[EXPERIMENT_TAG]).metric_infos}
    assert {"test/bleu", "test/chrf", "test/nll", "validation/bleu"} <= columns
    settings = started(told[SESSION_START_INFO_TAG]).hparams
    assert settings["optimizer/lr"].number_value == 0.001
    assert settings["model/context/_target_"].string_value.endswith("Additive")
    test = workshop.record(run)["results"]["metrics"]["test"]
    for measure in ("bleu", "chrf", "nll"):
        assert events.Scalars(f"test/{measure}")[-1].value == pytest.approx(test[measure], rel=1e-6)
    assert "hp_metric" not in events.Tags()["scalars"]


def test_csv(workshop: Any, run: Path) -> None:
    with (run / "metrics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    curves = workshop.record(run)["results"]["curves"]
    assert [float(row["validation/nll"]) for row in rows if row["validation/nll"]] == pytest.approx(
        [point["nll"] for point in curves["validation"]], rel=1e-6
    )
    assert [int(row["step"]) for row in rows if row["train/loss"]] == [2, 4]
