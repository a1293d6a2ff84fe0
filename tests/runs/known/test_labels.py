"""Tags and a note, given to a training or set later."""

from pathlib import Path

import pytest
from filelock import FileLock
from tests.runs.known.records import write_run

from rnnsearch.cli.main import main
from rnnsearch.config.compose import Composer
from rnnsearch.config.identity import config_hash, point_key
from rnnsearch.config.plain_values import plain
from rnnsearch.records.run_record import read_values
from rnnsearch.runs.known.labels import set_labels
from rnnsearch.runs.recording import beginnings
from rnnsearch.runs.resume import record_going_on

compose = Composer("train")


def test_set_later(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", test={"bleu": 1.0}, of_a_later_version=7)
    before = read_values(run)
    assert set_labels(run, tags=["paper", "größer"], note=None) == (["paper", "größer"], None)
    assert set_labels(run, tags=None, note="a, b\n=c") == (["paper", "größer"], "a, b\n=c")
    assert read_values(run) == {**before, "tags": ["paper", "größer"], "note": "a, b\n=c"}  # with its digest
    assert set_labels(run, tags=[], note="") == ([], None)


def test_not_while_it_is_trained(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", status="running")
    before = (run / "record.json").read_bytes()
    with FileLock(run / ".lock"), pytest.raises(ValueError, match="a is being trained"):
        set_labels(run, tags=["x"], note=None)
    assert (run / "record.json").read_bytes() == before
    set_labels(run, tags=["x"], note=None)  # whoever trained it was killed


def test_not_into_another_s_file(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a")
    (run / "elsewhere").symlink_to(tmp_path)
    with pytest.raises(ValueError, match="is a link out of"):
        set_labels(run, tags=["x"], note=None)
    (write_run(tmp_path / "b") / "record.json").write_text('{"format": 1, "sha256": "0"}')
    with pytest.raises(ValueError, match="damaged or was changed"):
        set_labels(tmp_path / "b", tags=["x"], note=None)


def test_of_a_training(tmp_path: Path) -> None:
    given = compose(["tags=[paper,first]", "note='a word, or two'"])
    none = compose([])
    record = beginnings(given, tmp_path)
    assert (record["tags"], record["note"]) == (["paper", "first"], "a word, or two")
    assert (beginnings(none, tmp_path)["tags"], beginnings(none, tmp_path)["note"]) == ([], None)
    assert config_hash(plain(given)) == config_hash(plain(none))
    assert point_key(plain(given)) == point_key(plain(none))


def test_a_run_that_goes_on_keeps_them(tmp_path: Path) -> None:
    hash_ = config_hash(plain(compose([])))
    vocabularies = {"source": {"checksum": "a"}, "target": {"checksum": "b"}, "notes": {"x": 1}}
    more = {"id": "1", "config_hash": hash_, "tokenizer": vocabularies, "data": {"checksums": {"train": "c"}}}
    run = write_run(tmp_path / "a", tags=["paper"], note="mine", **more)
    kept = record_going_on(compose([]), run, hash_)
    assert (kept["tags"], kept["note"]) == (["paper"], "mine")
    other = record_going_on(compose(["tags=[draft]"]), run, hash_)
    assert (other["tags"], other["note"]) == (["draft"], "mine")


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        write_run(tmp_path / "outputs" / name, test={"bleu": 1.0})
    assert main(["runs", "run=[outputs/a,outputs/b]", "tags=[2024,paper]"]) == 0
    assert main(["runs", "run=outputs/a", "note=the one, in Table 2"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "outputs/a: 2024, paper; the one, in Table 2"
    assert main(["runs", "where=tags=paper and note~table"]) == 0
    head, row, counts = capsys.readouterr().out.splitlines()
    assert head.split()[-3:] == ["tags", "note", "run"]
    assert "2024, paper" in row
    assert "the one, in Table 2" in row
    assert counts == "1 of 2 runs"
    for words, said in (
        (["run=outputs/a"], "give tags=[...], note=..., or both"),
        (["tags=[x]"], "name it by run=RUN"),
        (["run=outputs/a", "tags=[x]", "where=bleu>1"], "run and where are asked for at once"),
        (["run=outputs/c", "tags=[x]"], "c holds no record.json"),
        (["run=outputs/a", "tags=[x,x]"], "all different"),
    ):
        assert main(["runs", *words]) == 1
        assert said in capsys.readouterr().err
