"""The members of a study: what is asked for, each once, equal in size, under labels that tell them apart."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from hydra.errors import InstantiationException
from omegaconf import DictConfig

from rnnsearch.config.compose import UnknownKey, valid_names
from rnnsearch.config.keys.roles import HIDDEN_SIZES
from rnnsearch.config.overrides import Overrides, key_of, value_of
from rnnsearch.records.study_description import RATE
from rnnsearch.sweeps import ledger
from rnnsearch.sweeps.combinations import Composed, composed
from rnnsearch.sweeps.describe_study import no_differences
from rnnsearch.sweeps.labels import in_words, labels
from rnnsearch.sweeps.points import Points
from rnnsearch.sweeps.request import Asked, Request
from rnnsearch.sweeps.search_points import check_search
from rnnsearch.sweeps.tuner import RATES, Tuner
from rnnsearch.training.equal_sizes import TOLERANCE

logger = logging.getLogger(__name__)


class Members:
    """The trainings that a sweep runs with every seed.

    Args:
        config: of the command.
        request: its command line and config, read.
        points: of the study.
        tuner: its keys do not distinguish members.
    """

    def __init__(self, config: DictConfig, request: Request, points: Points, tuner: Tuner) -> None:
        self.config = config
        self.request = request
        self.points = points
        self.tuner = tuner

    def check(self) -> None:
        """Refuse contradictory settings.

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
        if config.match != "none" and self._begins_elsewhere():
            from rnnsearch.config.combination_checks import MATCHED  # imports torch

            raise ValueError(f"match={config.match} {MATCHED}")
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

    def _begins_elsewhere(self) -> bool:
        """Whether a member begins from another run's weights."""
        words = (word for asked in self.request.asked() for word in asked.overrides if key_of(word) == "init")
        return self.config.init is not None or any(value_of(word) != "null" for word in words)

    def found(self) -> dict[str, Asked]:
        """The members by label: without keys that they lack, each once, and matched in size.

        Raises:
            ValueError: for members that train the same, or a key that none has.
        """
        members = self.distinct()
        if self.config.match != "none":
            reference = self._reference(members)
            members = [self._matched(asked, reference) for asked in members]
            self._check_tuned_sizes(members, reference)
        names = self.names(members)
        return dict(zip(names, members, strict=True))

    def distinct(self) -> list[Asked]:
        """The members that are asked for, each once."""
        asked = self.request.asked()

        def compose(overrides: Overrides) -> Composed:
            name, *own = overrides
            point = self.points.composed(tuple(own))
            return replace(point, overrides=overrides, key=f"{name} {point.key}")

        try:
            distinct = composed([(f"{member.member}", *member.overrides) for member in asked], compose)
        except UnknownKey as error:
            raise nowhere(error) from None
        names: dict[str, str] = {}
        for point in distinct:
            name, _, key = point.key.rpartition(" ")
            if key in names:
                raise ValueError(
                    f"the members {names[key]} and {name} train the same; give one of them another override"
                )
            names[key] = name
        return [_merged([asked[place] for place in point.places], point.overrides[1:]) for point in distinct]

    def _reference(self, members: Sequence[Asked]) -> Overrides:
        """What the others are matched to: the member that ``match_to`` names, the last one, or the command's own."""
        if not self.config.members:
            return self.request.fixed
        name = str(self.config.match_to or list(self.config.members)[-1])
        return next(asked.overrides for asked in members if asked.member == name)

    def _matched(self, asked: Asked, reference: Overrides) -> Asked:
        with _naming(asked):
            self.points.size(asked.overrides, by="parameters")  # refuses an invalid model
            overrides = self.points.matched(asked.overrides, reference, by=self.config.match)
        if (sizes := overrides[len(asked.overrides) :]) and asked.member:
            logger.info("%s: %s, for equal %s", asked.member, " ".join(sizes), self.config.match)
        return replace(asked, overrides=overrides)

    def _check_tuned_sizes(self, members: Sequence[Asked], reference: Overrides) -> None:
        """Refuse values of the tuned grid that make the models unequal in size."""
        by = self.config.match
        for values in self.tuner.combinations() if self.tuner.grid else ():
            target = self.points.size((*reference, *values), by=by)
            sizes = [self.points.size((*asked.overrides, *values), by=by) for asked in members]
            if any(abs(size / target - 1) > TOLERANCE for size in sizes):
                raise ValueError(
                    f"tuning.grid: with {' '.join(values)} a model has no longer the {by} that match={by} gives all; "
                    "leave the key out, or set match=none"
                )

    def names(self, members: Sequence[Asked]) -> list[str]:
        """Labels that differ from those of the study's other points."""
        sources = {f"{place}": asked.label_source for place, asked in enumerate(members)}
        points = [] if self.config.members else ledger.read_points(self.points.study)
        known = {point.folder.name: point.overrides for point in points if not point.trial and not point.pause}
        words = self.words({**known, **sources})
        return [words[place] for place in sources]

    def words(self, points: Mapping[str, Overrides]) -> dict[str, str]:
        """Labels of points, by their overrides."""
        return in_words(labels(points, without=self.without))

    @property
    def without(self) -> tuple[str, ...]:
        """Keys that do not distinguish points."""
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
    """Several equal members as one, with the given overrides and all their seeds."""
    seeds = tuple(dict.fromkeys(seed for asked in equal for seed in asked.seeds))
    told = tuple(text for text in equal[0].told if text in overrides)
    return replace(equal[0], overrides=overrides, told=told, seeds=seeds)


@contextmanager
def _naming(asked: Asked) -> Iterator[None]:
    """Put the member's name in front of an error's message."""
    who = f"member {asked.member}: " if asked.member else ""
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
