"""The import rule: a room imports only rooms below it, siblings never import each other."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import rnnsearch

PACKAGE = Path(rnnsearch.__file__).parent
ROOT = Path(__file__).resolve().parents[2]
DRAWING = re.search(r"^records <[^`]*", (ROOT / "docs" / "design.md").read_text(encoding="utf-8"), re.MULTILINE)
assert DRAWING is not None
LAYERS = [*({room.strip() for room in layer.split("|")} for layer in DRAWING[0].split("<")), {"__main__"}]
RANK = {room: rank for rank, layer in enumerate(LAYERS) for room in layer}
HEAVY = {"torch", "lightning", "pytorch_lightning", "torchmetrics"}
LIGHT = (
    *("study", "plots"),
    *("evaluation.corpus_scores", "evaluation.length", "evaluation.significance"),
    *("evaluation.alignment_links", "evaluation.attention_statistics", "evaluation.symmetrization"),
)
CONFIGURATION = {"hydra", "omegaconf"}
SEES_HYDRA = {"config", "runs", "sweeps", "cli"}

Imports = dict[str, set[str]]  # module -> the modules it names, both without "rnnsearch." where they are ours


def test_no_arrow_runs_up() -> None:
    assert arrows_up(imports_of(PACKAGE)) == []


def test_records_need_little() -> None:
    names = {name for module, found in imports_of(PACKAGE).items() if _room(module) == "records" for name in found}
    assert {_top(name) for name in names if not _is_standard(name)} <= {"records", "yaml", "msgspec"}


def test_reports_and_scores_load_neither_torch_nor_lightning() -> None:
    assert heavy_ways(imports_of(PACKAGE)) == []


def test_hydra_is_seen_by_few() -> None:
    seen = {
        module: found
        for module, names in imports_of(PACKAGE).items()
        if _room(module) not in SEES_HYDRA and (found := {_top(name) for name in names} & CONFIGURATION)
    }
    assert seen == {}


def test_no_files_import_each_other_in_a_circle() -> None:
    assert circles(imports_of(PACKAGE)) == []


def test_packages_say_what_they_are_and_hold_no_code() -> None:
    for path in PACKAGE.glob("*/**/__init__.py"):  # that of the package itself offers `load`
        (said,) = ast.parse(path.read_text(encoding="utf-8")).body
        assert isinstance(said, ast.Expr), path
        assert isinstance(said.value, ast.Constant), path
        assert "Imports " in said.value.value, path
        for name in re.findall(r"\b\w+\.py\b|\b\w+/", said.value.value):
            assert (path.parent / name).exists(), (path, name)


def test_every_room_is_told_of_and_every_file_that_is_named_is_there() -> None:
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms | {"api", "results"} == {room for layer in LAYERS[:-1] for room in layer}
    assert rooms == set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    for name in re.findall(r"`(\w+/[\w/]+\.py)`", text):
        assert (PACKAGE / name).is_file(), name


BAD_TREE = {
    "__init__.py": "",
    "__main__.py": "from rnnsearch.cli.main import main\n",
    "records.py": "import json\n",
    "attic/__init__.py": "",
    "attic/old.py": "import json\n",
    "data/__init__.py": "",
    "data/corpus.py": "import rnnsearch.records.run_record\nfrom rnnsearch.model import encoder\n",
    "kernels/__init__.py": "",
    "kernels/step.py": "import torch\nfrom rnnsearch.data.corpus import Pair\n",
    "model/__init__.py": "",
    "model/encoder.py": "import torch\nfrom rnnsearch.kernels import step\nfrom . import decoder\n",
    "model/decoder.py": "def late():\n    from ..training import module\n",
    "evaluation/__init__.py": "",
    "evaluation/corpus_scores.py": "from rnnsearch.evaluation import translating\n",
    "evaluation/translating.py": "from rnnsearch.model.encoder import Encoder\n",
    "training/__init__.py": "",
    "training/module.py": "from lightning.pytorch import LightningModule\nimport rnnsearch.study.report as report\n",
    "study/__init__.py": "",
    "study/report.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from torchmetrics import Metric\n",
    "cli/__init__.py": "",
    "cli/main.py": "from rnnsearch import data, records, study\nfrom rnnsearch.training import module\n",
}


@pytest.fixture
def bad(tmp_path: Path) -> Imports:
    for name, text in BAD_TREE.items():
        path = tmp_path / "rnnsearch" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return imports_of(tmp_path / "rnnsearch")


def test_the_rule_catches_what_it_should(bad: Imports) -> None:
    assert arrows_up(bad) == [
        "attic.old: no layer is named for attic",
        "data.corpus -> model.encoder",  # up
        "kernels.step -> data.corpus",  # to a sibling
        "model.decoder -> training.module",  # up, relative, inside a function
        "training.module -> study.report",  # to a sibling
    ]


def test_heavy_imports_are_followed(bad: Imports) -> None:
    assert heavy_ways(bad) == [
        "evaluation.corpus_scores -> evaluation.translating -> model.encoder -> kernels.step -> torch",
        "study.report -> torchmetrics",
    ]


def arrows_up(imports: Imports) -> list[str]:
    """The imports that break the layers, and the modules that stand in none."""
    wrong = []
    for module, names in sorted(imports.items()):
        if _room(module) not in RANK:
            wrong.append(f"{module}: no layer is named for {_room(module)}")
            continue
        ours = sorted(name for name in names if name in imports or _room(name) in RANK)
        wrong += [
            f"{module} -> {name}"
            for name in ours
            if _room(name) != _room(module) and RANK.get(_room(name), len(LAYERS)) >= RANK[_room(module)]
        ]
    return wrong


def circles(imports: Imports) -> list[str]:
    """Files that lead back to themselves, one way for each file that begins one."""
    found = [way for module in sorted(imports) if (way := _way_back(module, imports))]
    return [" -> ".join(way) for way in found]


def _way_back(module: str, imports: Imports) -> list[str]:
    """The shortest way from a module over what it imports to itself; empty where there is none."""
    ways = [[module]]
    seen: set[str] = set()
    for way in ways:
        for name in sorted(imports[way[-1]] & imports.keys()):
            if name == module:
                return [*way, name]
            if name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return []


def heavy_ways(imports: Imports) -> list[str]:
    """How torch or Lightning is reached from a module that must not load them, one way each."""
    light = sorted(module for module in imports if module.startswith(LIGHT))
    return [way for module in light if (way := _way(module, imports, ()))]


def _way(module: str, imports: Imports, passed: tuple[str, ...]) -> str:
    passed = (*passed, module)
    for name in sorted(imports[module]):
        if _top(name) in HEAVY:
            return " -> ".join((*passed, _top(name)))
        if name in imports and name not in passed and (way := _way(name, imports, passed)):
            return way
    return ""


def imports_of(package: Path) -> Imports:
    """Every module of a package but the __init__ files, with all that it imports, wherever in the file."""
    paths = {_name(path, package): path for path in sorted(package.rglob("*.py"))}
    known = {name.removesuffix(".__init__") for name in paths}
    return {
        module: {imported.removeprefix("rnnsearch.") for imported in _imported(path, module, known)}
        for module, path in paths.items()
        if not module.endswith("__init__")
    }


def _imported(path: Path, module: str, known: set[str]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = ["rnnsearch", *module.split(".")][: -node.level] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                whole = f"{origin}.{alias.name}"
                yield whole if whole.removeprefix("rnnsearch.") in known else origin


def _name(path: Path, package: Path) -> str:
    return ".".join(path.relative_to(package).with_suffix("").parts)


def _room(module: str) -> str:
    return module.split(".")[0]


_top = _room


def _is_standard(name: str) -> bool:
    return _top(name) in sys.stdlib_module_names
