"""Checks all points of a study before the first begins: if one would be refused, none is trained."""

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rnnsearch.config.constructor_checks import check_constructors
from rnnsearch.config.devices import check_devices
from rnnsearch.config.errors import explain
from rnnsearch.config.overrides import Overrides
from rnnsearch.config.plain_values import PerSection
from rnnsearch.config.value_checks import check_values, is_open, missing, wrong_values
from rnnsearch.sweeps.labels import in_words, labels

Compose = Callable[[Overrides], DictConfig]
Values = Callable[[Overrides], Mapping[str, Any]]
Check = Callable[[Overrides], None]


def judge(points: Sequence[Overrides], compose: Compose, values: Values) -> None:
    """Refuse points whose training would be refused: values first, then (with torch) their combinations.

    Args:
        points: by their overrides.
        compose: gives the config of a training.
        values: gives the resolved values of that config, to be read only.

    Raises:
        ValueError: naming every refused point and the reason.
    """
    for make_check in (_checked_alone, _checked_together):
        check = make_check(compose, values)
        refused = [_refusal(overrides, check) for overrides in points]
        if any(refused):
            raise ValueError(_told(points, refused))


def _checked_alone(compose: Compose, values: Values) -> Check:
    """The check of every value of a point. A config is composed for the sentence only, once for equal mistakes."""
    told: dict[tuple[str, ...], ValueError] = {}
    wrong_values_of = PerSection(lambda part: [*wrong_values(part), *([repr(part)] if is_open(part) else [])])

    def check(overrides: Overrides) -> None:
        with suppress(OmegaConfBaseException):  # a value without sense is told before an interpolation without end
            found = values(overrides)
            wrong = (*missing(found), *chain.from_iterable(wrong_values_of(found)))
            if not wrong:
                return
            if wrong in told:
                raise told[wrong]
        config = copy.deepcopy(compose(overrides))  # it is normalised in place
        OmegaConf.set_readonly(config, False)
        try:
            check_values(config)
        except ValueError as error:
            told[wrong] = error
            raise

    return check


def _checked_together(_: Compose, values: Values) -> Check:
    """The check of what a point's sections make together; equal ones are checked once."""
    from rnnsearch.config.combination_checks import CHECKS  # imports torch

    seen: dict[str, Exception | None] = {}
    constructors = PerSection(partial(_error, check_constructors))

    def check(overrides: Overrides) -> None:
        found = values(overrides)
        for place, (part, sections) in enumerate(((_check_trainer, ("trainer",)), *CHECKS)):
            read = {name: found[name] for name in sections if name in found}
            if (key := f"{place} {read}") not in seen:
                seen[key] = _error(part, read)
            if (refusal := seen[key]) is not None:
                raise refusal
        for refusal in constructors(found):  # last, since they import Lightning
            if refusal is not None:
                raise refusal

    return check


def _check_trainer(config: DictConfig) -> None:
    check_devices(config.trainer)


def _error(check: Callable[[DictConfig], object], values: dict[str, Any]) -> Exception | None:
    """Why a check refuses values, if it does."""
    try:
        check(OmegaConf.create(values))
    except Exception as error:
        return error
    return None


def _refusal(overrides: Overrides, check: Check) -> str | None:
    """Why a point is refused; None if it is not."""
    try:
        check(overrides)
    except Exception as error:
        explained = explain(error, "train", overrides)
        if explained is None:
            raise
        return explained[0]
    return None


def _told(points: Sequence[Overrides], refused: Sequence[str | None]) -> str:
    """Each reason once, with its points."""
    if len(points) == 1:
        return str(refused[0])
    names = in_words(labels({str(place): overrides for place, overrides in enumerate(points)}, without=()))
    about: dict[str, list[str]] = {}
    for place, reason in enumerate(refused):
        if reason is not None:
            about.setdefault(reason, []).append(names[str(place)])
    said = [f"{why} ({'all' if len(of) == len(points) else ' | '.join(of)})" for why, of in about.items()]
    count = len(points) - list(refused).count(None)
    return f"{count} of {len(points)} points are refused, so none is trained: {'; '.join(said)}"
