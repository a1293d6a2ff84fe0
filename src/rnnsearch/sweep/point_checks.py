"""Checks all points of a study before the first begins: if one would be refused, none is trained."""

import copy
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from omegaconf import DictConfig, OmegaConf

from rnnsearch.config.constructor_checks import check_constructors
from rnnsearch.config.devices import check_devices
from rnnsearch.config.errors import explain
from rnnsearch.config.overrides import Overrides
from rnnsearch.config.plain_values import plain
from rnnsearch.config.value_checks import check_values
from rnnsearch.sweep.labels import in_words, labels

Compose = Callable[[Overrides], DictConfig]
Check = Callable[[DictConfig], object]


def judge(points: Sequence[Overrides], compose: Compose) -> None:
    """Refuse points whose training would be refused: values first, then (with torch) their combinations.

    Raises:
        ValueError: naming every refused point and the reason.
    """
    for checks in ((check_values,), tuple(_fitting())):
        refused = [_refusal(overrides, compose, checks) for overrides in points]
        if any(refused):
            raise ValueError(_told(points, refused))


def _fitting() -> Iterator[Check]:
    """Checks of combinations, each called with one config after another; equal sections are checked once."""
    from rnnsearch.config.combination_checks import CHECKS  # imports torch

    yield lambda config: check_devices(config.trainer)
    for check, sections in CHECKS:
        yield partial(_once, check, sections, {})
    yield check_constructors  # last, since it imports Lightning


def _once(check: Check, sections: Sequence[str], seen: dict[str, Exception | None], config: DictConfig) -> None:
    """Check a config, or repeat the verdict on an earlier one with equal sections."""
    key = repr([_plain(config.get(section)) for section in sections])
    if key not in seen:
        seen[key] = None
        try:
            check(config)
        except Exception as error:
            seen[key] = error
    if (refusal := seen[key]) is not None:
        raise refusal


def _plain(section: object) -> object:
    return plain(section) if isinstance(section, DictConfig) else section


def _refusal(overrides: Overrides, compose: Compose, checks: Sequence[Check]) -> str | None:
    """Why a point is refused; None if it is not."""
    try:
        config = copy.deepcopy(compose(overrides))  # the checks normalise it in place
        OmegaConf.set_readonly(config, False)
        for check in checks:
            check(config)
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
