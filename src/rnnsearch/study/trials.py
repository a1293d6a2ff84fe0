"""The points of a sweep or search as data: settings, value, state; axes for them; importance of the settings.

A trial is one run: in a search a trial of Optuna's, in a sweep a point with one seed.
"""

import importlib.util
import math
from collections.abc import Mapping, Sequence
from typing import Any

from rnnsearch.plots.search_charts import MISSING, Axis, Trial
from rnnsearch.plots.style import value_text
from rnnsearch.study.folder import Study
from rnnsearch.study.measures import primary, settings

DECADE = 10.0  # numbers that span this factor lie on a logarithmic axis
FEWEST = 4  # finished trials that importance needs
TREES = 64


def trials(study: Study) -> list[Trial]:
    """Every run of the study, ordered by the search's numbers, else as in the study."""
    measure, varied = primary(study), settings(study)
    collected = []
    for place, run in enumerate(study.runs):
        recorded = run.job.get("trial") or {}
        value = measure.of(run)
        collected.append(
            Trial(
                int(recorded.get("number", place)),
                run.member,
                run.seed,
                "waiting" if run.status == "not started" else run.status,
                recorded.get("parameters") or varied.get(run.member, {}),
                measure.last(run) if value is None else value,
            )
        )
    return sorted(collected, key=lambda trial: trial.number)


def axes(found: Sequence[Trial], space: Mapping[str, Mapping[str, Any]] | None = None) -> list[Axis]:
    """An axis for each setting with several values; logarithmic if the space says so or the values span a decade.

    space: of a search: setting -> its domain.
    """
    keys = dict.fromkeys(key for trial in found for key in trial.settings)
    collected = []
    for key in keys:
        asked = [trial.settings.get(key) for trial in found]
        values = [value for value in asked if value is not None]
        numeric = all(_is_number(value) for value in values)
        ordered: tuple[Any, ...] = tuple(sorted({float(value) if numeric else value_text(value) for value in values}))
        if len(ordered) + (None in asked) < 2:
            continue
        positive = numeric and ordered[0] > 0
        wide = positive and ordered[-1] / ordered[0] >= DECADE
        collected.append(
            Axis(key, numeric, wide or (positive and bool(((space or {}).get(key) or {}).get("log"))), ordered)
        )
    return collected


def importances(found: Sequence[Trial], over: Sequence[Axis]) -> dict[str, float] | None:
    """The share of the value's variance that fANOVA assigns to each setting, the largest first; they sum to 1.

    None with too few finished trials, or if all have the same value. The forest is seeded.

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
    """Whether the packages that importance needs are installed."""
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
