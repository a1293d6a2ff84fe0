"""What the site needs beyond docs/: the pictures of the experiments."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
# Folders whose pictures pages may show, as pictures/FOLDER/NAME.png; one copy of each is committed, with its study.
PICTURES = ("experiments", "benchmarks/results")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pictures that pages show."""
    text = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").rglob("*.md")))
    for folder in PICTURES:
        for path in sorted((ROOT / folder).rglob("*.png")):
            name = f"pictures/{path.relative_to(ROOT).as_posix()}"
            if name in text:
                files.append(File.generated(config, name, abs_src_path=str(path)))
    return files
