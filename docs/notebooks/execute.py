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
KERNEL = ("kernelspec", ("language_info", "name"))  # of the notebook's metadata, what front ends need


class KeepValues(Preprocessor):
    """Keeps what a cell prints and its last value, not what is written to standard error or displayed by the way.

    Bars and tables of progress are displayed. A value that has a richer form loses its text, which may name a folder.
    """

    def preprocess_cell(self, cell: Any, resources: Any, index: int) -> tuple[Any, Any]:
        """The cell with the outputs that are kept."""
        outputs = cell.get("outputs", [])
        if outputs:
            cell.outputs = [one for one in outputs if one.output_type != "display_data" and one.get("name") != "stderr"]
        for output in cell.get("outputs", []):
            if len(output.get("data", {})) > 1:
                output.data.pop("text/plain", None)
        return cell, resources


def executed(notebook: Any, folder: Path, *, seconds: int) -> Any:
    """The notebook with new outputs.

    Args:
        notebook: that `nbformat` has read.
        folder: in which its code runs.
        seconds: that one cell may take.

    Raises:
        nbconvert.preprocessors.CellExecutionError: if a cell fails.
    """
    resources: dict[str, Any] = {"metadata": {"path": str(folder)}}
    return ExecutePreprocessor(timeout=seconds, record_timing=False).preprocess(notebook, resources)[0]


def cleaned(notebook: Any) -> Any:
    """The notebook with what readers want of its outputs."""
    for step in (
        KeepValues(),
        CoalesceStreamsPreprocessor(),
        ClearMetadataPreprocessor(preserve_nb_metadata_mask=set(KERNEL)),
    ):
        notebook, _ = step.preprocess(notebook, {})
    return notebook


def main(paths: Iterable[Path]) -> None:
    """Execute notebooks and write them where they were."""
    for path in paths:
        with tempfile.TemporaryDirectory() as folder:
            notebook = cleaned(executed(nbformat.read(path, as_version=4), Path(folder), seconds=1800))
        nbformat.write(notebook, path)
        print(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, default=sorted(FOLDER.glob("*.ipynb")))
    main(parser.parse_args().notebooks)
