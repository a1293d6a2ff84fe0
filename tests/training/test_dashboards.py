"""Weights & Biases' settings, and pictures of alignments."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from rnnsearch.training import dashboards
from rnnsearch.training.loggers import Board, harmless


def settings(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    member: str | None = None,
    record: Mapping[str, Any] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """What Lightning's logger is given."""
    given: dict[str, Any] = {}

    class Logger:
        experiment = None

        def __init__(self, **options: Any) -> None:
            given.update(options)

    monkeypatch.setattr(dashboards, "Wandb", Logger)
    values = {"format": 1, "id": "20260101-000000-abcdef", "name": folder.name, "seed": 3, "member": member}
    (folder / "record.json").write_text(json.dumps(values | dict(record or {})))
    nothing = {"entity": None, "group": None, "name": None, "run_id": None, "offline": None}
    dashboards.wandb_logger(save_dir=folder, project="p", **(nothing | changes))
    return given


def test_offline_without_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)  # which Lightning sets for an offline run
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


def test_tags_and_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = settings(tmp_path, monkeypatch)
    assert (given["tags"], given["notes"]) == (None, None)
    given = settings(tmp_path, monkeypatch, record={"study": "s", "tags": ["paper"], "note": "why"})
    assert (given["tags"], given["notes"]) == (["s", "paper"], "why")


def test_a_key_counts_for_its_own_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    (tmp_path / ".netrc").write_text("machine example.org login user password secret\n")
    assert settings(tmp_path, monkeypatch)["offline"] is True
    monkeypatch.setenv("WANDB_BASE_URL", "https://example.org")
    assert settings(tmp_path, monkeypatch)["offline"] is False
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert settings(tmp_path, monkeypatch)["offline"] is True


class Scripted(Board):
    """A dashboard that fails when it is told to."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def begin(self, config: Mapping[str, Any]) -> None:
        raise NotImplementedError

    @harmless
    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], step: int) -> None:
        self.told.append(name)
        if name == "fail":
            raise OSError("the disk is full")

    def figures(self, name: str, figures: Sequence[Figure], step: int) -> None:
        raise NotImplementedError

    def summary(self, values: Mapping[str, Any]) -> None:
        raise NotImplementedError

    @harmless
    def _end(self, status: str) -> None:
        self.told.append(status)
        raise ConnectionError("gone")


def test_a_dashboard_that_fails_says_so_once_and_is_still_ended(caplog: pytest.LogCaptureFixture) -> None:
    board = Scripted()
    for name in ("fine", "fail", "later"):
        board.table(name, [], [], 1)
    assert board.told == ["fine", "fail"]
    assert caplog.messages == ["Scripted fails and is told nothing more of this run (OSError: the disk is full)"]
    board.close("failed")
    assert board.told[-1] == "failed"


class Shown(Scripted):
    """Keeps the pictures."""

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], step: int) -> None:
        self.told.append(name)

    def figures(self, name: str, figures: Sequence[Figure], step: int) -> None:
        self.shown = {name: figures[0]}


def test_an_alignment_is_shown_as_a_matrix_of_pieces() -> None:
    board = Shown()
    texts = {"source": "ein Hund", "reference": "a dog", "hypothesis": "a dog"}
    pieces = {"source_pieces": ["ein", "Hund"], "target_pieces": ["a", "dog", "</s>"]}
    dashboards.show([board], [{**texts, **pieces, "weights": [[0.9, 0.1], [0.2, 0.8], [0.0, 1.0]]}], 7)
    axes = board.shown["alignments"].axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["ein", "Hund"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "dog", "</s>"]
    assert axes.collections[0].get_array().shape == (3, 2)
    assert axes.collections[0].get_clim() == (0.0, 1.0)


@pytest.mark.parametrize(("metric", "title"), [("bleu", "test BLEU"), ("chrf", "test chrF")])
def test_quality_by_length_names_its_buckets(metric: str, title: str) -> None:
    board, scores = Shown(), {"bleu": 0.0, "chrf": 0.0}
    buckets = [
        {"low": 1, "high": 10, "n": 1200, **scores, metric: 30.0},
        {"low": 11, "high": 11, "n": 60, **scores, metric: 20.0},
    ]
    record = {"data": {}, "updates": 7, "scoring": {"primary": metric}}
    dashboards._show_lengths(board, buckets, record)
    (axes,) = board.shown["bleu_by_length"].axes
    assert axes.get_ylabel() == title
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1–10\nn = 1,200", "11\nn = 60"]
    assert axes.lines[0].get_ydata().tolist() == [30.0, 20.0]
