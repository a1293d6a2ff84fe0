"""Writes study.json, which says of what a study consists and which its report is made from."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from rnnsearch.cli.plain import flat, plain
from rnnsearch.keys.roles import HIDDEN_SIZES, Role, keys_of, within
from rnnsearch.records import AROUND, read_object, write_object
from rnnsearch.study.folder import STUDY
from rnnsearch.sweep import ledger
from rnnsearch.sweep.ledger import Point
from rnnsearch.sweep.points import labels

NO_DIFFERENCE = ("seed", *keys_of(Role.ABOUT))  # keys and groups that set no points apart


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What study.json says beside members and runs.

    Attributes:
        kind: comparison, sweep or search.
        question: that the study asks.
        protocol: written before its runs.
        data: the corpus's name.
        match: by what models were made equal.
        match_to: to which member.
        tuning: the trials and what was chosen.
        search: its space and sampler.
        length_edges: the last lengths of the report's buckets.
    """

    kind: str
    question: str | None
    protocol: dict[str, Any] | None
    data: str
    match: str
    match_to: str | None = None
    tuning: dict[str, Any] | None = None
    search: dict[str, Any] | None = None
    length_edges: list[int] | None = None


def describe(
    study: Path,
    facts: Facts,
    points: Sequence[Point],
    names: Mapping[str, str],
    compose: Callable[[Sequence[str]], DictConfig],
    *,
    without: Sequence[str],
) -> None:
    """Write study.json.

    Args:
        study: its folder.
        facts: of the study.
        points: that it has, those of the baseline first.
        names: of the members, by the points' folders' names.
        compose: gives the config of a training.
        without: keys and groups that set no points apart.
    """
    settings = labels({point.folder.name: point.overrides for point in points}, without=without)
    members = {names[point.folder.name]: point for point in reversed(points)}
    ordered = list(dict.fromkeys(names[point.folder.name] for point in points))
    composed = {name: compose(members[name].overrides) for name in ordered}
    write_object(
        study / STUDY,
        {
            "format": 1,
            "name": study.name,
            "created": described(study).get("created") or ledger.now(),
            **asdict(facts),
            "members": [
                {
                    "name": name,
                    "overrides": list(members[name].overrides),
                    "settings": _values(settings[members[name].folder.name]),
                }
                for name in ordered
            ],
            "seeds": sorted({point.seed for point in points}),
            "asked_seeds": _asked(described(study), points),
            "budget": plain(composed[ordered[0]].budget) if ordered else {},
            "trained_length": _trained_length(points),
            "config_difference": _differences(composed),
            "runs": [
                {"member": names[point.folder.name], "seed": point.seed, "folder": point.folder.name}
                for point in points
            ],
        },
    )


def _asked(earlier: Mapping[str, Any], points: Sequence[Point]) -> list[dict[str, Any]]:
    """What seeds were asked for, and when: an entry more where some are new."""
    seeds = sorted({point.seed for point in points})
    found = list(earlier.get("asked_seeds", []))
    if not found and earlier.get("seeds"):  # an earlier version's, which did not say
        found = [{"seeds": earlier["seeds"], "at": earlier["created"]}]
    known = {seed for one in found for seed in one["seeds"]}
    return found if known.issuperset(seeds) else [*found, {"seeds": seeds, "at": ledger.now()}]


def every_point(study: Path, points: Sequence[Point]) -> list[Point]:
    """All points that a study has: those that it was described with in their order, then those at hand in theirs."""
    folders = [*_folders(described(study)), *(point.folder.name for point in points)]
    return _ordered([point for point in ledger.read_points(study) if _is_known(point)], folders)


def protocol(config: DictConfig, given: Collection[str], members: Sequence[str]) -> dict[str, Any] | None:
    """A study's protocol; None where none was written.

    Args:
        config: of the command.
        given: keys of its command line. What a protocol says of its own members holds for no others.
        members: labels that the study has. Where more is swept than its protocol says, each of its pairs is
            compared in every combination of the rest.
    """
    found = plain(config.protocol)
    written = {key for key in found if f"protocol.{key}" in given}
    if not (config.protocol.question or written):
        return None
    if not config.protocol.question or any(key == "members" or key.startswith("members.") for key in given):
        found = {key: value if key == "metric" or key in written else None for key, value in found.items()}
    pairs = [pair for one in found["comparisons"] or () for pair in _spread(one, members)]
    baseline = next(iter(_with_rest(found["baseline"], members).values()), None) if found["baseline"] else None
    return {**found, "comparisons": pairs or None, "baseline": baseline}


def _spread(pair: Sequence[str], members: Sequence[str]) -> list[list[str]]:
    """A planned pair as labels of a study, in every combination of what else is swept; as it is where there is none."""
    system, baseline = (_with_rest(label, members) for label in pair)
    return [[system[rest], baseline[rest]] for rest in system if rest in baseline] or [[*pair]]


def _with_rest(label: str, members: Sequence[str]) -> dict[frozenset[str], str]:
    """The members that a planned label stands for, by what their own labels say besides."""
    parts = frozenset(label.split(", "))
    found = {frozenset(one.split(", ")) - parts: one for one in members if parts <= frozenset(one.split(", "))}
    return {frozenset(): label} if label in members or not found else found


def _is_known(point: Point) -> bool:
    """Whether it is a point of its own: no trial of a tuning, nor one of a search that has not asked or is another."""
    if point.pause is not None:
        return False
    return point.trial is None or ("number" in point.trial and "same_as" not in point.trial)


def no_differences(match: str) -> tuple[str, ...]:
    """Keys that set no points of a study apart, by what models are made equal."""
    return NO_DIFFERENCE if match == "none" else (*NO_DIFFERENCE, *HIDDEN_SIZES[1:])


def described(study: Path) -> dict[str, Any]:
    """A study's description; empty where it has none, or a damaged one, which is written anew."""
    try:
        return read_object(study / STUDY)
    except (FileNotFoundError, ValueError):
        return {}


def _folders(description: Mapping[str, Any]) -> list[str]:
    return [run["folder"] for run in description.get("runs", [])]


def _ordered(points: Iterable[Point], folders: Sequence[str]) -> list[Point]:
    """Points in the order of the folders' names in a list; those that are not in it last."""
    place = {name: i for i, name in enumerate(dict.fromkeys(folders))}
    return sorted(points, key=lambda point: place.get(point.folder.name, len(place)))


def _values(settings: Mapping[str, str]) -> dict[str, Any]:
    """Settings as plain values: 8 for the text 8."""
    parser = OverridesParser.create()
    return {key: parser.parse_override(f"{key}={value}").value() for key, value in settings.items()}


def _trained_length(points: Iterable[Point]) -> int | None:
    records = [ledger.read_run(point.folder) for point in points]
    lengths = [record["data"]["longest_source"] for record in records if "longest_source" in record.get("data", {})]
    return max(lengths, default=None)


def _differences(configs: Mapping[str, DictConfig]) -> list[dict[str, Any]]:
    """Every key of the members' resolved configs in which they differ."""
    flattened = {name: flat(config) for name, config in configs.items()}
    keys = sorted(set().union(*flattened.values()))
    values = {key: {name: config.get(key) for name, config in flattened.items()} for key in keys}
    return [
        {"key": key, "values": by_member}
        for key, by_member in values.items()
        if len({str(value) for value in by_member.values()}) > 1 and not _is_around(key)
    ]


def _is_around(key: str) -> bool:
    return within(key, ("seed", *AROUND))
