"""The notebooks of docs/notebooks: clean as they are stored, and executed with few updates."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from docs.notebooks.execute import FOLDER, cleaned, executed
from tests.docs.markdown import ROOT

NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SHORT = "UPDATES = 8"
FEW = {  # what so few updates teach runs on to the limit of length
    '"data": "controlled",': '"data": "controlled", "data.test_pairs": 60, "validation.sentences": 20,',
    '"model": "tiny",': '"model": "tiny", "search.max_length": 12,',
}
PLACE = re.compile(r"(?<![\w.:/])(/(tmp|home|root|work|usr|var|mnt|opt|private|Users)/|[A-Z]:\\\\)\w")


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def without_pictures(cell: Any) -> str:
    """Its source and outputs as text."""
    outputs = [{**output, "data": {**output.get("data", {}), "image/png": None}} for output in cell.get("outputs", [])]
    return json.dumps([cell.source, outputs], ensure_ascii=False)


def test_both_are_there_and_in_the_navigation() -> None:
    assert {path.stem for path in NOTEBOOKS} >= {"attention_story", "your_own_corpus"}
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert not [path.stem for path in NOTEBOOKS if f"notebooks/{path.stem}.md\n" not in nav]


def test_stored_notebooks_are_clean(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert nbformat.writes(cleaned(nbformat.reads(text, as_version=4))) + "\n" == text, "make notebooks writes it anew"
    code = code_cells(notebook)
    outputs = [output for cell in code for output in cell.outputs]
    assert [cell.execution_count for cell in code] == [*range(1, len(code) + 1)]
    assert {output.output_type for output in outputs} == {"execute_result", "stream"}
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 1
    assert not [match[0] for cell in notebook.cells for match in PLACE.finditer(without_pictures(cell))]
    assert "\x1b" not in "".join(map(without_pictures, code))
    for cell in code:
        ast.parse(cell.source)
    assert re.search(r"^UPDATES = \d+\b", code[0].source, re.MULTILINE)


def test_cleaning_keeps_what_cells_print_and_their_values() -> None:
    made = [
        nbformat.v4.new_output("stream", name="stdout", text="10 %\r20 %\n"),
        nbformat.v4.new_output("stream", name="stdout", text="done\n"),
        nbformat.v4.new_output("stream", name="stderr", text="WARNING"),
        nbformat.v4.new_output("display_data", {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "bar"}),
        nbformat.v4.new_output("execute_result", {"text/plain": "Study('/tmp/x')", "text/markdown": "| a |"}),
        nbformat.v4.new_output("execute_result", {"text/plain": "7"}),
    ]
    cell = nbformat.v4.new_code_cell("7", outputs=made, metadata={"execution": {"iopub.execute_input": "now"}})
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("a"), cell], metadata={"widgets": {}})
    after = cleaned(notebook)
    assert after.metadata == {}
    assert after.cells[1].metadata == {}
    stream, *values = after.cells[1].outputs
    assert stream.text == "20 %\ndone\n"
    assert [value.data for value in values] == [{"text/markdown": "| a |"}, {"text/plain": "7"}]


@pytest.mark.slow
def test_executed_with_few_updates(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("RNNSEARCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    stored = code_cells(nbformat.read(path, as_version=4))
    notebook = nbformat.read(path, as_version=4)
    for cell in code_cells(notebook)[:2]:
        cell.source = re.sub(r"^UPDATES = \d+", SHORT, cell.source, flags=re.MULTILINE)
        for settings, fewer in FEW.items():
            cell.source = cell.source.replace(settings, fewer)
    again = code_cells(cleaned(executed(notebook, tmp_path, seconds=900)))
    assert SHORT in again[0].source
    for before, after in zip(stored, again, strict=True):
        assert [forms(output) for output in after.outputs] == [forms(output) for output in before.outputs], after.source


def forms(output: Any) -> tuple[str, ...]:
    """Its kind, and the forms that it has."""
    return output.output_type, *sorted(output.get("data", {}))
