"""Commands from Python: equal to the command line's, with typed results and the same sentences."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import rnnsearch
from rnnsearch import api
from rnnsearch.config.errors import CommandError
from rnnsearch.evaluation import progress


def test_train_is_the_command(workshop: Any, trained: Path, tmp_path: Path, capsys: Any) -> None:
    words = [word for word in workshop.overrides(tmp_path / "unused") if not word.startswith("hydra.run.dir")]
    settings = {"budget.updates": 12, "model.dropout": 0.2, "paths.output": tmp_path / "it's, here"}
    run = rnnsearch.train(*words, settings)
    assert capsys.readouterr().out == ""
    assert run.folder.parent == tmp_path / "it's, here" / "runs"
    assert run.record.results == api.Run(trained).record.results
    assert run.metrics.keys() == {"validation", "test"}
    assert run.metrics["test"].bleu == run.record.results.metrics.test["bleu"]
    assert run.metrics["test"].values["by_length"]
    assert run.record.data.contradictions["validation"]["pairs"] == 12
    assert run.config["model"]["encoder"]["cell"] == api.Run(trained).config["model"]["encoder"]["cell"]
    assert run.load().translate(["rot"])[0].text == rnnsearch.load(trained).translate(["rot"])[0].text
    assert "finished" in repr(run)
    assert "bleu=" in repr(run)


def test_evaluate_gives_scores(workshop: Any, trained: Path, capsys: Any) -> None:
    before = workshop.snapshot(trained)
    scores = rnnsearch.evaluate(trained, {"search.beam_size": 2, "split": "test"})
    assert scores.bleu == api.Run(trained).metrics["test"].bleu
    assert scores.values["search"]["beam_size"] == 2
    assert capsys.readouterr().out == ""
    assert rnnsearch.evaluate(api.Run(trained), "split=validation").sentences == 12
    (trained / "evaluations.jsonl").unlink()
    assert workshop.snapshot(trained) == before


def test_errors_are_exceptions_with_the_sentence(trained: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandError, match=r"did you mean model.hidden_size\?"):
        rnnsearch.train({"model.hidden_sizee": 3})
    with pytest.raises(CommandError, match=r"optimizer\.lr=-1: give a number above 0"):
        rnnsearch.train({"data": "controlled", "optimizer.lr": -1})
    with pytest.raises(CommandError, match="leave out members, seeds and seed"):
        api.sweep({"runs": [trained], "seed": (1, 2)})
    with pytest.raises(CommandError, match="has no nowhere split"):
        rnnsearch.evaluate(trained, "split=nowhere")
    with pytest.raises(TypeError, match="give overrides as a mapping"):
        rnnsearch.train(["model=tiny"])  # type: ignore[arg-type]  # is refused
    with pytest.raises(FileNotFoundError, match="sweep or compare makes one"):
        rnnsearch.load_study("nothing")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"model": "tiny", "seed": 3, "a.b": None, "c": True}, ["model=tiny", "seed=3", "a.b=null", "c=true"]),
        ({"model/context": ("additive", "fixed")}, ["model/context=additive,fixed"]),
        ({"seeds": [0, 1], "d": 1e-3}, ["seeds=[0,1]", "d=0.001"]),
        ({"+members": {"x": ["model.cell=lstm"]}}, ['+members={x:["model.cell=lstm"]}']),
        ({"data.root": Path("/a b,c")}, ['data.root="/a b,c"']),
        ("as=typed", ["as=typed"]),
    ],
)
def test_overrides_as_a_mapping(given: Any, words: list[str]) -> None:
    assert api._spelt([given]) == words


@pytest.mark.slow
def test_a_study_has_tables_and_figures(workshop: Any, tmp_path: Path) -> None:
    words = [word for word in workshop.overrides(tmp_path / "unused") if not word.startswith("hydra.run.dir")]
    settings = {"study": "s", "paths.output": tmp_path, "budget.updates": 3, "model/context": ("additive", "fixed")}
    study = api.sweep(*words, settings)
    assert study.folder == tmp_path / "s"
    assert {*study.table()["member"]} == {"additive", "fixed"}
    assert len(study.runs) == 2
    assert study.figure("scores").axes
    assert "| fixed |" in study._repr_markdown_()
    assert study.report() == tmp_path / "s" / "report.html"
    assert rnnsearch.load_study(tmp_path / "s") == study
    with pytest.raises(ValueError, match=r"has no figure 'nothing'; it has .*scores"):
        study.figure("nothing")


def test_bars_show_in_notebooks_with_widgets(monkeypatch: Any) -> None:
    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    for widgets in (True, False):
        monkeypatch.setattr(progress, "find_spec", lambda name, there=widgets: there or None)
        assert progress.can_show() is widgets
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    assert not progress.can_show()
