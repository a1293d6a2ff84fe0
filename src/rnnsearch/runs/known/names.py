"""The names by which runs are asked for: metrics, fields of records, choices of config groups, keys of configs."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, cast

from rnnsearch.config.config_dir import config_dir, groups
from rnnsearch.config.keys.table import TABLE
from rnnsearch.config.near_names import nearest
from rnnsearch.config.yaml_files import read_text, read_values
from rnnsearch.records.metrics import METRICS, Split
from rnnsearch.records.nested import flat
from rnnsearch.runs.known.listing import ABSENT, KnownRun

Read = Callable[[KnownRun], Any]
Kind = Literal["number", "text", "date", "any"]  # of a value; of a key's it is not known beforehand

_METRIC = re.compile(r"(?:(validation|test)\.)?(\w+)")
SPEED = "tokens_per_second"  # the metric of training
NUMBERS = (  # fields of a record
    *("updates", "tokens_seen", "seconds", "training_seconds", "parameters", "parameters_without_embeddings"),
    *("flops_per_token", "peak_memory_bytes", "skipped_updates"),
)


@dataclass(frozen=True)
class Name:
    """A name that can be asked for.

    Attributes:
        read: its value in a run; `ABSENT` where there is none.
        kind: of its values.
        lower_first: whether sorting begins with the smallest: not for metrics of which more is better.
    """

    name: str
    read: Read
    kind: Kind = "any"
    lower_first: bool = True


def _or_absent(read: Read) -> Read:
    def value(run: KnownRun) -> Any:
        return ABSENT if (value := read(run)) is None else value

    return value


def _recorded(key: str) -> Read:
    return _or_absent(lambda run: getattr(run.record, key))


FIELDS: Mapping[str, Name] = {
    name.name: name
    for name in (
        Name("run", lambda run: run.folder.name, "text"),
        Name("study", lambda run: run.study, "text"),
        Name("member", lambda run: run.member, "text"),
        Name("seed", _or_absent(lambda run: run.seed), "number"),
        Name("status", lambda run: run.status, "text"),
        Name("id", _or_absent(lambda run: run.record.id or None), "text"),
        Name("config_hash", _or_absent(lambda run: run.record.config_hash or None), "text"),
        Name("commit", _or_absent(lambda run: run.record.git and run.record.git.commit), "text"),
        Name("cpu", _or_absent(lambda run: run.record.hardware.get("cpu")), "text"),
        Name("tags", lambda run: run.record.tags, "text"),
        Name("note", lambda run: run.record.note, "text"),
        Name("error", lambda run: run.record.error and f"{run.record.error.type}: {run.record.error.message}", "text"),
        Name("started", _or_absent(lambda run: run.record.started), "date"),
        Name("ended", _or_absent(lambda run: run.record.ended), "date"),
        *(Name(key, _recorded(key), "number") for key in NUMBERS),
    )
}


def resolve(name: str, runs: Sequence[KnownRun]) -> Name:
    """What a name stands for.

    Args:
        name: ``bleu`` or ``test.bleu``, ``validation.bleu``, ``status``, ``model/context`` or ``model.cell``.
        runs: where keys are looked for that rnnsearch itself does not have.

    Raises:
        ValueError: for a name that nothing has, with those that are near.
    """
    if name in FIELDS:
        return FIELDS[name]
    if (match := _METRIC.fullmatch(name)) and match[2] in METRICS:
        return _metric(name, match[1], match[2])
    if name in groups(config_dir()):
        return Name(name, lambda run: choice(run, name), "text")
    key = Name(name, lambda run: run.config_value(name))
    if name in TABLE["train"] or any(key.read(run) is not ABSENT for run in runs):
        return key
    near = nearest(name, known_names())
    meant = f"did you mean {' or '.join(near)}?" if near else "`rnnsearch runs --help` says what runs are asked for by"
    raise ValueError(f"no run has {name}; {meant}")


def known_names() -> Iterable[str]:
    """Every name that rnnsearch itself has."""
    yield from (*METRICS, *(f"{split}.{name}" for split in ("test", "validation") for name in METRICS if name != SPEED))
    yield from (*FIELDS, *groups(config_dir()), *TABLE["train"])


def _metric(name: str, split: str | None, key: str) -> Name:
    metric = METRICS[key]
    place = cast(Split, "training" if key == SPEED else split or "test")
    return Name(name, _or_absent(lambda run: metric.of(run.record, place)), "number", lower_first=not metric.higher)


def choice(run: KnownRun, group: str) -> Any:
    """The option of a config group that a run was trained with: named by its words, else told by what it constructs."""
    named = run.overridden.get(group, run.overridden.get(f"{group}@{group.replace('/', '.')}"))
    if isinstance(named, str | list):
        return named
    if group == "data" and run.described and run.described.data:
        return run.described.data
    package = group.replace("/", ".")
    target = run.config_value(f"{package}._target_")
    options = {name: values for name, values in _options(group).items() if values.get("_target_") == target}
    if len(options) > 1:  # of one class: the one whose plain values it has
        has = {name: {key: run.config_value(f"{package}.{key}") for key in values} for name, values in options.items()}
        options = {name: values for name, values in options.items() if has[name] == values}
    return next(iter(options)) if len(options) == 1 else ABSENT


@cache
def _options(group: str) -> Mapping[str, Mapping[str, Any]]:
    """The options of a group, each with its plain values by dotted key: without those that refer to others."""
    files = {path.stem: path for path in sorted((config_dir() / group).glob("*.yaml"))}
    return {
        name: {
            key: value
            for key, value in flat(read_values(path, read_text(path), group.replace("/", "."))).items()
            if not (key.startswith("defaults") or (isinstance(value, str) and "${" in value))
        }
        for name, path in files.items()
    }
