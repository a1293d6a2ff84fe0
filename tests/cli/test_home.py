"""A home that can't be written: caches go elsewhere, and it is said once."""

import os
from pathlib import Path

import pytest

from rnnsearch.cli.home import settle


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    return place / f"rnnsearch-{os.getuid()}"


def settled(**environment: str) -> dict[str, str]:
    settle(environment)
    return environment


def test_a_home_that_can_be_written_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "home").mkdir()
    assert settled(HOME=str(tmp_path / "home")) == {"HOME": str(tmp_path / "home")}
    assert list((tmp_path / "home").iterdir()) == []
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("home", ["/proc/nowhere", "file", "link", None])
def test_another_place_is_taken_and_said(
    tmp_path: Path, temporary: Path, home: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "link").symlink_to("nowhere")
    given = {} if home is None else {"HOME": str(tmp_path / home)}
    found = settled(**given)
    assert found["RNNSEARCH_CACHE"] == str(temporary / "cache" / "rnnsearch")
    assert all(found[key].startswith(str(temporary)) for key in ("MPLCONFIGDIR", "XDG_CACHE_HOME", "WANDB_CONFIG_DIR"))
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "paths.cache=DIR" in said
    assert settled(**found) == found  # in a process that this one starts
    assert capsys.readouterr().err == ""


def test_a_cache_that_is_named_or_there_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert settled(HOME="/proc/nowhere", RNNSEARCH_CACHE="mine")["RNNSEARCH_CACHE"] == "mine"
    assert capsys.readouterr().err == ""


def test_nobody_else_s_folder_is_taken(temporary: Path) -> None:
    temporary.mkdir()
    temporary.chmod(0o777)  # anybody may have put compiled code there
    found = settled(HOME="/proc/nowhere")["RNNSEARCH_CACHE"]
    assert not found.startswith(f"{temporary}/")
    assert Path(found).parents[1].stat().st_mode & 0o077 == 0
