"""What members cost: size, speed and budget of a run, and what all runs and trials took together."""

from collections.abc import Callable, Sequence
from statistics import fmean

from rnnsearch.records.run_record import Record
from rnnsearch.records.study_description import Trial
from rnnsearch.study import tuning
from rnnsearch.study.folder import Study
from rnnsearch.study.tables import NOTHING, Table, count, duration, mebibytes, number, oriented, seeds_text

Show = Callable[[float | None], str]


def table(study: Study) -> Table:
    """Size, speed and budget of each member, means over its compared seeds, with ratios to the baseline."""
    quantities: list[tuple[str, Callable[[Record], float | None], Show]] = [
        ("parameters", lambda record: record.parameters, count),
        ("… without embeddings", lambda record: record.parameters_without_embeddings, count),
        ("operations a token", lambda record: record.flops_per_token, _millions),
        ("updates", lambda record: record.updates, count),
        ("target tokens seen", lambda record: record.tokens_seen, count),
        ("training time", lambda record: record.trained_seconds, duration),
        ("tokens a second", lambda record: record.tokens_per_second, count),
        ("peak memory", lambda record: record.peak_memory_bytes, mebibytes),
    ]
    if any(run.record.dependent_steps for run in study.runs):  # records of earlier versions lack them
        quantities += [
            ("steps that wait, training", lambda record: record.dependent_steps.get("training"), _tenths),
            ("… translation", lambda record: record.dependent_steps.get("translation"), _tenths),
        ]
    rows = [
        _row(name, [_mean(study, member, read) for member in study.members], show) for name, read, show in quantities
    ]
    if tuning.chosen(study):
        chosen = [tuning.chosen_in_words(study, member) for member in study.members]
        rows.insert(3, (f"{tuning.names(study)}, tuned", *chosen))
    rows += _with_trials(study)
    caption = f"Size and cost of a run, means over {seeds_text(study.compared_seeds)}, ratios to {study.baseline}"
    return oriented(Table(caption, ("", *study.members), tuple(rows)), len(study.members))


def _with_trials(study: Study) -> list[tuple[str, ...]]:
    """The total cost of all runs and trials of a member; empty without trials, or where none recorded its cost."""
    trials = study.description.tuning.trials if study.description.tuning else []
    kinds: tuple[tuple[str, str, Callable[[Record], float | None], Show], ...] = (
        ("updates", "updates, all runs and trials", lambda record: record.updates, count),
        ("seconds", "training time, all runs and trials", lambda record: record.trained_seconds, duration),
    )
    rows = []
    for key, name, read, show in kinds:
        sums = [_sum(study, member, trials, key, read) for member in study.members]
        if trials and any(value is not None for value in sums):
            rows.append(_row(name, sums, show))
    return rows


def _sum(
    study: Study, member: str, trials: Sequence[Trial], key: str, read: Callable[[Record], float | None]
) -> float | None:
    """The sum over a member's runs, and those of its trials that are not runs; None where one lacks the value."""
    runs = [run for run in study.runs if run.member == member and run.record.is_there]
    own = {run.folder.name for run in runs}
    tried = [trial for trial in trials if trial.member == member and trial.folder not in own]
    values = [*(read(run.record) for run in runs), *(getattr(trial, key) for trial in tried)]
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) and known else None


def _row(name: str, values: Sequence[float | None], show: Show) -> tuple[str, ...]:
    base = values[0]
    ratios = [f"\n× {value / base:.3f}" if value is not None and base else "" for value in values[1:]]
    return (name, *(show(value) + ratio for value, ratio in zip(values, ["", *ratios], strict=True)))


def _mean(study: Study, member: str, read: Callable[[Record], float | None]) -> float | None:
    known = [value for run in study.compared(member) if (value := read(run.record)) is not None]
    return fmean(known) if known else None


def _tenths(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.1f}"


def _millions(value: float | None) -> str:
    return NOTHING if value is None else f"{number(value / 1e6)} M"
