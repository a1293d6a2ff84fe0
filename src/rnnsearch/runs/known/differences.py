"""What two runs differ in: config, data, versions, hardware, results, side by side; equal parts are only counted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnnsearch.config.identity import AROUND
from rnnsearch.config.keys.roles import UNCOUNTED, within
from rnnsearch.records.nested import flat
from rnnsearch.records.run_record import RECORD
from rnnsearch.records.study_description import STUDY, read_description
from rnnsearch.runs.known.listing import KnownRun, read_run

NOT_COMPARED = (*AROUND, "hydra")  # keys that say where, how long and why it was trained
PARTS = ("config", "data", "versions", "hardware", "results")
RESULTS = ("parameters", "flops_per_token", "updates", "tokens_seen", "training_seconds", "tokens_per_second")
UNSPLIT = ("by_length", "alignment", "attention")  # of metrics: tables, whose figures are told elsewhere


@dataclass(frozen=True)
class Difference:
    """A key with its values in both runs; None where a run has none."""

    part: str
    key: str
    values: tuple[Any, Any]


@dataclass(frozen=True)
class Differences:
    """What two runs differ in.

    Attributes:
        runs: both.
        differing: by parts, in the order of `PARTS`.
        compared: part -> how many keys were looked at.
        notes: sentences on what could not be compared.
    """

    runs: tuple[KnownRun, KnownRun]
    differing: tuple[Difference, ...]
    compared: Mapping[str, int]
    notes: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """What is equal, and what could not be compared, in words."""
        unlike = {part: sum(one.part == part for one in self.differing) for part in PARTS}
        equal = [f"{part} ({count:,})" for part, count in self.compared.items() if count and not unlike[part]]
        counts = [(part, count, unlike[part]) for part, count in self.compared.items() if unlike[part]]
        partly = [f"{count - differing:,} of {count:,} of {part}" for part, count, differing in counts]
        none = [part for part, count in self.compared.items() if not count]
        sentences = [f"equal: {', '.join((*equal, *partly)) or 'nothing'}"]
        sentences += [f"neither run says anything of its {' and '.join(none)}"] if none else []
        return "; ".join((*sentences, *self.notes))


def differences(first: Path, second: Path) -> Differences:
    """Compare two runs' folders.

    Raises:
        FileNotFoundError, ValueError: if one of them is no run's, or damaged.
    """
    runs = (_read(first), _read(second))
    has_config = [run.has_config for run in runs]
    both = tuple(dict(_parts(run, with_config=all(has_config))) for run in runs)
    differing, compared = [], {}
    for part in PARTS:
        one, other = (of_run[part] for of_run in both)
        keys = list(dict.fromkeys((*one, *other)))
        compared[part] = len(keys)
        values = ((key, one.get(key, UNCOUNTED.get(key)), other.get(key, UNCOUNTED.get(key))) for key in keys)
        differing += [Difference(part, key, (was, now)) for key, was, now in values if was != now]
    left = [str(run.folder) for run, has in zip(runs, has_config, strict=True) if not has]
    note = f"{' and '.join(left)} left no config.yaml, so that of the config only what was asked for is compared"
    return Differences(runs, tuple(differing), compared, (note,) if left else ())


def _read(folder: Path) -> KnownRun:
    if not (folder / RECORD).is_file():
        raise FileNotFoundError(
            f"diff: {folder} holds no {RECORD}, so it is not a run's folder; give two that train made"
        )
    described = read_description(folder.parent) if (folder.parent / STUDY).is_file() else None
    run = read_run(folder, described)
    if run.damage:
        raise ValueError(run.damage)
    return run


def _parts(run: KnownRun, *, with_config: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    record = run.record
    asked = run.config() if with_config else {key: run.config_value(key) for key in sorted(run.asked_keys)}
    yield "config", {key: value for key, value in asked.items() if not within(key.replace("/", "."), NOT_COMPARED)}
    tokenizer = {f"tokenizer.{side}": checksum for side, checksum in record.tokenizer.checksums.items()}
    yield "data", {**_known(record.data), **tokenizer, **flat(record.filters, "filters.")}
    git = {} if record.git is None else {"commit": record.git.commit, "uncommitted changes": record.git.dirty}
    yield "versions", {**record.versions, **git, **flat(record.code, "code.")}
    yield "hardware", flat(record.hardware)
    yield "results", dict(_results(run))


def _known(part: Any) -> dict[str, Any]:
    """The fields of a part of a record that say something."""
    values = {name: getattr(part, name) for name in part.__struct_fields__}
    return {key: value for key, value in flat(values).items() if value not in (None, "", {})}


def _results(run: KnownRun) -> Iterator[tuple[str, Any]]:
    metrics = run.record.results.metrics
    yield "status", run.status
    for split, scores in (("test", metrics.test), ("validation", metrics.validation)):
        yield from ((f"{split}.{key}", value) for key, value in scores.items() if key not in UNSPLIT)
    for key in RESULTS:
        if (value := getattr(run.record, key)) is not None:
            yield key, value
    if run.record.results.weights_sha256:
        yield "weights_sha256", run.record.results.weights_sha256
