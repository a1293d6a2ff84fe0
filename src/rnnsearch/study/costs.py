"""What members cost: size, speed and budget of a run, and what all runs and trials took together."""

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

from rnnsearch.study import tuning
from rnnsearch.study.folder import Study
from rnnsearch.study.tables import NOTHING, Table, count, duration, number, oriented, seeds_text

Show = Callable[[float | None], str]


def table(study: Study) -> Table:
    """Size, speed and budget of each member, means over its compared seeds, with ratios to the baseline."""
    quantities: list[tuple[str, Callable[[Mapping[str, Any]], float | None], Show]] = [
        ("parameters", lambda record: record.get("parameters"), count),
        ("… without embeddings", lambda record: record.get("parameters_without_embeddings"), count),
        ("operations a token", lambda record: record.get("flops_per_token"), _millions),
        ("updates", lambda record: record.get("updates"), count),
        ("target tokens seen", lambda record: record.get("tokens_seen"), count),
        ("training time", _seconds, duration),
        ("tokens a second", lambda record: record.get("tokens_per_second"), count),
        ("peak memory", lambda record: record.get("peak_memory_bytes"), _mebibytes),
    ]
    rows = [
        _row(name, [_mean(study, member, read) for member in study.members], show) for name, read, show in quantities
    ]
    if tuning.chosen(study):
        told = [tuning.chosen_in_words(study, member) for member in study.members]
        rows.insert(3, (f"{tuning.names(study)}, tuned", *told))
    rows += _with_trials(study)
    caption = f"Size and cost of a run, means over {seeds_text(study.compared_seeds)}, ratios to {study.baseline}"
    return oriented(Table(caption, ("", *study.members), tuple(rows)), len(study.members))


def _with_trials(study: Study) -> list[tuple[str, ...]]:
    """What all runs of a member took, its trials counted, in sum; nothing where there were no trials, or none says."""
    trials = tuning.trials(study)
    kinds: tuple[tuple[str, str, Callable[[Mapping[str, Any]], float | None], Show], ...] = (
        ("updates", "updates, all runs and trials", lambda record: record.get("updates"), count),
        ("seconds", "training time, all runs and trials", _seconds, duration),
    )
    found = []
    for key, name, read, show in kinds:
        sums = [_sum(study, member, trials, key, read) for member in study.members]
        if trials and any(value is not None for value in sums):
            found.append(_row(name, sums, show))
    return found


def _sum(
    study: Study,
    member: str,
    trials: Sequence[tuning.Trial],
    key: str,
    read: Callable[[Mapping[str, Any]], float | None],
) -> float | None:
    """Over a member's runs and over those of its trials that are no runs; None where one does not say it."""
    runs = [run for run in study.runs if run.member == member and run.record]
    own = {run.folder.name for run in runs}
    tried = [trial for trial in trials if trial.member == member and trial.folder not in own]
    values = [*(read(run.record) for run in runs), *(getattr(trial, key) for trial in tried)]
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) and known else None


def _row(name: str, values: Sequence[float | None], show: Show) -> tuple[str, ...]:
    base = values[0]
    ratios = [f"\n× {value / base:.3f}" if value is not None and base else "" for value in values[1:]]
    return (name, *(show(value) + ratio for value, ratio in zip(values, ["", *ratios], strict=True)))


def _mean(study: Study, member: str, read: Callable[[Mapping[str, Any]], float | None]) -> float | None:
    known = [value for run in study.compared(member) if (value := read(run.record)) is not None]
    return fmean(known) if known else None


def _seconds(record: Mapping[str, Any]) -> float | None:
    seconds: float | None = record.get("training_seconds", record.get("seconds"))
    return seconds


def _millions(value: float | None) -> str:
    return NOTHING if value is None else f"{number(value / 1e6)} M"


def _mebibytes(value: float | None) -> str:
    return NOTHING if value is None else f"{number(value / 2**20, 0)} MiB"
