"""The members of a study: what is asked for, each once, equal in size, under labels that tell them apart."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from hydra.errors import InstantiationException
from omegaconf import DictConfig

from rnnsearch.cli.asked import Asked, Request
from rnnsearch.cli.chosen_before import RATE
from rnnsearch.cli.compose import valid_names
from rnnsearch.cli.describe import no_differences
from rnnsearch.cli.points import Points
from rnnsearch.cli.searching import check_search
from rnnsearch.cli.tuning import RATES, Tuner
from rnnsearch.keys.roles import HIDDEN_SIZES
from rnnsearch.sweep import ledger
from rnnsearch.sweep.points import Composed, Overrides, UnknownKey, composed, in_words, labels
from rnnsearch.training.matching import TOLERANCE

logger = logging.getLogger(__name__)


class Members:
    """What a sweep trains with every seed.

    Args:
        config: of the command.
        request: its command line and config, read.
        points: of the study.
        tuner: whose keys set no members apart.
    """

    def __init__(self, config: DictConfig, request: Request, points: Points, tuner: Tuner) -> None:
        self.config = config
        self.request = request
        self.points = points
        self.tuner = tuner

    def check(self) -> None:
        """Refuse what contradicts itself.

        Raises:
            ValueError: naming the keys.
        """
        config = self.config
        if config.sweep.search or config.sweep.wandb:
            check_search(config)
            return
        if config.members and len(config.members) < 2:
            raise ValueError("a comparison has at least two members; see members in rnnsearch compare --cfg job")
        if config.match_to is not None and str(config.match_to) not in map(str, config.members or ()):
            names = ", ".join(map(str, config.members or ())) or "none, since members=null"
            raise ValueError(f"match_to={config.match_to}: give the name of a member; there are {names}")
        if config.match != "none" and (both := set(HIDDEN_SIZES) & {*self.request.swept}):
            raise ValueError(
                f"match={config.match} finds the hidden sizes, so {_listed(both)} can't be swept; set match=none"
            )
        if both := {*self.tuner.keys, *(RATES if RATE in self.tuner.keys else ())} & {*self.request.swept}:
            raise ValueError(f"tuning finds {_listed(both)}, so it can't be swept; set tuning=none")
        if self.tuner.is_on and config.protocol.metric == "tokens_per_second":
            raise ValueError(
                "tuning chooses by quality, and protocol.metric=tokens_per_second asks for speed; set tuning=none"
            )

    def found(self) -> dict[str, Asked]:
        """What is trained with every seed, by labels: keys that it lacks are dropped, equal ones are one, sizes match.

        Raises:
            ValueError: for members that train the same, or a key that none has.
        """
        found = self.distinct()
        if self.config.match != "none":
            reference = self._reference(found)
            found = [self._matched(one, reference) for one in found]
            self._check_tuned_sizes(found, reference)
        names = self.names(found)
        return dict(zip(names, found, strict=True))

    def distinct(self) -> list[Asked]:
        """What is asked for, each once."""
        asked = self.request.asked()

        def compose(overrides: Overrides) -> Composed:
            name, *rest = overrides
            one = self.points.composed(tuple(rest))
            return replace(one, overrides=overrides, key=f"{name} {one.key}")

        try:
            every = composed([(f"{one.member}", *one.overrides) for one in asked], compose)
        except UnknownKey as error:
            raise nowhere(error) from None
        names: dict[str, str] = {}
        for one in every:
            name, _, key = one.key.rpartition(" ")
            if key in names:
                raise ValueError(
                    f"the members {names[key]} and {name} train the same; give one of them another override"
                )
            names[key] = name
        return [_merged([asked[place] for place in one.places], one.overrides[1:]) for one in every]

    def _reference(self, members: Sequence[Asked]) -> Overrides:
        """What the others are made equal to: the member that ``match_to`` names, the last one, or the command's own."""
        if not self.config.members:
            return self.request.fixed
        name = str(self.config.match_to or list(self.config.members)[-1])
        return next(one.overrides for one in members if one.member == name)

    def _matched(self, one: Asked, reference: Overrides) -> Asked:
        with _naming(one):
            self.points.size(one.overrides, by="parameters")  # which refuses what is no model
            overrides = self.points.matched(one.overrides, reference, by=self.config.match)
        if (sizes := overrides[len(one.overrides) :]) and one.member:
            logger.info("%s: %s, for equal %s", one.member, " ".join(sizes), self.config.match)
        return replace(one, overrides=overrides)

    def _check_tuned_sizes(self, members: Sequence[Asked], reference: Overrides) -> None:
        """Refuse values of a tuned grid with which models are not of equal size."""
        by = self.config.match
        for values in self.tuner.combinations() if self.tuner.grid else ():
            target = self.points.size((*reference, *values), by=by)
            sizes = [self.points.size((*one.overrides, *values), by=by) for one in members]
            if any(abs(size / target - 1) > TOLERANCE for size in sizes):
                raise ValueError(
                    f"tuning.grid: with {' '.join(values)} a model has no longer the {by} that match={by} gives all; "
                    "leave the key out, or set match=none"
                )

    def names(self, members: Sequence[Asked]) -> list[str]:
        """Labels, that differ from those of other points of the study."""
        sources = {f"{place}": one.label_source for place, one in enumerate(members)}
        known = {} if self.config.members else self._known()
        words = self.words({**known, **sources})
        return [words[place] for place in sources]

    def _known(self) -> dict[str, Overrides]:
        """The overrides of the study's points, by the names of their folders."""
        points = ledger.read_points(self.points.study)
        return {point.folder.name: point.overrides for point in points if not point.trial and not point.pause}

    def words(self, points: Mapping[str, Overrides]) -> dict[str, str]:
        """Labels of points, by their overrides."""
        return in_words(labels(points, without=self.without))

    @property
    def without(self) -> tuple[str, ...]:
        """Keys that set no points apart."""
        tuned = {key for chosen in self.tuner.before.values.values() for key in chosen}
        return (*no_differences(self.config.match), *self.tuner.keys, *tuned - {*self.request.swept})


def nowhere(error: UnknownKey) -> BaseException:
    """The error to raise for a key that no point has."""
    if error.key not in valid_names("train"):
        return error.__cause__ or error
    return ValueError(
        f"{error.key}: no point of this sweep has this key; leave it out, or sweep over an option that has it too"
    )


def _merged(equal: Sequence[Asked], overrides: Overrides) -> Asked:
    """Several that are one, with the overrides of that one and all their seeds."""
    seeds = tuple(dict.fromkeys(seed for one in equal for seed in one.seeds))
    told = tuple(text for text in equal[0].told if text in overrides)
    return replace(equal[0], overrides=overrides, told=told, seeds=seeds)


@contextmanager
def _naming(one: Asked) -> Iterator[None]:
    """A member's name before what is wrong with it."""
    who = f"member {one.member}: " if one.member else ""
    try:
        yield
    except InstantiationException as error:
        if isinstance(error.__cause__, ValueError):
            raise ValueError(f"{who}{error.__cause__}") from None
        raise
    except ValueError as error:
        raise ValueError(f"{who}{error}") from None


def _listed(keys: set[str]) -> str:
    return " and ".join(sorted(keys))
