"""What commands leave, for Python: a run with its scores, a study with its tables and figures. Reads folders alone."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from rnnsearch.records.run_config import CONFIG, bounded_yaml
from rnnsearch.records.run_record import Record, check_file, read_record
from rnnsearch.records.test_sets import names_of, read_results

if TYPE_CHECKING:  # each takes a second or more to import
    import pandas as pd
    from matplotlib.figure import Figure

    from rnnsearch.evaluation.trained_model import TrainedModel
    from rnnsearch.study.folder import Study as StudyFolder


@dataclass(frozen=True, slots=True)
class Scores:
    """How well sentences were translated; None for what was not measured.

    Attributes:
        bleu, chrf, ter: in percent, by sacreBLEU.
        nll: negative log-likelihood of the references, nats a token.
        perplexity: e to the nll.
        aer, aer_saliency: alignment error rates, by attention and by saliency, as fractions.
        sentences: how many.
        values: all figures by their names in record.json, such as ``bleu_interval`` and ``by_length``.
    """

    bleu: float | None
    chrf: float | None
    ter: float | None
    nll: float | None
    perplexity: float | None
    aer: float | None
    aer_saliency: float | None
    sentences: int | None
    values: Mapping[str, Any]

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Scores":
        """The scores in the figures of a record."""
        return cls(**{field.name: values.get(field.name) for field in fields(cls)[:-1]}, values=values)

    def __repr__(self) -> str:
        """The scores that were measured."""
        measured = {field.name: getattr(self, field.name) for field in fields(self)[:-1]}
        return f"Scores({', '.join(f'{name}={value:.4g}' for name, value in measured.items() if value is not None)})"


@dataclass(frozen=True)
class Run:
    """A run's folder.

    Args:
        folder: that ``train`` made.
    """

    folder: Path

    @cached_property
    def record(self) -> Record:
        """Its record: status, seed, parameters, curves, versions, ..."""
        return read_record(self.folder)

    @cached_property
    def config(self) -> dict[str, Any]:
        """Its config, resolved, as plain values."""
        config: dict[str, Any] = yaml.safe_load(bounded_yaml(check_file(self.folder, self.record, CONFIG)))
        return config

    @cached_property
    def metrics(self) -> dict[str, Scores]:
        """Scores of the best checkpoint: of ``validation``, of ``test``, and of named test sets."""
        splits = {"validation": self.record.results.metrics.validation, "test": self.record.results.metrics.test}
        own = {name: results for name in names_of(self.folder) if (results := read_results(self.folder, name))}
        named = {name: results.metrics for name, results in own.items()}
        return {split: Scores.of(values) for split, values in {**splits, **named}.items() if values}

    def load(self, *, checkpoint: str = "best", device: str = "auto") -> "TrainedModel":
        """The trained model; see `rnnsearch.load`."""
        from rnnsearch.evaluation.trained_model import load

        return load(self.folder, checkpoint=checkpoint, device=device)

    def __repr__(self) -> str:
        """Folder, state and scores."""
        scores = ", ".join(f"{split}={scores}" for split, scores in self.metrics.items())
        return f"Run({str(self.folder)!r}, {self.record.status}{', ' if scores else ''}{scores})"


@dataclass(frozen=True)
class Study:
    """A study's folder.

    Args:
        folder: that ``sweep`` or ``compare`` made.
        test_set: whose scores its tables and figures show: the corpus's own, or one of yours by its name.
    """

    folder: Path
    test_set: str = "test"

    @cached_property
    def runs(self) -> list[Run]:
        """The runs, by members and seeds, as far as they have begun."""
        return [Run(run.folder) for run in self._read().runs if run.record.is_there]

    def table(self) -> "pd.DataFrame":
        """A row a run with settings, state, scores and cost, as ``rnnsearch export`` gives them."""
        import pandas as pd

        from rnnsearch.study.export import rows

        return pd.DataFrame(rows(self._read()))

    @cached_property
    def figures(self) -> list[str]:
        """The names of the figures of its report."""
        return sorted(self._pictures())

    def figure(self, name: str) -> "Figure":
        """A figure of its report, such as ``bleu_by_length``; a notebook shows it.

        Raises:
            ValueError: if the report has none of that name.
        """
        from rnnsearch.plots.images import show_in_notebooks

        pictures = self._pictures()
        if name not in pictures:
            there = ", ".join(sorted(pictures))
            raise ValueError(f"the report of {self.folder.name} has no figure {name!r}; it has {there}")
        show_in_notebooks()
        figure: Figure = pictures[name].draw()
        return figure

    def report(self) -> Path:
        """Write its report anew; the path of the page."""
        from rnnsearch.study.report import write_report

        return write_report(self.folder, test=self.test_set).page

    def _pictures(self) -> dict[str, Any]:
        from rnnsearch.study.report import build_report

        sections = build_report(self._read()).sections
        return {picture.name: picture for section in sections for picture in section.all_pictures()}

    def _read(self) -> "StudyFolder":
        from rnnsearch.study.folder import read_study

        return read_study(self.folder, self.test_set)

    def _repr_markdown_(self) -> str:
        """Members and planned comparisons, as a notebook shows them."""
        from rnnsearch.study.export import as_markdown

        return as_markdown(self._read())
