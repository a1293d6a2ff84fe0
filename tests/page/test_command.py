"""`rnnsearch page` as a process: it says where it is, answers, and ends at an interrupt."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
from omegaconf import OmegaConf

import rnnsearch
from rnnsearch.cli.commands.page import more_hosts, searching_by_beam, short_names
from rnnsearch.page import serving
from rnnsearch.page.limits import Asked
from rnnsearch.page.panels import panels
from rnnsearch.search.beam import BeamSearch

from ..small_run import write_run

CHECKOUT = Path(__file__).resolve().parents[2]
FAKE = """
import sys
import rnnsearch.cli.commands.page
from rnnsearch.cli.main import main
from tests.page.conftest import FakeModel
rnnsearch.cli.commands.page.load = lambda folder, **_: FakeModel()
sys.exit(main(["page", *sys.argv[1:]]))
"""
WITHOUT = """
import sys
sys.modules[{name!r}] = None
from rnnsearch.cli.main import main
sys.exit(main(["page", "run=x"]))
"""


def environment() -> dict[str, str]:
    """This process's, in which the tests and the package under test can be imported from anywhere."""
    paths = (CHECKOUT, Path(rnnsearch.__file__).parents[1])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONUNBUFFERED": "1"}


def end(code: str, *arguments: str, folder: Path) -> tuple[int, str]:
    """The exit code of a command that should end by itself, and what it says on standard error."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.strip()


@contextmanager
def started(*arguments: str, folder: Path) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """The process, the page's address, and what was said before it."""
    process = subprocess.Popen(
        [sys.executable, "-c", FAKE, *arguments],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = ""
    try:
        for line in process.stderr:
            said += line
            if found := re.search(r"the page is at (http://\S+/) ", line):
                yield process, found.group(1), said
                break
        else:
            pytest.fail(said)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_it_says_where_it_is_answers_and_ends_at_an_interrupt(tmp_path: Path) -> None:
    with started("run=[a/one,b/one]", "port=0", folder=tmp_path) as (process, address, said):
        assert address.startswith("http://127.0.0.1:")
        assert "WARNING" not in said
        with urlopen(address, timeout=20) as answer:
            page = answer.read().decode()
        assert "<b>a/one</b>, <b>b/one</b>" in page
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=30)
        assert process.returncode == 0
        assert out == ""
        assert "Traceback" not in error
        assert error.rstrip().endswith("ended")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_it_warns_where_others_reach_it(tmp_path: Path) -> None:
    arguments = ("run=one", "port=0", "host=0.0.0.0", "allowed_hosts=[my.host.org]")
    with started(*arguments, folder=tmp_path) as (_, address, said):
        assert "WARNING" in said
        assert "whoever reaches this machine can use the page" in said
        assert "my.host.org" in said
        assert address.startswith("http://127.0.0.1:")


@pytest.mark.slow
def test_a_port_in_use_is_a_sentence(tmp_path: Path) -> None:
    with serving.listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        code, said = end(FAKE, "run=one", f"port={port}", folder=tmp_path)
    assert code == 1
    assert said.startswith(f"rnnsearch page: port={port}: something else listens there already")
    assert "\n" not in said


@pytest.mark.parametrize("name", ["starlette", "uvicorn"])
def test_without_the_extra_it_says_how_to_install_it(tmp_path: Path, name: str) -> None:
    code, said = end(WITHOUT.format(name=name), folder=tmp_path)
    assert code == 1
    assert said.startswith("rnnsearch page: the page needs ")
    assert said.endswith("pip install 'rnnsearch[page]'")
    assert "\n" not in said


def test_panels_have_the_folders_names_as_far_as_they_differ() -> None:
    assert short_names([Path("x/a/"), Path("y/b")]) == ["a", "b"]
    assert short_names([Path("x/a"), Path("y/a"), Path("b")]) == ["x/a", "y/a", "b"]
    for folders in ([], [Path("a"), Path("./a")]):
        with pytest.raises(ValueError, match="give the folder of a run, or different ones"):
            short_names(folders)


def test_more_names_for_the_host() -> None:
    assert more_hosts("a.org") == ["a.org"]
    assert more_hosts(OmegaConf.create(["a.org", "*.b.org", "*"])) == ["a.org", "*.b.org", "*"]
    with pytest.raises(ValueError, match="'a\\*b' is no name"):
        more_hosts(OmegaConf.create(["a*b"]))


def test_a_run_trained_with_sampling_is_searched_by_beam(tmp_path: Path) -> None:
    bounds = {"max_length_ratio": 0.5, "max_length_offset": 7, "max_source_length": 40}
    drawn = write_run(tmp_path / "drawn", search={**bounds, "temperature": 0.5}, search_option="sampling")
    searched = write_run(tmp_path / "searched", search=bounds)
    models = {path.name: searching_by_beam(rnnsearch.load(path, device="cpu")) for path in (drawn, searched)}
    assert models["drawn"].kind is BeamSearch
    assert models["drawn"].settings == models["searched"].settings
    first, second = panels(models, Asked("the small house", beam_size=4, n_best=3))
    assert first.candidates == second.candidates
    assert len(first.candidates) == 3
