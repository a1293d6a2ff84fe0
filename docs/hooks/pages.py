"""What the site needs beyond docs/: the pictures of the experiments."""

from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
# Folders whose pictures pages may show, as pictures/FOLDER/NAME.png; one copy of each is committed, with its study.
PICTURES = ("experiments", "benchmarks/results")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Leave out of the navigation what is not there."""
    config.nav = _present(config.nav or [])
    return config


def _present(entries: list[Any]) -> list[Any]:
    found = []
    for entry in entries:
        [(title, page)] = entry.items()
        if isinstance(page, list):
            found.append({title: _present(page)})
        elif (ROOT / "docs" / page).is_file():
            found.append(entry)
    return found


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pictures that pages show."""
    text = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").rglob("*.md")))
    for folder in PICTURES:
        for path in sorted((ROOT / folder).rglob("*.png")):
            name = f"pictures/{path.relative_to(ROOT).as_posix()}"
            if name in text:
                files.append(File.generated(config, name, abs_src_path=str(path)))
    return files
