"""Weights & Biases' settings, and pictures of alignments."""

import json
from pathlib import Path
from typing import Any

import pytest

from rnnsearch.training import dashboards


def settings(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, member: str | None = None, **changes: Any
) -> dict[str, Any]:
    """What Lightning's logger is given."""
    given: dict[str, Any] = {}

    class Logger:
        experiment = None

        def __init__(self, **options: Any) -> None:
            given.update(options)

    monkeypatch.setattr(dashboards, "WandbLogger", Logger)
    (folder / "record.json").write_text(
        json.dumps({"format": 1, "id": "20260101-000000-abcdef", "name": folder.name, "seed": 3, "member": member})
    )
    nothing = {"entity": None, "group": None, "name": None, "run_id": None, "offline": None}
    dashboards.wandb_logger(save_dir=folder, project="p", **(nothing | changes))
    return given


def test_offline_without_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    assert settings(tmp_path, monkeypatch)["offline"] is True
    assert settings(tmp_path, monkeypatch, offline=False)["offline"] is False
    monkeypatch.setenv("WANDB_API_KEY", "x")
    assert settings(tmp_path, monkeypatch)["offline"] is False
    assert settings(tmp_path, monkeypatch, offline=True)["offline"] is True


def test_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(tmp_path, monkeypatch, group="study", entity="us")
    assert (found["id"], found["name"]) == ("20260101-000000-abcdef", tmp_path.name)
    assert (found["project"], found["group"], found["entity"], found["resume"]) == ("p", "study", "us", "allow")
    found = settings(tmp_path, monkeypatch, member="additive, attention_size=8")
    assert found["name"] == "additive, attention_size=8, seed 3"
    found = settings(tmp_path, monkeypatch, run_id="mine", name="called")
    assert (found["id"], found["name"]) == ("mine", "called")


def test_a_heatmap_has_a_row_a_target_piece() -> None:
    figure = dashboards.heatmap([[0.9, 0.1], [0.2, 0.8], [0.0, 1.0]], ["ein", "Hund"], ["a", "dog", "</s>"])
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["ein", "Hund"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "dog", "</s>"]
    assert axes.images[0].get_array().shape == (3, 2)
    assert axes.images[0].get_clim() == (0.0, 1.0)


def test_a_server_that_does_not_answer_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, Any]] = []

    class Away:
        def __init__(self, **options: Any) -> None:
            given.append(options)

        @property
        def experiment(self) -> None:
            raise ConnectionError("no route to host")

    monkeypatch.setattr(dashboards, "WandbLogger", Away)
    record = {"format": 1, "id": "x", "name": "n", "seed": 0}
    (tmp_path / "record.json").write_text(json.dumps(record))
    nothing = {"entity": None, "group": None, "name": None, "run_id": None}
    dashboards.wandb_logger(save_dir=tmp_path, project="p", offline=False, **nothing)
    assert [options["offline"] for options in given] == [False, True]


def test_a_length_curve_names_its_buckets() -> None:
    buckets = [{"low": 1, "high": 10, "n": 1200, "bleu": 30.0}, {"low": 11, "high": 20, "n": 60, "bleu": 20.0}]
    (axes,) = dashboards.length_curve(buckets).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1–10\nn = 1,200", "11–20\nn = 60"]
    assert axes.lines[0].get_ydata().tolist() == [30.0, 20.0]
