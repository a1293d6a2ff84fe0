"""Records: their hash, their files."""

import json
import math
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from rnnsearch import records
from rnnsearch.folders import written_aside
from rnnsearch.records import RunRecord, config_hash

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
        "paths.cache",
        "logger.csv",
        "data.root",
        "data_workers",
        "trainer.accelerator",
        "ckpt",
        "optimizer.fused",
        "profile",
        "model.hidden_size",
        "protocol.question",
    ],
)
def test_the_hash_leaves_out_what_changes_no_result(key: str) -> None:
    assert config_hash(changed(key, "other")) == config_hash(CONFIG)
    assert not records.is_hashed(key)


@pytest.mark.parametrize(
    "key",
    ["seed", "data.name", "optimizer.lr", "trainer.precision", "budget.updates", "model.decoder.hidden_size", "new"],
)
def test_the_hash_changes_with_what_does(key: str) -> None:
    assert config_hash(changed(key, "other")) != config_hash(CONFIG)
    assert records.is_hashed(key)


def test_the_hash_stays_from_version_to_version() -> None:
    before = json.dumps(CONFIG)
    assert config_hash(CONFIG) == config_hash(dict(reversed(CONFIG.items())))
    assert re.fullmatch("[0-9a-f]{16}", config_hash(CONFIG))
    assert json.dumps(CONFIG) == before
    assert config_hash({"seed": 1}) == "a4bbadc1c78966d2"


@pytest.mark.parametrize(("key", "usual", "other"), [("normalization", "nfc", "none"), ("joiners", True, False)])
def test_a_new_key_with_its_usual_value_changes_no_hash(key: str, usual: object, other: object) -> None:
    """Points of before the key keep their hashes; each other value is another point."""
    assert config_hash(changed(f"tokenizer.{key}", usual)) == config_hash(changed("tokenizer.kind", None))
    assert config_hash(changed(f"tokenizer.{key}", other)) != config_hash(CONFIG)


def test_a_new_key_that_is_null_changes_no_hash() -> None:
    assert config_hash({**CONFIG, "new": None}) == config_hash(CONFIG)
    assert config_hash(changed("budget.new", None)) == config_hash(CONFIG)


@pytest.mark.parametrize("key", ["trainer.strategy", "trainer.devices", "kernels", "data_workers", "seed"])
def test_points_differ_in_how_the_machine_is_used_too(key: str) -> None:
    assert records.point_key(changed(key, "other")) != records.point_key(CONFIG)


@pytest.mark.parametrize("key", ["paths.cache", "study", "member", "trainer.max_steps", "model.attention_size"])
def test_points_do_not_differ_in_what_is_around_them(key: str) -> None:
    assert records.point_key(changed(key, "other")) == records.point_key(CONFIG)


def test_ids_are_unique_and_plain() -> None:
    ids = [records.new_id() for _ in range(50)]
    assert len(set(ids)) == 50
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in ids)


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = RunRecord(tmp_path, {"status": "running", "results": {}}, writes=True)
    record.write(text="é\u2028", results={"bleu": 1 / 3})
    found = records.read_record(tmp_path)
    assert found == {"format": 1, "status": "running", "text": "é\u2028", "results": {"bleu": 1 / 3}}
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


def test_what_is_no_number_becomes_null(tmp_path: Path) -> None:
    values = {"nll": math.nan, "of": [math.inf, (1.5, -math.inf)], "text": "NaN", "whole": 3}
    kept = {"nll": None, "of": [None, [1.5, None]], "text": "NaN", "whole": 3}
    RunRecord(tmp_path, {"results": values}, writes=True).write()
    assert records.read_record(tmp_path) == {"format": 1, "results": kept}
    records.write_lines(tmp_path / "lines", [values])
    records.append_line(tmp_path / "lines", values)
    assert list(records.read_lines(tmp_path / "lines")) == [kept, kept]


def test_a_process_that_does_not_write_keeps_its_values(tmp_path: Path) -> None:
    record = RunRecord(tmp_path, {"status": "running"}, writes=False)
    record.write(status="finished")
    assert record.values["status"] == "finished"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ('{"format": 2}', "is not a record of format 1"),
        ("", "is damaged"),
    ],
)
def test_damaged_records(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "record.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        records.read_record(tmp_path)


def test_a_folder_without_a_record(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no record\.json, so it is not a run's folder"):
        records.read_record(tmp_path)


def test_lines(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    rows = [{"text": "a\nb\u2028c"}, {"text": "é", "n": None}]
    records.write_lines(path, rows)
    records.append_line(path, {"last": True})
    assert list(records.read_lines(path)) == [*rows, {"last": True}]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    records.write_json(tmp_path / "x.json", {"a": 1})
    with pytest.raises(UnicodeEncodeError):
        records.write_json(tmp_path / "x.json", {"a": "\ud800"})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_readers_never_see_a_part(tmp_path: Path) -> None:
    record = RunRecord(tmp_path, {"filling": "x" * 200_000}, writes=True)
    record.write()
    writer = threading.Thread(target=lambda: [record.write(n=n) for n in range(40)])
    writer.start()
    while writer.is_alive():
        assert records.read_record(tmp_path)["format"] == 1
    writer.join()


def test_files_written_aside_appear_together_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")

    def on_a_full_disk() -> None:
        with written_aside(tmp_path) as aside:
            (aside / "a").write_text("new")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        on_a_full_disk()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "old")]
    with written_aside(tmp_path) as aside:
        (aside / "below").mkdir()
        for path in (aside / "a", aside / "below" / "b"):
            path.write_text("new")
        assert (tmp_path / "a").read_text() == "old"
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")} == {"a", "below", "below/b"}
    assert (tmp_path / "a").read_text() == "new"


def test_what_a_killed_process_wrote_aside_is_removed(tmp_path: Path) -> None:
    killed = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, signal, sys\nfrom pathlib import Path\nfrom rnnsearch.folders import written_aside\n"
            "with written_aside(Path(sys.argv[1])) as aside:\n"
            "    (aside / 'a').write_text('new')\n    os.kill(os.getpid(), signal.SIGKILL)",
            str(tmp_path),
        ],
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
    with written_aside(tmp_path) as aside:
        assert list(tmp_path.iterdir()) == [aside]
    assert not list(tmp_path.iterdir())


def test_what_is_read_with_another_key_counts_only_where_that_is_set() -> None:
    rule = {"patience": 3, "least": 0.01}
    assert config_hash({**CONFIG, "convergence": rule}) == config_hash(CONFIG)
    until = {**CONFIG, "budget": {**CONFIG["budget"], "until": "converged"}}
    assert config_hash({**until, "convergence": rule}) != config_hash({**until, "convergence": {**rule, "patience": 4}})
    assert config_hash(until) != config_hash(CONFIG)
