"""A sweep's or search's points as data: settings, value, state; axes for them; importance of the settings.

A trial is one run: of a search a trial of Optuna, of a sweep a point with its seed.
"""

import importlib.util
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rnnsearch.study.folder import Study
from rnnsearch.study.measures import primary, settings
from rnnsearch.study.tables import plain

DECADE = 10.0  # numbers that span this factor lie on a logarithmic axis
FEWEST = 4  # finished trials from which importance is told
TREES = 64
WHOLE = 1e9  # under which a whole number is written out
MISSING = -0.14  # the place of a setting that a trial lacks, below the axis


@dataclass(frozen=True, slots=True)
class Trial:
    """One run with what was set and what came of it."""

    number: int
    member: str
    seed: int
    state: str  # finished | pruned | failed | interrupted | running | waiting
    settings: Mapping[str, Any]
    value: float | None  # of a finished run its score, of another its last validation

    @property
    def done(self) -> bool:
        """Whether it finished with a value."""
        return self.state == "finished" and self.value is not None

    @property
    def known(self) -> float:
        """The value, of a trial that has one."""
        assert self.value is not None
        return self.value


@dataclass(frozen=True, slots=True)
class Axis:
    """Where the values of a setting lie between 0 and 1, and the labels there; None lies below."""

    key: str
    numeric: bool
    log: bool
    values: tuple[Any, ...]  # distinct, sorted; without None; text where they are not all numbers

    def number(self, value: Any) -> int:
        """The place of a value among the values."""
        return self.values.index(float(value) if self.numeric else _name(value))

    def place(self, value: Any) -> float:
        """Between 0 and 1; below the axis for None."""
        if value is None:
            return MISSING
        if not self.numeric:
            return 0.5 if len(self.values) == 1 else self.number(value) / (len(self.values) - 1)
        low, high = self._scaled(self.values[0]), self._scaled(self.values[-1])
        return 0.5 if low == high else (self._scaled(value) - low) / (high - low)

    @property
    def labels(self) -> list[str]:
        """A label for each value, with as many digits as it takes to tell them apart."""
        if not self.numeric:
            return [*map(str, self.values)]
        short = [
            f"{value:.0f}" if value.is_integer() and abs(value) < WHOLE else f"{value:.4g}" for value in self.values
        ]
        return short if len(set(short)) == len(short) else [f"{value:.17g}" for value in self.values]

    def label(self, value: Any) -> str:
        """The label of a value; a dash for None."""
        return "–" if value is None else self.labels[self.number(value)]

    def ticks(self) -> list[tuple[float, str]]:
        """Places with labels: every value of a few numbers and of words, else both ends and three between."""
        if not self.numeric or len(self.values) <= 6:
            return [(self.place(value), text) for value, text in zip(self.values, self.labels, strict=True)]
        low, high = self._scaled(self.values[0]), self._scaled(self.values[-1])
        steps = [low + part * (high - low) / 4 for part in range(5)]
        return [(part / 4, f"{math.exp(step) if self.log else step:.3g}") for part, step in enumerate(steps)]

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.log else float(value)


def trials(study: Study) -> list[Trial]:
    """Every run of the study, in the order of a search's numbers, else in the study's."""
    measure, varied = primary(study), settings(study)
    found = []
    for place, run in enumerate(study.runs):
        told = run.job.get("trial") or {}
        value = measure.of(run)
        found.append(
            Trial(
                int(told.get("number", place)),
                run.member,
                run.seed,
                "waiting" if run.status == "not started" else run.status,
                told.get("parameters") or varied.get(run.member, {}),
                measure.last(run) if value is None else value,
            )
        )
    return sorted(found, key=lambda trial: trial.number)


def axes(found: Sequence[Trial], space: Mapping[str, Mapping[str, Any]] | None = None) -> list[Axis]:
    """An axis for each setting that has several values; logarithmic where the space says so or decades lie in it.

    space: of a search, setting -> its domain.
    """
    keys = dict.fromkeys(key for trial in found for key in trial.settings)
    made = []
    for key in keys:
        told = [trial.settings.get(key) for trial in found]
        values = [value for value in told if value is not None]
        numeric = all(_is_number(value) for value in values)
        ordered: tuple[Any, ...] = tuple(sorted({float(value) if numeric else _name(value) for value in values}))
        if len(ordered) + (None in told) < 2:
            continue
        positive = numeric and ordered[0] > 0
        wide = positive and ordered[-1] / ordered[0] >= DECADE
        made.append(Axis(key, numeric, wide or (positive and bool(((space or {}).get(key) or {}).get("log"))), ordered))
    return made


def importances(found: Sequence[Trial], over: Sequence[Axis]) -> dict[str, float] | None:
    """Share of the variance of the value that fANOVA gives to each setting, the largest first; sums to 1.

    None with too few finished trials, or where all have the same value. The forest is seeded.

    Raises: ImportError without optuna and scikit-learn.
    """
    done = [trial for trial in found if trial.done]
    if len(done) < FEWEST or not over or len({trial.value for trial in done}) < 2:
        return None
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(storage=None, sampler=optuna.samplers.RandomSampler(seed=0))
    study.add_trials([_optuna_trial(trial, over) for trial in done])
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=TREES, seed=0)
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))


def importance_is_installed() -> bool:
    """Whether the packages are there that importance needs."""
    return all(importlib.util.find_spec(name) is not None for name in ("optuna", "sklearn"))


def _optuna_trial(trial: Trial, over: Sequence[Axis]) -> Any:
    """The trial as Optuna's, each setting by its place on its axis, so that missing values count as a value."""
    import optuna

    distribution = optuna.distributions.FloatDistribution(-1.0, 1.0)
    return optuna.trial.create_trial(
        params={axis.key: axis.place(trial.settings.get(axis.key)) for axis in over},
        distributions={axis.key: distribution if axis.numeric else _categories(axis) for axis in over},
        value=trial.value,
    )


def _categories(axis: Axis) -> Any:
    import optuna

    return optuna.distributions.CategoricalDistribution([MISSING, *(axis.place(value) for value in axis.values)])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _name(value: Any) -> str:
    """A value that is no number, as a reader writes it: 1 and "1" are one."""
    return plain(value)
