"""Searches from plain settings, as a run's config and Python callers give them."""

import difflib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

import yaml

from rnnsearch.records.run_config import CONFIG, bounded_yaml
from rnnsearch.records.run_record import Record, check_file
from rnnsearch.search.beam import BeamSearch
from rnnsearch.search.hypotheses import Search
from rnnsearch.search.sampling import Sampling

Kind = type[BeamSearch] | type[Sampling]
KINDS: Mapping[str, Kind] = {f"{kind.__module__}.{kind.__qualname__}": kind for kind in (BeamSearch, Sampling)}
"""Every search by its full name, the ``_target_`` of a config."""


class CommonSettings(TypedDict, total=False):
    """Settings that every search has; see `rnnsearch.search.constraints.Constraints`."""

    min_length: int
    max_length: int | None
    min_length_ratio: float
    min_length_offset: int
    max_length_ratio: float
    max_length_offset: int
    max_source_length: int
    batch_size: int
    forbid_unknown: bool
    no_repeat_ngram: int
    precision: str


class SearchSettings(CommonSettings, total=False):
    """Settings of `BeamSearch`."""

    beam_size: int
    n_best: int
    normalization: str
    length_alpha: float
    coverage_penalty: float


def make_search(kind: Kind, settings: Mapping[str, Any]) -> Search:
    """The search with these settings.

    Raises:
        ValueError: for one that it does not have, or a value that it refuses.
    """
    known = inspect.signature(kind).parameters
    for name in settings:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            guess = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"{name} is no setting of {kind.__name__}{guess} (it has {', '.join(known)})")
    try:
        return kind(**settings)
    except TypeError as error:
        raise ValueError(f"a setting of {kind.__name__} is missing or has a value of the wrong type: {error}") from None


def own_search(folder: Path, record: Record) -> tuple[Kind, dict[str, Any]]:
    """Class and settings of the search that a run was trained with.

    Raises:
        FileNotFoundError, ValueError: if the run's config is not there, can't be read, or names no search of ours.
    """
    path = check_file(folder, record, CONFIG)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; give the folder of a run as train leaves it")
    text = bounded_yaml(path)
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):  # of a tag that is none of YAML's, or a date that is none
        found = None
    section = found.get("search") if isinstance(found, dict) else None
    target = str(section.get("_target_")) if isinstance(section, dict) else ""
    if not isinstance(section, dict) or target not in KINDS:
        raise ValueError(f"{path} is no config of a run, or has no search that is known: {target!r}")
    return KINDS[target], {key: value for key, value in section.items() if not str(key).startswith("_")}


def common_settings(own: Mapping[str, Any]) -> dict[str, Any]:
    """Those settings of a beam search that any search has; what a run is older than is as it was: off."""
    parameters = inspect.signature(BeamSearch).parameters
    every = {name: own.get(name, parameters[name].default) for name in CommonSettings.__annotations__}
    return {name: value for name, value in every.items() if value is not inspect.Parameter.empty}
