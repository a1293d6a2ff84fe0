"""The wheel alone, in a fresh environment and a foreign folder, trains."""

import json
import os
import random
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


def call(*words: str | Path, folder: Path) -> str:
    """Run a command away from the checkout, with nothing that leads back to it, and return what it prints."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    environment |= {"OMP_NUM_THREADS": "1", "HOME": str(folder)}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as pip builds it."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", folder, CHECKOUT]
    subprocess.run(build, check=True, capture_output=True)
    (built,) = folder.glob("rnnsearch-*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh virtual environment with the wheel; the other packages are those of the running one, by their path.

    A folder named in a .pth file is searched, but .pth files inside it, an editable install's among them, are not read.
    """
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "borrowed.pth").write_text(f"{sysconfig.get_paths()['purelib']}\n")
    python = folder / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel]
    subprocess.run([*install, "--ignore-installed"], check=True, capture_output=True)
    return folder / "bin"


def test_the_wheel_holds_the_configuration_and_the_types(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {f"rnnsearch/conf/{path.relative_to(CHECKOUT / 'conf')}" for path in (CHECKOUT / "conf").rglob("*.yaml")}
    assert len(shipped) > 20
    assert shipped <= names
    assert {"rnnsearch/py.typed", "rnnsearch/kernels/native.c"} <= names
    assert {f"rnnsearch/page/{name}" for name in ("templates/page.html", "static/page.js", "static/style.css")} <= names
    assert "rnnsearch/study/templates/explorer.js" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith(("tests", "outputs"))]


def test_help_from_the_wheel(environment: Path, tmp_path: Path) -> None:
    origin = call(environment / "python", "-c", "import rnnsearch; print(rnnsearch.__file__)", folder=tmp_path)
    assert Path(origin).is_relative_to(environment.parent)
    assert "model/context" in call(environment / "rnnsearch", "train", "--help", folder=tmp_path)
    assert "usage: rnnsearch" in call(environment / "python", "-m", "rnnsearch", folder=tmp_path)


def test_two_steps_from_a_foreign_folder(environment: Path, tmp_path: Path) -> None:
    files = {}
    for split, count in (("train", 60), ("validation", 8)):
        files |= write_pairs(tmp_path, split, count)
    call(
        environment / "rnnsearch",
        *("train", "data=files", "data.source_language=en", "data.target_language=de", *files.values()),
        *("model=tiny", "model/context=fixed", "trainer=cpu", "trainer.max_steps=2"),
        *(f"paths.cache={tmp_path / 'cache'}", f"hydra.run.dir={tmp_path / 'run'}"),
        folder=tmp_path,
    )
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert (record["status"], record["updates"]) == ("finished", 2)


def write_pairs(folder: Path, split: str, count: int) -> dict[str, str]:
    """Two line-aligned files of invented words, and the override that names each."""
    draw = random.Random(split)
    overrides = {}
    for side, letters in (("source", "abcdefgh"), ("target", "stuvwxyz")):
        lines = [
            " ".join("".join(draw.choices(letters, k=draw.randint(1, 4))) for _ in range(draw.randint(2, 8)))
            for _ in range(count)
        ]
        path = folder / f"{split}.{side}"
        path.write_text("\n".join(lines) + "\n")
        overrides[f"{split}.{side}"] = f"data.{split}.{side}={path}"
    return overrides
