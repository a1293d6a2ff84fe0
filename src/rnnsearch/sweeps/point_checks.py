"""Checks all points of a study before the first begins: if one would be refused, none is trained."""

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, TypeVar

from omegaconf import Container, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rnnsearch.config.constructor_checks import check_constructors
from rnnsearch.config.devices import check_devices
from rnnsearch.config.errors import explain
from rnnsearch.config.overrides import Overrides
from rnnsearch.config.plain_values import Once
from rnnsearch.config.value_checks import check_values, is_open, missing, wrong_values
from rnnsearch.sweeps.labels import in_words, labels

Compose = Callable[[Overrides], DictConfig]
Values = Callable[[Overrides], Mapping[str, Any]]
Check = Callable[[Overrides], None]
Config = TypeVar("Config")


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
    wrong_values_of = Once(lambda part: [*wrong_values(part), *([repr(part)] if is_open(part) else [])])

    def check(overrides: Overrides) -> None:
        with suppress(OmegaConfBaseException):  # a value without sense is told before an interpolation without end
            found = values(overrides)
            wrong = (*missing(found), *chain.from_iterable(wrong_values_of.each(found)))
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

    node = Once(_node)

    def config(sections: dict[str, Any]) -> DictConfig:
        """A config of sections that its checks share, since making one takes longer than most checks."""
        made = DictConfig({}, flags={"no_deepcopy_set_nodes": True})
        for name, section in sections.items():
            made[name] = node({name: section})
        return made

    def refusals(check: Callable[[DictConfig], object]) -> Once[Exception | None]:
        return Once(lambda sections: _error(check, config(sections)))

    parts = [(refusals(part), sections) for part, sections in ((_check_trainer, ("trainer",)), *CHECKS)]
    constructors = Once(lambda section: _error(check_constructors, copy.deepcopy(section)))

    def check(overrides: Overrides) -> None:
        found = values(overrides)
        for refusal_of, sections in parts:
            refusal = refusal_of({name: found[name] for name in sections if name in found})
            if refusal is not None:
                raise refusal
        for refusal in constructors.each(found):  # last, since they import Lightning
            if refusal is not None:
                raise refusal

    return check


def _check_trainer(config: DictConfig) -> None:
    check_devices(config.trainer)


def _node(section: dict[str, Any]) -> Any:
    """A section as a config's node, read only."""
    [name] = section
    node = OmegaConf.create(section)._get_node(name)
    if isinstance(node, Container):
        OmegaConf.set_readonly(node, True)
    return node


def _error(check: Callable[[Config], object], config: Config) -> Exception | None:
    """Why a check refuses a config, if it does."""
    try:
        check(config)
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
