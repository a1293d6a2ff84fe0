"""Several corpora as one: the training pairs of each member are seen as often as its weight says."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from rnnsearch.data.batching import Lengths, Plan, Planner
from rnnsearch.data.corpus import SPLITS, Corpus, Pair


class MixtureCorpus:
    """The pairs of all members, one member after another; `line` is that of the member, which `member` names.

    Validation and test are those of the members that have them, each pair once.
    """

    def __init__(self, *, members: Mapping[str, Corpus], weights: Mapping[str, float], name: str) -> None:
        """Raises ValueError for no members, a weight of no member, or one that is not above 0."""
        if not members:
            raise ValueError(
                "data.members is empty; name the corpora to mix, such as +data@data.members.news=files "
                "data.members.news.train.source=FILE"
            )
        for key, weight in weights.items():
            if key not in members:
                raise ValueError(f"data.weights.{key} is of no member; the members are {', '.join(members)}")
            if not weight > 0:
                raise ValueError(f"data.weights.{key}={weight}: must be above 0; leave the member out instead")
        self.name = name
        self.members = dict(members)
        self.weights = {key: float(weights.get(key, 1.0)) for key in members}

    @property
    def source_language(self) -> str:
        """The members' own. Raises ValueError where they differ."""
        return self._language({key: member.source_language for key, member in self.members.items()}, "source")

    @property
    def target_language(self) -> str:
        """The members' own. Raises ValueError where they differ."""
        return self._language({key: member.target_language for key, member in self.members.items()}, "target")

    def _language(self, languages: Mapping[str, str], side: str) -> str:
        if len(set(languages.values())) > 1:
            said = ", ".join(f"{key}: {language}" for key, language in languages.items())
            raise ValueError(
                f"data.members differ in their {side} language ({said}); set reverse=true where one is turned"
            )
        return next(iter(languages.values()))

    def prepare(self) -> None:
        """Prepare every member that can be; one may lack a validation split where another has it."""
        for member in self.members.values():
            if {"train", "validation"} <= set(member.splits()):
                member.prepare()
        missing = [split for split in SPLITS[:2] if split not in self.splits()]
        if missing:
            raise ValueError(f"data={self.name}: no member has {missing[0]} pairs; give them to one member at least")

    def splits(self) -> tuple[str, ...]:
        """Those that some member has."""
        return tuple(split for split in SPLITS if any(split in member.splits() for member in self.members.values()))

    def pairs(self, split: str) -> Iterator[Pair]:
        """The pairs of every member that has the split. Raises ValueError that names the member."""
        for key, member in self.members.items():
            if split in member.splits():
                try:
                    yield from (replace(pair, member=key) for pair in member.pairs(split))
                except ValueError as error:
                    raise ValueError(f"data.members.{key}: {error}") from error

    def checksums(self) -> dict[str, str]:
        """Those of the members, each under its name."""
        return {
            f"{key}.{what}": value for key, member in self.members.items() for what, value in member.checksums().items()
        }


def shares(counts: Mapping[str, int], first: int) -> dict[str, int]:
    """How many pairs of each member make a mixture of the `first` so many: each its part of the whole, rounded.

    A smaller mixture lies within a larger one: pair i of n of a member stands at (i + 1/2) / n, and the first so many
    in that order are taken, those of an earlier member before equal ones.
    """
    places = np.concatenate([(np.arange(count) + 0.5) / count for count in counts.values()])
    members = np.repeat(np.arange(len(counts)), list(counts.values()))
    taken = members[np.argsort(places, kind="stable")[:first]]
    return dict(zip(counts, np.bincount(taken, minlength=len(counts)).tolist(), strict=True))


@dataclass(frozen=True)
class WeightedPlanner:
    """Plans over the rows that an epoch sees: a function of seed and epoch, as the plan itself.

    With weight 2.25 every row of a member is seen twice, and a quarter of them, drawn anew each epoch, once more.
    """

    planner: Planner
    rows: Sequence[Lengths]
    weights: Sequence[float]

    def plan(self, source_lengths: Lengths, target_lengths: Lengths, *, seed: int, epoch: int) -> Plan:
        """Rows of each batch of an epoch."""
        seen = self.seen(seed, epoch)
        plan = self.planner.plan(source_lengths[seen], target_lengths[seen], seed=seed, epoch=epoch)
        return Plan(seen[plan.rows], plan.starts, plan.stops)

    def seen(self, seed: int, epoch: int) -> Lengths:
        """The rows of an epoch, member by member."""
        random = np.random.default_rng([seed, epoch, len(self.rows)])
        return np.concatenate([_drawn(*member, random) for member in zip(self.rows, self.weights, strict=True)])

    def times(self) -> npt.NDArray[np.float64]:
        """How often an epoch sees each row, in the mean."""
        counts = np.zeros(sum(map(len, self.rows)))
        for rows, weight in zip(self.rows, self.weights, strict=True):
            counts[rows] = weight
        return counts


def _drawn(rows: Lengths, weight: float, random: np.random.Generator) -> npt.NDArray[np.int64]:
    whole = int(weight)
    more = random.permutation(rows)[: round((weight - whole) * len(rows))]
    return np.concatenate([np.tile(rows, whole), more])
