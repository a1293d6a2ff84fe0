"""Writes study.json, which describes a study and is the source of its report."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from rnnsearch.config.identity import AROUND
from rnnsearch.config.keys.roles import HIDDEN_SIZES, UNCOUNTED, Role, keys_of, within
from rnnsearch.config.plain_values import flat, plain
from rnnsearch.records.run_record import now
from rnnsearch.records.study_description import (
    AskedSeeds,
    Difference,
    Member,
    Protocol,
    RunPlace,
    StudyDescription,
    read_description,
    write_description,
)
from rnnsearch.sweeps import ledger
from rnnsearch.sweeps.labels import labels
from rnnsearch.sweeps.ledger import Point

NO_DIFFERENCE = ("seed", "init_sha256", *keys_of(Role.ABOUT))  # keys and groups that do not distinguish points


def describe(
    study: Path,
    facts: StudyDescription,
    points: Sequence[Point],
    names: Mapping[str, str],
    values: Callable[[Point], Mapping[str, Any]],
    *,
    without: Sequence[str],
) -> None:
    """Write study.json.

    Args:
        study: its folder.
        facts: everything about the study except its members and runs.
        points: all of them, the baseline's first.
        names: of the members, by the points' folder names.
        values: of the config of a point.
        without: keys and groups that do not distinguish points.
    """
    settings = labels({point.folder.name: point.overrides for point in points}, without=without)
    members = {names[point.folder.name]: point for point in reversed(points)}
    ordered = list(dict.fromkeys(names[point.folder.name] for point in points))
    composed = {name: values(members[name]) for name in ordered}
    earlier = described(study)
    described_now = msgspec.structs.replace(
        facts,
        name=study.name,
        created=earlier.created or now(),
        members=[
            Member(
                name=name,
                overrides=list(members[name].overrides),
                settings=_values(settings[members[name].folder.name]),
            )
            for name in ordered
        ],
        seeds=sorted({point.seed for point in points}),
        asked_seeds=_asked(earlier, points),
        budget=dict(composed[ordered[0]]["budget"]) if ordered else {},
        trained_length=_trained_length(points),
        config_difference=_differences(composed),
        runs=[RunPlace(member=names[point.folder.name], seed=point.seed, folder=point.folder.name) for point in points],
    )
    write_description(study, described_now)


def _asked(earlier: StudyDescription, points: Sequence[Point]) -> list[AskedSeeds]:
    """Which seeds were asked for, and when; with another entry if some are new."""
    seeds = sorted({point.seed for point in points})
    asked = list(earlier.asked_seeds)
    if not asked and earlier.seeds:  # written by an earlier version, which did not note the time
        asked = [AskedSeeds(seeds=earlier.seeds, at=earlier.created or "")]
    known = {seed for entry in asked for seed in entry.seeds}
    return asked if known.issuperset(seeds) else [*asked, AskedSeeds(seeds=seeds, at=now())]


def every_point(study: Path, points: Sequence[Point]) -> list[Point]:
    """All points of a study: first those already described, then those at hand, each in their order."""
    folders = [*(run.folder for run in described(study).runs), *(point.folder.name for point in points)]
    place = {name: number for number, name in enumerate(dict.fromkeys(folders))}
    known = [point for point in ledger.read_points(study) if _is_known(point)]
    return sorted(known, key=lambda point: place.get(point.folder.name, len(place)))


def protocol(config: DictConfig, given_keys: Collection[str], members: Sequence[str]) -> Protocol | None:
    """A study's protocol, or None.

    Args:
        config: of the command.
        given_keys: keys of its command line. What a protocol says about its own members holds for no others.
        members: the study's labels. Where more is swept than the protocol says, each of its pairs is compared in
            every combination of the rest.
    """
    values = plain(config.protocol)
    written = {key for key in values if f"protocol.{key}" in given_keys}
    if not (config.protocol.question or written):
        return None
    if not config.protocol.question or any(key == "members" or key.startswith("members.") for key in given_keys):
        values = {key: value if key == "metric" or key in written else None for key, value in values.items()}
    pairs = [pair for planned in values["comparisons"] or () for pair in _spread(planned, members)]
    baseline = next(iter(_with_rest(values["baseline"], members).values()), None) if values["baseline"] else None
    return Protocol(**{**values, "comparisons": pairs or None, "baseline": baseline})


def _spread(pair: Sequence[str], members: Sequence[str]) -> list[tuple[str, str]]:
    """A planned pair as labels of a study, in every combination of what else is swept; unchanged if nothing is."""
    system, baseline = (_with_rest(label, members) for label in pair)
    return [(system[more], baseline[more]) for more in system if more in baseline] or [(pair[0], pair[1])]


def _with_rest(label: str, members: Sequence[str]) -> dict[frozenset[str], str]:
    """The members that a planned label stands for, by what else their own labels say."""
    settings = frozenset(label.split(", "))
    matching = {frozenset(name.split(", ")) - settings: name for name in members if settings <= {*name.split(", ")}}
    return {frozenset(): label} if label in members or not matching else matching


def _is_known(point: Point) -> bool:
    """Whether a point counts: no tuning trial, and no search trial that has not begun or repeats another."""
    if point.pause is not None:
        return False
    return point.trial is None or ("number" in point.trial and "same_as" not in point.trial)


def no_differences(match: str) -> tuple[str, ...]:
    """Keys that do not distinguish the points of a study, given what makes its models equal."""
    return NO_DIFFERENCE if match == "none" else (*NO_DIFFERENCE, *HIDDEN_SIZES[1:])


def described(study: Path) -> StudyDescription:
    """A study's description; empty if it is missing.

    Raises:
        ValueError: if it is damaged, for what was chosen and asked would be lost.
    """
    try:
        return read_description(study)
    except FileNotFoundError:
        return StudyDescription()


def _values(settings: Mapping[str, str]) -> dict[str, Any]:
    """Settings as plain values: 8 for the text 8."""
    parser = OverridesParser.create()
    return {key: parser.parse_override(f"{key}={value}").value() for key, value in settings.items()}


def _trained_length(points: Iterable[Point]) -> int | None:
    recorded = [ledger.read_run(point.folder).data.longest_source for point in points]
    lengths = [length for length in recorded if length is not None]
    return max(lengths, default=None)


def _differences(configs: Mapping[str, Mapping[str, Any]]) -> list[Difference]:
    """Every key in which the members' resolved configs differ."""
    flattened = {name: flat(config) for name, config in configs.items()}
    keys = sorted(set().union(*flattened.values()))
    values = {key: {name: config.get(key, UNCOUNTED.get(key)) for name, config in flattened.items()} for key in keys}
    return [
        Difference(key=key, values=by_member)
        for key, by_member in values.items()
        if len({str(value) for value in by_member.values()}) > 1 and not within(key, ("seed", *AROUND))
    ]
