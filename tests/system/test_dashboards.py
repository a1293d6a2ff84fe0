"""What TensorBoard, Weights & Biases and the CSV file were told, read back from their files."""

import csv
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from matplotlib.image import imread

BLOCK, FULL, LAST = 32768, 1, 4
WORDS = (
    "budget.updates=4 validation.every=2 study=group member=ours "
    "logger=all logger.wandb.project=ours logger.wandb.entity=us"
)


@pytest.fixture(scope="module")
def run(workshop: Any) -> Path:
    """A run watched by every logger, Weights & Biases offline."""
    folder = workshop.folder / "watched"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("WANDB_API_KEY", raising=False)
        patch.setenv("HOME", str(workshop.folder))
        patch.setenv("WANDB_SILENT", "true")
        patch.chdir(workshop.folder)
        assert workshop.train(folder, WORDS) == 0
    return folder


def wandb_records(folder: Path) -> list[Any]:
    """The records of an offline run: protocol buffers in LevelDB's log format, after a header of 7 bytes."""
    from wandb.proto import wandb_internal_pb2

    (path,) = (folder / "wandb").glob("offline-run-*/run-*.wandb")
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


def items(pairs: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in pairs}


def test_wandb(workshop: Any, run: Path) -> None:
    records = wandb_records(run)
    (started,) = [r.run for r in records if r.WhichOneof("record_type") == "run"]
    assert (started.project, started.entity, started.display_name) == ("ours", "us", "ours, seed 1")
    assert started.run_group == "group"
    assert started.run_id == workshop.record(run)["id"]
    config = items(started.config.update)
    for record in records:
        if record.WhichOneof("record_type") == "config":
            config |= items(record.config.update)
    flat = json.dumps(config)
    assert '"validation"' in flat
    assert '"${' not in flat
    history = [items(r.history.item) for r in records if r.WhichOneof("record_type") == "history"]
    keys = set().union(*history)
    assert {"train/loss", "validation/bleu", "validation/nll", "test/bleu"} <= keys
    assert {"translations/path", "alignments/filenames"} <= keys
    curves = workshop.record(run)["results"]["curves"]["validation"]
    assert [row["validation/nll"] for row in history if "validation/nll" in row] == [p["nll"] for p in curves]
    (ended,) = [r.exit for r in records if r.WhichOneof("record_type") == "exit"]
    assert ended.exit_code == 0


def test_wandb_has_pictures_tables_and_a_summary(workshop: Any, run: Path) -> None:
    records = wandb_records(run)
    summary: dict[str, Any] = {}
    for record in records:
        if record.WhichOneof("record_type") == "summary":
            summary |= items(record.summary.update)
    found = workshop.record(run)
    assert summary["test/bleu"] == found["results"]["metrics"]["test"]["bleu"]
    assert (summary["parameters"], summary["status"]) == (found["parameters"], "finished")
    media = run / "wandb"
    pictures = sorted(media.glob("offline-run-*/files/media/images/*.png"))
    assert {path.name.split("_")[0] for path in pictures} == {"alignments", "bleu"}
    assert all(imread(path).ndim == 3 for path in pictures)
    tables = [json.loads(path.read_text()) for path in sorted(media.glob("offline-run-*/files/media/table/*.json"))]
    (translations,) = {tuple(table["columns"]) for table in tables if "hypothesis" in table["columns"]}
    assert translations == ("source", "reference", "hypothesis")
    (lengths,) = [table for table in tables if "low" in table["columns"]]
    assert [row[3] for row in lengths["data"]] == [
        bucket["bleu"] for bucket in found["results"]["metrics"]["test"]["by_length"]
    ]


def test_a_key_reaches_no_file(workshop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "0123456789abcdef0123456789abcdef01234567"
    monkeypatch.setenv("WANDB_API_KEY", secret)
    monkeypatch.setenv("WANDB_SILENT", "true")
    assert workshop.train(tmp_path / "run", "logger=many logger.wandb.offline=true budget.updates=2") == 0
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if secret.encode() in path.read_bytes()]


def test_mlflow(workshop: Any, run: Path) -> None:
    from mlflow.tracking import MlflowClient

    (database,) = workshop.folder.rglob("mlflow.db")
    client = MlflowClient(tracking_uri=f"sqlite:///{database}")
    experiment = client.get_experiment_by_name("group")
    assert experiment is not None
    (found,) = client.search_runs([experiment.experiment_id])
    record = workshop.record(run)
    assert (run / "mlflow_run_id").read_text() == found.info.run_id
    assert (found.info.status, found.info.run_name) == ("FINISHED", "ours, seed 1")
    assert (found.data.tags["study"], found.data.tags["id"]) == ("group", record["id"])
    assert found.data.params["model/context/_target_"] == "rnnsearch.model.context.Additive"
    assert found.data.metrics["test/bleu"] == record["results"]["metrics"]["test"]["bleu"]
    history = client.get_metric_history(found.info.run_id, "validation/nll")
    curves = record["results"]["curves"]["validation"]
    assert [(one.step, one.value) for one in history] == [(point["update"], point["nll"]) for point in curves]
    artifacts = Path(found.info.artifact_uri.removeprefix("file://"))
    assert json.loads((artifacts / "summary.json").read_text())["parameters"] == record["parameters"]
    shown = json.loads((artifacts / "translations" / "4.json").read_text())
    assert (
        shown["source"][0] == json.loads((run / "data" / "validation.jsonl").read_text().splitlines()[0])["source_text"]
    )
    assert imread(artifacts / "bleu_by_length" / "4_0.png").ndim == 3
    assert sorted((artifacts / "alignments").glob("4_*.png"))


def test_wandb_is_closed_when_a_run_fails(workshop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    monkeypatch.setenv("WANDB_SILENT", "true")
    words = "logger=wandb logger.wandb.offline=true optimizer=sgd optimizer.lr=1e38 scheduler=none averaging=none"
    assert workshop.train(tmp_path / "run", words + " budget.updates=20") == 1
    assert wandb.run is None
    (ended,) = [r.exit for r in wandb_records(tmp_path / "run") if r.WhichOneof("record_type") == "exit"]
    assert ended.exit_code == 1


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


def test_csv(workshop: Any, run: Path) -> None:
    with (run / "metrics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    curves = workshop.record(run)["results"]["curves"]
    assert [float(row["validation/nll"]) for row in rows if row["validation/nll"]] == pytest.approx(
        [point["nll"] for point in curves["validation"]], rel=1e-6
    )
    assert [int(row["step"]) for row in rows if row["train/loss"]] == [2, 4]
