"""The import rule: a room imports only rooms below it, siblings never import each other."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import rnnsearch

PACKAGE = Path(rnnsearch.__file__).parent
LAYERS = (
    {"folders", "keys"},
    {"records", "run_config", "visible"},
    {"data", "kernels"},
    {"model"},
    {"search"},
    {"evaluation"},
    {"training", "study", "api"},
    {"sweep", "page"},
    {"cli"},
    {"__main__"},
)
RANK = {room: rank for rank, layer in enumerate(LAYERS) for room in layer}
HEAVY = {"torch", "lightning", "pytorch_lightning", "torchmetrics"}
LIGHT = (
    "study",
    *("evaluation.bleu", "evaluation.length", "evaluation.significance"),
    *("evaluation.alignment", "evaluation.attention_statistics", "evaluation.symmetrization"),
)
CONFIGURATION = {"hydra", "omegaconf"}

Imports = dict[str, set[str]]  # module -> the modules it names, both without "rnnsearch." where they are ours


def test_no_arrow_runs_up() -> None:
    assert arrows_up(imports_of(PACKAGE)) == []


def test_records_needs_the_standard_library_alone() -> None:
    imports, low = imports_of(PACKAGE), {"folders", "keys", "records"}
    names = {name for module, found in imports.items() if _room(module) in low for name in found}
    assert {_room(name) for name in names if not _is_standard(name)} <= low


def test_reports_and_scores_load_neither_torch_nor_lightning() -> None:
    assert heavy_ways(imports_of(PACKAGE)) == []


def test_hydra_is_seen_by_the_command_line_alone() -> None:
    seen = {
        module: found
        for module, names in imports_of(PACKAGE).items()
        if _room(module) != "cli" and (found := {_top(name) for name in names} & CONFIGURATION)
    }
    assert seen == {}


def test_packages_hold_no_code() -> None:
    for path in PACKAGE.glob("*/**/__init__.py"):  # that of the package itself offers `load`
        body = ast.parse(path.read_text(encoding="utf-8")).body
        assert all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body), path
        assert len(body) <= 1, path


BAD_TREE = {
    "__init__.py": "",
    "__main__.py": "from rnnsearch.cli.main import main\n",
    "records.py": "import json\n",
    "attic/__init__.py": "",
    "attic/old.py": "import json\n",
    "data/__init__.py": "",
    "data/corpus.py": "import rnnsearch.records\nfrom rnnsearch.model import encoder\n",
    "kernels/__init__.py": "",
    "kernels/step.py": "import torch\nfrom rnnsearch.data.corpus import Pair\n",
    "model/__init__.py": "",
    "model/encoder.py": "import torch\nfrom rnnsearch.kernels import step\nfrom . import decoder\n",
    "model/decoder.py": "def late():\n    from ..training import module\n",
    "evaluation/__init__.py": "",
    "evaluation/bleu.py": "from rnnsearch.evaluation import translating\n",
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
        "evaluation.bleu -> evaluation.translating -> model.encoder -> kernels.step -> torch",
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
