"""Shows the notebooks of docs/notebooks as pages, with the outputs that are stored in them; nothing is executed."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from nbconvert import MarkdownExporter

DOCS = Path(__file__).resolve().parents[1]
SHOWN_AS = ("text/markdown", "image/png", "text/html", "text/plain")  # of an output's forms the first that it has


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page, and its pictures, for each notebook; the notebook itself is there to be downloaded."""
    for path in sorted(DOCS.glob("notebooks/*.ipynb")):
        exporter = MarkdownExporter(config={"NbConvertBase": {"display_data_priority": list(SHOWN_AS)}})
        text, resources = exporter.from_filename(
            str(path), resources={"output_files_dir": f"{path.stem}_files", "unique_key": path.stem}
        )
        text = text.replace("\\<", "&lt;")  # an escape that Jupyter's Markdown alone knows
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=text))
        for name, picture in (resources.get("outputs") or {}).items():
            files.append(File.generated(config, f"notebooks/{name}", content=picture))
    return files
