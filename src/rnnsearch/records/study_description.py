"""What study.json says of a study: what was asked, its members and runs, how it was tuned.

Written by a sweep, read by reports and by a sweep that goes on. A field added here is written and read.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from rnnsearch.records.json_files import read_object, write_object
from rnnsearch.records.metrics import METRICS

STUDY = "study.json"
FORMAT = 1
RATE = "optimizer.lr"
MEND = "put a copy back, or remove it and give the command that wrote it again, which then knows of no earlier choice"
SHORT_TRIALS = "learning_rates"  # a key of tuning in earlier versions, which ran short separate trials


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is trained with every seed.

    Attributes:
        overrides: of its trainings, without the seed.
        settings: those in which it differs from the others, by key or group.
    """

    name: str
    overrides: list[str] = []
    settings: dict[str, Any] = {}


class RunPlace(msgspec.Struct, frozen=True, kw_only=True):
    """A run: its member, its seed, and its folder within the study's."""

    member: str
    seed: int
    folder: str


class Protocol(msgspec.Struct, frozen=True, kw_only=True):
    """What a study asks, written before its runs; see ``protocol`` among the keys of ``rnnsearch sweep``."""

    question: str | None = None
    expectation: str | None = None
    varies: str | None = None
    held_equal: str | None = None
    metric: str | None = None
    baseline: str | None = None
    comparisons: list[tuple[str, str]] | None = None
    equivalence: float | None = None  # the largest difference that counts as none, in the metric's unit


class AskedSeeds(msgspec.Struct, frozen=True, kw_only=True):
    """Seeds that were asked for at a time (UTC)."""

    seeds: list[int]
    at: str


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A key of the members' resolved configs in which they differ, with its value by member."""

    key: str
    values: dict[str, Any]


class Rung(msgspec.Struct, frozen=True, kw_only=True):
    """Where trials are judged: the share of the budget, how many go on, and the update if the share falls on one."""

    share: float | None = None
    keep: int | None = None
    updates: int | None = None


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """The validation of a trial at a rung; None if it was not a number."""

    update: int
    value: float | None = None


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A trial of a tuning.

    Attributes:
        values: of the tuned keys.
        status: finished, paused, diverged or failed; empty in studies of earlier versions.
        values_at: its validation at each rung that it reached.
        updates, seconds: what it took; None if unknown.
    """

    member: str
    seed: int | None = None
    values: dict[str, Any] = {}
    folder: str = ""
    status: str = ""
    values_at: list[Judgement] = []
    updates: int | None = None
    seconds: float | None = None


class Tuning(msgspec.Struct, frozen=True, kw_only=True):
    """How values were chosen for each member.

    Attributes:
        measure: the validation measure that trials were judged by: nll, bleu or chrf.
        seed: of the trials.
        warmups: so many warm-ups of the schedule, before which nothing was judged.
        factors: of the learning rate, tried first.
        extensions: the most rates tried beyond them.
        chosen: values by member.
        bases: the key of each member's config with the chosen values.
        at_edge: members whose rate is the lowest or the highest tried.
    """

    measure: str = "nll"
    seed: int | None = None
    rungs: list[Rung] = []
    warmups: float | None = None
    factors: list[float] | None = None
    extensions: int | None = None
    trials: list[Trial] = []
    chosen: dict[str, dict[str, Any]] = {}
    bases: dict[str, str] = {}
    at_edge: list[str] = []


class StudyDescription(msgspec.Struct, frozen=True, kw_only=True):
    """A study.

    Attributes:
        kind: comparison (of named members), sweep or search.
        data: the corpus's name.
        match: what models were made equal in: none, parameters or flops.
        match_to: to which member.
        search: its space and sampler; None if it is no search.
        length_edges: the last lengths of the report's buckets.
        seeds: of all runs.
        asked_seeds: which were asked for and when, the earliest first.
        budget: of each run, as in the config.
        trained_length: words of the longest source sentence that was trained on.
        config_difference: None in studies of earlier versions.
        runs: none in studies of earlier versions, whose folders are named by member and seed.
    """

    format: int = FORMAT
    name: str = ""
    created: str | None = None
    kind: str = "comparison"
    question: str | None = None
    protocol: Protocol | None = None
    data: str = ""
    match: str = "none"
    match_to: str | None = None
    tuning: Tuning | None = None
    search: dict[str, Any] | None = None
    length_edges: list[int] | None = None
    members: list[Member] = []
    seeds: list[int] = []
    asked_seeds: list[AskedSeeds] = []
    budget: dict[str, Any] = {}
    trained_length: int | None = None
    config_difference: list[Difference] | None = None
    runs: list[RunPlace] = []

    @property
    def planned(self) -> Protocol:
        """The protocol; an empty one if none was written."""
        return self.protocol or Protocol()


def read_description(folder: Path) -> StudyDescription:
    """The description of a study's folder; the rest as for `description_of`.

    Raises:
        FileNotFoundError: without study.json.
    """
    path = folder / STUDY
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; give the folder of a study")
    try:
        values = read_object(path)
    except ValueError as error:
        raise ValueError(f"{error}; {MEND}") from None
    return description_of(values, path)


def description_of(values: Mapping[str, Any], path: Path) -> StudyDescription:
    """The description that plain values stand for.

    Raises:
        ValueError: for another format or structure.
    """
    if values.get("format") != FORMAT:
        raise ValueError(f"{path}: format is {values.get('format')!r}; this version reads {FORMAT}")
    known = {key: value for key, value in values.items() if value is not None}
    try:
        if known.get("tuning"):
            known["tuning"] = upgraded(known["tuning"])
        description = msgspec.convert(known, StudyDescription)
        if (metric := description.planned.metric) not in (None, *METRICS):
            raise msgspec.ValidationError(f"its metric is {metric!r}")
    except (msgspec.ValidationError, KeyError, TypeError, AttributeError) as error:  # the others: of earlier versions
        raise ValueError(f"{path} is no description of a study ({error}); {MEND}") from None
    return description


def write_description(folder: Path, description: StudyDescription) -> None:
    """Write study.json."""
    write_object(folder / STUDY, msgspec.to_builtins(description))


def upgraded(tuning: Mapping[str, Any]) -> dict[str, Any]:
    """The tuning in study.json, in the present form; earlier versions tuned only the rate, in short trials."""
    if SHORT_TRIALS not in tuning:
        return dict(tuning)
    rates, updates = tuning[SHORT_TRIALS], tuning.get("updates")
    trials = [
        {
            "member": trial["member"],
            "values": {RATE: trial["learning_rate"]},
            "values_at": [{"update": updates or 0, "value": trial.get("nll")}],
            "updates": updates,
        }
        for trial in tuning.get("trials", [])
    ]
    chosen = {name: {RATE: rate} for name, rate in tuning.get("chosen", {}).items() if rate is not None}
    at_edge = [name for name, of in chosen.items() if len(rates) > 1 and of[RATE] in (min(rates), max(rates))]
    return {
        "measure": "nll",
        "rungs": [{"share": None, "keep": 1, "updates": updates}],
        "trials": trials,
        "chosen": chosen,
        "at_edge": at_edge,
    }
