"""All points of a study are judged before the first begins: none is trained beside one that would be refused."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from omegaconf import DictConfig

from rnnsearch.cli.constructors import check_constructors
from rnnsearch.cli.errors import explain
from rnnsearch.cli.plain import plain
from rnnsearch.cli.settings import check_devices
from rnnsearch.cli.values import check_values
from rnnsearch.sweep.points import Overrides, in_words, labels

Compose = Callable[[Overrides], DictConfig]
Check = Callable[[DictConfig], None]


def judge(points: Sequence[Overrides], compose: Compose) -> None:
    """Refuse points whose training would be refused: values first, then, with torch, what has to fit together.

    Raises:
        ValueError: naming every refused point, and why.
    """
    for checks in ((check_values,), tuple(_fitting())):
        refused = [_refusal(one, compose, checks) for one in points]
        if any(refused):
            raise ValueError(_told(points, refused))


def _fitting() -> Iterator[Check]:
    """Checks of what has to fit together, each for one config after another; equal sections are looked at once."""
    from rnnsearch.cli.combinations import CHECKS  # and torch

    yield lambda config: check_devices(config.trainer)
    for check, sections in CHECKS:
        yield partial(_once, check, sections, {})
    yield check_constructors  # the last, since it imports Lightning


def _once(check: Check, sections: Sequence[str], seen: dict[str, Exception | None], config: DictConfig) -> None:
    """Check a config; what was found of one with equal sections before is found again."""
    told = repr([_plain(config.get(section)) for section in sections])
    if told not in seen:
        seen[told] = None
        try:
            check(config)
        except Exception as error:
            seen[told] = error
    if (found := seen[told]) is not None:
        raise found


def _plain(section: object) -> object:
    return plain(section) if isinstance(section, DictConfig) else section


def _refusal(overrides: Overrides, compose: Compose, checks: Sequence[Check]) -> str | None:
    """Why a point is refused; None where it is not."""
    try:
        config = compose(overrides)
        for check in checks:
            check(config)
    except Exception as error:
        explained = explain(error, "train", overrides)
        if explained is None:
            raise
        return explained[0]
    return None


def _told(points: Sequence[Overrides], refused: Sequence[str | None]) -> str:
    """Each reason once, with the points that it is about."""
    if len(points) == 1:
        return str(refused[0])
    names = in_words(labels({str(place): one for place, one in enumerate(points)}, without=()))
    about: dict[str, list[str]] = {}
    for place, reason in enumerate(refused):
        if reason is not None:
            about.setdefault(reason, []).append(names[str(place)])
    said = [f"{why} ({'all' if len(of) == len(points) else ' | '.join(of)})" for why, of in about.items()]
    count = len(points) - list(refused).count(None)
    return f"{count} of {len(points)} points are refused, so none is trained: {'; '.join(said)}"
