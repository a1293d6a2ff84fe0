"""Writes study.json, which says of what a study consists and which its report is made from."""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from rnnsearch.cli import runs
from rnnsearch.records import AROUND, write_json
from rnnsearch.sweep import ledger
from rnnsearch.sweep.ledger import Point
from rnnsearch.sweep.points import in_words, labels

STUDY = "study.json"
NO_DIFFERENCE = (  # keys and groups that set no points apart
    "seed", "study", "member", "protocol", "sweep", "match", "paths", "logger", "progress", "profile", "samples",
    "data.root", "data.cache", "data.mirrors", "trainer.log_every_n_steps",
)  # fmt: skip
MATCHED = ("model.encoder.hidden_size", "model.decoder.hidden_size")  # by which models are made equal


def describe(
    study: Path,
    config: DictConfig,
    points: Sequence[Point],
    compose: Callable[[Sequence[str]], DictConfig],
    *,
    search: Mapping[str, Any] | None = None,
) -> None:
    """Describe all points that a study has, those of earlier sweeps too.

    Args:
        study: its folder.
        config: of the sweep at hand.
        points: of the sweep at hand, in its order.
        compose: gives the config of a training.
        search: how the points were found, where a search does that.
    """
    earlier = _earlier(study)
    known = [point for point in ledger.read_points(study) if _is_known(point)]
    every = _ordered(known, [*_folders(earlier), *(point.folder.name for point in points)])
    settings = labels({point.folder.name: point.overrides for point in every}, without=no_differences(config))
    words = in_words(settings)
    names = {point.folder.name: point.member if point.trial else words[point.folder.name] for point in every}
    members = {names[point.folder.name]: point for point in reversed(every)}
    composed = {name: compose(point.overrides) for name, point in members.items()}
    configs = {name: runs.flat(config) for name, config in composed.items()}
    ordered = _baseline_first(list(dict.fromkeys(names.values())), config.protocol.baseline)
    protocol = OmegaConf.to_container(config.protocol, resolve=True)
    write_json(
        study / STUDY,
        {
            "format": 1,
            "kind": "search" if search else "sweep",
            "name": study.name,
            "question": config.protocol.question,
            "protocol": protocol if config.protocol.question else None,
            "created": earlier.get("created") or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "data": HydraConfig.get().runtime.choices["data"],
            "members": [
                {
                    "name": name,
                    "overrides": list(members[name].overrides),
                    "settings": _values(settings[members[name].folder.name]),
                }
                for name in ordered
            ],
            "seeds": sorted({point.seed for point in every}),
            "match": config.match,
            "budget": OmegaConf.to_container(composed[ordered[0]].budget, resolve=True) if ordered else {},
            "tuning": None,
            "search": search,
            "length_edges": None,
            "trained_length": _trained_length(every),
            "config_difference": _differences(ordered, configs),
            "runs": [
                {"member": names[point.folder.name], "seed": point.seed, "folder": point.folder.name} for point in every
            ],
        },
    )


def _is_known(point: Point) -> bool:
    """Whether it is a point of its own: a trial that has not asked yet is none, nor is one that repeats another."""
    return point.trial is None or ("number" in point.trial and "same_as" not in point.trial)


def no_differences(config: DictConfig) -> tuple[str, ...]:
    """Keys that set no points of a sweep apart."""
    return NO_DIFFERENCE if config.match == "none" else (*NO_DIFFERENCE, *MATCHED)


def _earlier(study: Path) -> dict[str, Any]:
    path = study / STUDY
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


def _folders(description: Mapping[str, Any]) -> list[str]:
    return [run["folder"] for run in description.get("runs", [])]


def _ordered(points: Iterable[Point], folders: Sequence[str]) -> list[Point]:
    """Points in the order of the folders' names in a list; those that are not in it last."""
    place = {name: i for i, name in enumerate(dict.fromkeys(folders))}
    return sorted(points, key=lambda point: place.get(point.folder.name, len(place)))


def _baseline_first(names: list[str], baseline: str | None) -> list[str]:
    return sorted(names, key=lambda name: name != baseline) if baseline in names else names


def _values(settings: Mapping[str, str]) -> dict[str, Any]:
    """Settings as plain values: 8 for the text 8."""
    parser = OverridesParser.create()
    return {key: parser.parse_override(f"{key}={value}").value() for key, value in settings.items()}


def _trained_length(points: Iterable[Point]) -> int | None:
    records = [ledger.read_run(point.folder) for point in points]
    lengths = [record["data"]["longest_source"] for record in records if "longest_source" in record.get("data", {})]
    return max(lengths, default=None)


def _differences(members: Sequence[str], configs: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every key of the resolved configs in which the members differ."""
    keys = sorted(set().union(*configs.values()))
    values = {key: {name: configs[name].get(key) for name in members} for key in keys}
    return [
        {"key": key, "values": by_member}
        for key, by_member in values.items()
        if len({str(value) for value in by_member.values()}) > 1 and not _is_around(key)
    ]


def _is_around(key: str) -> bool:
    return key == "seed" or any(key == name or key.startswith(f"{name}.") for name in AROUND)
