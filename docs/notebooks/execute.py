"""Executes notebooks in place and keeps of them what readers want; `make notebooks` calls it.

The outputs are those of this machine's training. All else is the same however often it is called: no times, no
metadata of a front end, no log lines, no progress bars.
"""

import argparse
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.preprocessors import (
    ClearMetadataPreprocessor,
    CoalesceStreamsPreprocessor,
    ExecutePreprocessor,
    Preprocessor,
)

FOLDER = Path(__file__).resolve().parent
WIDGETS = "application/vnd.jupyter.widget-view+json"
KERNEL = ("kernelspec", ("language_info", "name"))  # of the notebook's metadata, what front ends need


class DropNoise(Preprocessor):
    """Drops what is written to standard error, and progress bars."""

    def preprocess_cell(self, cell: Any, resources: Any, index: int) -> tuple[Any, Any]:
        """The cell with the outputs that were meant to be read."""
        cell.outputs = [output for output in cell.get("outputs", []) if not _is_noise(output)]
        return cell, resources


def _is_noise(output: Any) -> bool:
    return output.get("name") == "stderr" or WIDGETS in output.get("data", {})


def executed(notebook: Any, folder: Path, *, seconds: int) -> Any:
    """The notebook with new outputs, cleaned.

    Args:
        notebook: that `nbformat` has read.
        folder: in which its code runs.
        seconds: that one cell may take.

    Raises:
        nbconvert.preprocessors.CellExecutionError: if a cell fails.
    """
    resources: dict[str, Any] = {"metadata": {"path": str(folder)}}
    for step in (
        ExecutePreprocessor(timeout=seconds, record_timing=False, store_widget_state=False),
        DropNoise(),
        CoalesceStreamsPreprocessor(),
        ClearMetadataPreprocessor(preserve_nb_metadata_mask=set(KERNEL)),
    ):
        notebook, resources = step.preprocess(notebook, resources)
    return notebook


def main(paths: Iterable[Path]) -> None:
    """Execute notebooks and write them where they were."""
    for path in paths:
        with tempfile.TemporaryDirectory() as folder:
            notebook = executed(nbformat.read(path, as_version=4), Path(folder), seconds=1800)
        nbformat.write(notebook, path)
        print(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, default=sorted(FOLDER.glob("*.ipynb")))
    main(parser.parse_args().notebooks)
