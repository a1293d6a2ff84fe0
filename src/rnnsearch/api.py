"""The front for Python: commands as functions, with the command line's words, and `load`, which needs no Hydra.

Words are a mapping from keys and groups to values, or strings as on the command line, or both; see `train`.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rnnsearch.cli.main import call
from rnnsearch.config.overrides import key_of, quoted, spelt, value_of
from rnnsearch.evaluation.trained_model import Hypothesis, Score, TrainedModel, Translation, load
from rnnsearch.records.run_record import new_id
from rnnsearch.results import Run, Scores, Study

__all__ = [
    "Hypothesis",
    "Run",
    "Score",
    "Scores",
    "Study",
    "TrainedModel",
    "Translation",
    "compare",
    "evaluate",
    "load",
    "load_study",
    "sweep",
    "train",
]

Words = Mapping[str, Any] | str


def train(*words: Words) -> Run:
    """Train one model, as ``rnnsearch train`` does, in this process.

    Examples:
        >>> run = train({"data": "controlled", "model": "tiny", "budget.updates": 25}, "trainer=cpu")  # doctest: +SKIP
        >>> run.metrics["test"].bleu, run.load().translate(["das kleine Haus"])  # doctest: +SKIP

    Args:
        words: overrides. In a mapping, keys are groups (``"model/context"``) and dotted keys (``"budget.updates"``);
            values are Python's: None is null, a list is a list, a dictionary a section. Later ones win.

    Returns:
        The finished run. It is in ``hydra.run.dir``, if that is given, or else below ``paths.output``.

    Raises:
        CommandError: a `ValueError` with the sentence that the command line would print.
        KeyboardInterrupt: after the run has been saved; with ``{"ckpt": "last", "hydra.run.dir": ...}`` it goes on.
    """
    given = _spelt(words)
    folder = _value(given, "hydra.run.dir")
    if folder is None:
        folder = str(Path(_value(given, "paths.output") or "outputs") / "runs" / new_id())
        given.append(f"hydra.run.dir={quoted(folder)}")
    call("train", given)
    return Run(Path(folder))


def sweep(*words: Words) -> Study:
    """Train the points of a study that are not finished, as ``rnnsearch sweep`` does, each in a process of its own.

    Examples:
        >>> study = sweep({"study": "sizes", "data": "controlled", "model.hidden_size": (64, 128)})  # doctest: +SKIP
        >>> study.table()[["member", "test_bleu"]], study.figure("scores")  # doctest: +SKIP

    Args:
        words: as for `train`. A tuple stands for values to sweep over, one point each.

    Returns:
        The study, with the report that has been written.

    Raises:
        CommandError: if it is refused, or points failed; `load_study` reads what there is nevertheless.
    """
    return _studied("sweep", words)


def compare(*words: Words) -> Study:
    """Train a fixed context and attention, or ``members`` of your own, and compare them, as ``rnnsearch compare`` does.

    Args, returns and raises: as `sweep`.
    """
    return _studied("compare", words)


def evaluate(run: str | Path | Run, *words: Words) -> Scores:
    """Translate and score a split or a test set with a trained run, as ``rnnsearch evaluate`` does.

    Examples:
        >>> evaluate("RUN", {"search.beam_size": 12, "split": "validation"}).bleu  # doctest: +SKIP

    Args:
        run: or its folder.
        words: as for `train`.

    Returns:
        The scores; ``values`` has everything that the command prints.

    Raises:
        CommandError: with the sentence that the command line would print.
    """
    folder = run.folder if isinstance(run, Run) else Path(run)
    return Scores.of(json.loads(call("evaluate", [f"run={quoted(str(folder))}", *_spelt(words)])))


def load_study(name: str | Path, *, test_set: str = "test") -> Study:
    """A study that is there: its folder, or its name below ``outputs``.

    Raises:
        FileNotFoundError: if there is none.
    """
    places = (Path(name), Path("outputs") / name)
    for folder in places:
        if (folder / "study.json").is_file():
            return Study(folder, test_set)
    raise FileNotFoundError(f"neither {places[0]} nor {places[1]} is the folder of a study; sweep or compare makes one")


def _studied(command: str, words: Sequence[Words]) -> Study:
    spelled = _spelt(words)
    if "dry=true" in spelled:
        raise ValueError(f"dry=true lists points and makes no study; give it to rnnsearch {command} in a terminal")
    page = call(command, spelled).strip().splitlines()[-1]
    return Study(Path(page).parent)


def _spelt(words: Sequence[Words]) -> list[str]:
    """The words of the command line.

    Raises:
        TypeError: for something else than a mapping or a string.
    """
    spelled: list[str] = []
    for given in words:
        if isinstance(given, str):
            spelled.append(given)
        elif isinstance(given, Mapping):
            spelled += [f"{key}={_value_spelt(value)}" for key, value in given.items()]
        else:
            raise TypeError(
                f"{given!r:.80}: give overrides as a mapping, {{'model': 'tiny'}}, or as strings, 'model=tiny'"
            )
    return spelled


def _value_spelt(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(spelt, value))
    return spelt(str(value) if isinstance(value, Path) else value)


def _value(words: Sequence[str], key: str) -> str | None:
    """The last value of a key among words."""
    values = [value_of(word) for word in words if key_of(word) == key]
    return values[-1].strip("\"'") if values else None
