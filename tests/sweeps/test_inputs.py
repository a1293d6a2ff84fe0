"""What a study is trained on stays what it was: files by their content, and code of the user's own."""

from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from rnnsearch.config.trust import trusting
from rnnsearch.data.files import FilesCorpus
from rnnsearch.records.json_files import file_sha256, write_json
from rnnsearch.runs.own_code import now, own_code
from rnnsearch.runs.resume import changed
from rnnsearch.sweeps.inputs import Inputs


def config(folder: Path, **data: Any) -> DictConfig:
    """What a training of the files in a folder is asked for."""
    sides = {
        split: {side: str(folder / f"{split}.{side}") for side in ("source", "target")}
        for split in ("train", "validation", "test")
    }
    values = {"name": "files", "source_language": "en", "target_language": "de", "reverse": False, **sides, **data}
    return OmegaConf.create({"test": True, "data": {"_target_": "rnnsearch.data.files.FilesCorpus", **values}})


def asking(*configs: DictConfig) -> Inputs:
    inputs = Inputs()
    for one in configs:
        inputs.ask(one)
    return inputs


def finish(study: Path, name: str, one: DictConfig, *, status: str = "finished", **more: Any) -> Path:
    """A point as it stands when it has seen its data."""
    values: Any = OmegaConf.to_container(one.data)
    corpus = FilesCorpus(**{key: value for key, value in values.items() if key != "_target_"})
    folder = study / name
    record = {"format": 1, "status": status, "data": {"name": "files", "checksums": corpus.checksums()}}
    write_json(folder / "record.json", {**record, **more})
    OmegaConf.save(one, folder / "config.yaml")
    return folder


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    for split in ("train", "validation", "test"):
        for side in ("source", "target"):
            (folder / f"{split}.{side}").write_text(f"{split} {side}\n")
    return folder


@pytest.fixture
def study(tmp_path: Path, files: Path) -> Path:
    for name in ("a", "b"):
        finish(tmp_path / "study", name, config(files))
    return tmp_path / "study"


def test_a_replaced_file_is_refused_with_its_name_and_the_finished_points(study: Path, files: Path) -> None:
    one = config(files)
    asking(one).check(study, waiting=True)
    (files / "train.target").write_text("another\n")  # of the same size, at the same time: that is not looked at
    said = rf"^{files}/train.target \(data.train.target\) is not the file of 2 finished points of study: .*put it back"
    with pytest.raises(ValueError, match=said):
        asking(one).check(study, waiting=True)
    with pytest.raises(ValueError, match="is not the file"):
        asking(one).check(study, waiting=False)  # the same command again, which would only make the report
    (files / "train.target").write_text("train target\n")
    asking(one).check(study, waiting=True)


def test_a_new_study_reads_no_file_and_files_under_another_path_are_other_points(study: Path, files: Path) -> None:
    asking(config(files / "gone")).check(study.parent / "new", waiting=True)
    (files / "other.target").write_text("other\n")
    asking(config(files, train={"source": str(files / "train.source"), "target": str(files / "other.target")})).check(
        study, waiting=True
    )


def test_turned_data_are_named_by_their_own_key(files: Path, tmp_path: Path) -> None:
    one = config(files, reverse=True)
    finish(tmp_path / "turned", "a", one)
    (files / "test.source").write_text("another\n")
    with pytest.raises(ValueError, match=r"test.source \(data.test.source\) is not the file of 1 finished point of"):
        asking(one).check(tmp_path / "turned", waiting=True)


def test_what_would_go_on_from_a_checkpoint_counts_and_what_begins_anew_does_not(files: Path, tmp_path: Path) -> None:
    one = config(files)
    folder = finish(tmp_path / "study", "a", one, status="interrupted")
    (files / "train.source").write_text("another\n")
    asking(one).check(tmp_path / "study", waiting=True)
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "last.ckpt").write_text("weights")
    with pytest.raises(ValueError, match=r"1 begun point of study: .*remove the folder of what was begun"):
        asking(one).check(tmp_path / "study", waiting=True)


def test_a_missing_file_is_refused_only_where_something_is_to_be_trained(
    study: Path, files: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (files / "train.source").unlink()
    with pytest.raises(FileNotFoundError, match="does not exist"):
        asking(config(files)).check(study, waiting=True)
    asking(config(files)).check(study, waiting=False)
    assert "can't be compared with those of the finished points" in caplog.text


def test_a_comparison_needs_a_test_split_unless_it_says_otherwise(files: Path) -> None:
    one = config(files, test=None)
    with pytest.raises(ValueError, match=r"has no test split.* set data.test.source and data.test.target"):
        asking(one).require_test()
    one.test = False
    asking(one).require_test()
    asking(config(files)).require_test()


# Code of one's own


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "code" / "minepackage"
    place.mkdir(parents=True)
    (place / "__init__.py").write_text("")
    (place / "attention.py").write_text("import torch\nfrom .energies import energy\n")
    (place / "energies.py").write_text("from minepackage import numbers\nimport besides\n")
    (place / "numbers.py").write_text("ONE = 1\n")
    (place / "unused.py").write_text("")
    (place.parent / "besides.py").write_text("")
    monkeypatch.syspath_prepend(str(place.parent))
    return place


def mine(tmp_path: Path) -> dict[str, Any]:
    return {
        "data": {"_target_": "minepackage.attention.Corpus", "path": str(tmp_path / "corpus.txt")},
        "model": {"context": {"_target_": "minepackage.attention.Mine", "words": [str(tmp_path / "words.txt"), "a"]}},
        "optimizer": {"_target_": "torch.optim.Adam"},
    }


SOURCES = {"minepackage/__init__.py", "minepackage/attention.py", "minepackage/energies.py", "minepackage/numbers.py"}


def test_a_module_is_known_by_all_that_it_imports_from_beside_it(tmp_path: Path, package: Path) -> None:
    (tmp_path / "words.txt").write_text("one\n")
    assert own_code(mine(tmp_path)) == {}  # not trusted: another check refuses it
    with trusting(["minepackage"]):
        found = own_code(mine(tmp_path))
        assert set(found) == {*SOURCES, "besides.py", str(tmp_path / "words.txt")}
        assert now(found) == found
        (package / "numbers.py").write_text("ONE = 2\n")
        (tmp_path / "words.txt").write_text("two\n")
        again = now(found)
    assert {name for name in found if again[name] != found[name]} == {
        "minepackage/numbers.py",
        str(tmp_path / "words.txt"),
    }


def test_neighbours_in_site_packages_are_strangers(tmp_path: Path, package: Path) -> None:
    package.parent.rename(tmp_path / "site-packages")
    with pytest.MonkeyPatch.context() as patch, trusting(["minepackage"]):
        patch.syspath_prepend(str(tmp_path / "site-packages"))
        assert set(own_code(mine(tmp_path))) == SOURCES


def test_changed_code_is_refused_and_older_records_say_nothing_of_it(
    study: Path, files: Path, tmp_path: Path, package: Path
) -> None:
    with trusting(["minepackage"]):
        found = own_code(mine(tmp_path))
        finish(study, "c", config(files), code=found)
        asking(config(files)).check(study, waiting=True)
        (package / "attention.py").write_text("# another\n")
        with pytest.raises(ValueError, match=r"^minepackage/attention.py is not the file of 1 finished point of study"):
            asking(config(files)).check(study, waiting=True)


def test_a_file_of_one_s_own_is_read_once_for_all_points(
    study: Path, files: Path, tmp_path: Path, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    with trusting(["minepackage"]):
        for name in ("c", "d"):
            finish(study, name, config(files), code=own_code(mine(tmp_path)))
        monkeypatch.setattr("rnnsearch.runs.own_code.file_sha256", lambda path: read.append(path) or file_sha256(path))
        inputs = asking(config(files))
        for _ in range(2):
            inputs.check(study, waiting=True)
    assert len(read) == len(set(read)) > 0


def test_a_run_s_record_is_compared_with_what_is_there_now() -> None:
    record = {"data": {"checksums": {"train.source": "1"}}}
    assert changed(record, {"train.source": "1"}) == []
    assert changed(record, {"train.source": "2", "train.source[2]": "1"}) == ["train.source", "train.source[2]"]
    assert changed({**record, "code": {"a.py": "1"}}, {"train.source": "1", "a.py": "2"}) == ["a.py"]
