"""A stranger's folder in which names lead elsewhere: nothing is written there."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from rnnsearch.records.folders import refuse_links, written_aside
from rnnsearch.records.json_files import append_line, write_text

from .conftest import Shell


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "file").write_text("mine")
    return folder


def untouched(elsewhere: Path) -> bool:
    return [path.name for path in elsewhere.iterdir()] == ["file"] and (elsewhere / "file").read_text() == "mine"


LINKS = ["metrics.csv", "train.log", "record.json", "checkpoints/last.ckpt", "data/test.jsonl", "new.file"]
LINKS += ["translations.test.jsonl", ".lock"]


@pytest.mark.parametrize("name", [*LINKS, "checkpoints", "data", "profile", "lightning_logs"])
def test_a_link_out_of_the_folder_is_refused(tmp_path: Path, elsewhere: Path, name: str) -> None:
    link = tmp_path / "run" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere / "file" if "." in name else elsewhere)
    with pytest.raises(ValueError, match="is a link out of"):
        refuse_links(tmp_path / "run")
    link.unlink()
    link.symlink_to(elsewhere / "nothing")
    with pytest.raises(ValueError, match="is a link out of"):
        refuse_links(tmp_path / "run")


def test_links_within_the_folder_and_to_it_are_fine(tmp_path: Path) -> None:
    run = tmp_path / "disk" / "run"
    (run / "wandb" / "one").mkdir(parents=True)
    (run / "wandb" / "latest").symlink_to("one")
    (run / "wandb" / "one" / "debug-core.log").symlink_to(tmp_path / "log")  # of Weights & Biases itself
    (tmp_path / "outputs").symlink_to("disk")
    refuse_links(run)
    refuse_links(tmp_path / "outputs" / "run")


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "evaluations.jsonl")
    with pytest.raises(ValueError, match="is neither a file nor a folder"):
        refuse_links(tmp_path)
    with pytest.raises(ValueError, match="is a link, or no file"):
        append_line(tmp_path / "evaluations.jsonl", {"a": 1})


def _text(folder: Path) -> None:
    write_text(folder / "file", "theirs")


def _line(folder: Path) -> None:
    append_line(folder / "file", {"theirs": 1})


def _aside(folder: Path) -> None:
    with written_aside(folder) as aside:
        (aside / "figures").mkdir()
        (aside / "figures" / "one.png").touch()
        (aside / "file").touch()


@pytest.mark.parametrize(("write", "link"), [(_text, "file"), (_line, "file"), (_aside, "figures"), (_aside, "file")])
def test_no_writer_follows_a_link(tmp_path: Path, elsewhere: Path, write: Callable[[Path], None], link: str) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / link).symlink_to(elsewhere if link == "figures" else elsewhere / "file")
    (folder / f".file.{os.getpid()}.part").symlink_to(elsewhere / "file")
    try:
        write(folder)
    except ValueError as error:
        assert "is a link" in str(error)  # noqa: PT017 -- or it replaced the link itself
    assert untouched(elsewhere)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["train.log", "checkpoints", "metrics.csv", "evaluations.jsonl"])
def test_commands_on_a_stranger_s_run(shell: Shell, stranger: Path, elsewhere: Path, name: str) -> None:
    if (stranger / name).exists():
        (stranger / name).rename(stranger.with_name("aside"))
    (stranger / name).symlink_to(elsewhere if name == "checkpoints" else elsewhere / "file")
    said = [shell.train(stranger, "ckpt=last", "budget.updates=8", code=1).stderr]
    said += [shell("evaluate", f"run={stranger}", "split=test", code=None).stderr]
    assert "is a link" in said[0]
    assert untouched(elsewhere)
