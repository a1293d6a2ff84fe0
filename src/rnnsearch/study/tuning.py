"""How a study was tuned: its trials as a table and a figure, and whether a choice lies at an edge."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from rnnsearch.plots import tuning_curves
from rnnsearch.plots.style import value_text
from rnnsearch.plots.tuning_curves import Line, Panel
from rnnsearch.records.metrics import TITLES
from rnnsearch.records.study_description import RATE, Judgement, Rung, Trial, Tuning
from rnnsearch.study.blocks import Picture, Section
from rnnsearch.study.folder import Study
from rnnsearch.study.measures import short_keys
from rnnsearch.study.remarks import Remark, listed
from rnnsearch.study.tables import NOTHING, Table, count, duration, number

DIGITS = 4  # of a loss in the table


def chosen(study: Study) -> dict[str, dict[str, Any]]:
    """The chosen values by member; empty if nothing was tuned."""
    return _told(study).chosen


def names(study: Study) -> str:
    """The tuned keys in words."""
    return ", ".join(_short_names(chosen(study).values()))


def _short_names(values: Iterable[Mapping[str, Any]]) -> list[str]:
    keys = list(dict.fromkeys(key for one in values for key in one))
    return ["learning rate" if key == RATE else short for key, short in short_keys(keys).items()]


def chosen_in_words(study: Study, member: str) -> str:
    """A member's values in a table."""
    return ", ".join(map(value_text, chosen(study).get(member, {}).values())) or NOTHING


def section(study: Study) -> Section:
    """Loss against the tuned value at each rung, a panel a member, and the table of trials."""
    of_trials = table(study)
    if of_trials is None:
        return Section("Tuning")
    picture = _picture(study)
    return Section("Tuning", text=_rule(study), tables=(of_trials,), pictures=(picture,) if picture else ())


def table(study: Study) -> Table | None:
    """Every trial with its value at each rung, the chosen ones marked; None when nothing was tuned."""
    trials = _told(study).trials
    if not trials:
        return None
    keys = list(dict.fromkeys(key for trial in trials for key in trial.values))
    tried = _short_names(trial.values for trial in trials)
    steps, lasting = _told(study).rungs, any(trial.status for trial in trials)
    seeded = any(trial.seed is not None for trial in trials)
    header = (
        "member",
        *tried,
        *(("seed",) if seeded else ()),
        *map(_label, steps),
        *(("done", "") if lasting else ("",)),
    )
    rows = []
    for trial in trials:
        values = [_judged(_at(trial, place), step) for place, step in enumerate(steps)]
        took = f", {duration(trial.seconds)}" if trial.seconds is not None else ""
        done = [f"{count(trial.updates)} updates{took}\n{trial.status}"] if lasting else []
        cells = [value_text(trial.values[key]) if key in trial.values else NOTHING for key in keys]
        seed = [NOTHING if trial.seed is None else str(trial.seed)] if seeded else []
        rows.append((trial.member, *cells, *seed, *values, *done, "chosen" if _is_chosen(study, trial) else ""))
    caption = f"Trials: validation {_measure(study)} at each judgement"
    return Table(caption + ("; every member had the same ones" if _are_equal(trials) else ""), header, tuple(rows))


def _at(trial: Trial, place: int) -> Judgement | None:
    """What validation said of a trial at a rung, if it came that far."""
    return trial.values_at[place] if place < len(trial.values_at) else None


def _is_chosen(study: Study, trial: Trial) -> bool:
    return chosen(study).get(trial.member) == trial.values


def _label(step: Rung) -> str:
    """A rung's label in a legend."""
    share = [] if step.share is None else [f"{100 * step.share:.4g} % of the budget"]
    return ", ".join([*share, *([] if step.updates is None else [f"{step.updates:,} updates"])])


def _judged(at: Judgement | None, step: Rung) -> str:
    if at is None:
        return NOTHING
    return number(at.value, DIGITS) + ("" if at.update == step.updates else f"\nafter {at.update:,} updates")


def _are_equal(trials: Sequence[Trial]) -> bool:
    tried: dict[str, list[str]] = {}
    for trial in trials:
        tried.setdefault(trial.member, []).append(value_text(sorted(trial.values.items())))
    return len({tuple(sorted(values)) for values in tried.values()}) == 1


def at_edge(study: Study) -> list[Remark]:
    """Members whose chosen value is the lowest or highest tried: a better one may lie beyond."""
    edge, picked = _told(study).at_edge, chosen(study)
    if not edge:
        return []
    values = {member: dict(picked.get(member, {})) for member in edge}
    words = listed([f"{member} {', '.join(_shown(value) for value in values[member].values())}" for member in edge])
    text = f"{_subject(study)} at an end of those tried, so that a better one may lie beyond: {words}."
    return [Remark("doubt", "rate_at_edge", text, tuple(edge), values)]


def _subject(study: Study) -> str:
    name = names(study)
    return "Learning rates" if name == "learning rate" else f"Tuned values ({name})"


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else value_text(value)


def _told(study: Study) -> Tuning:
    return study.description.tuning or Tuning()


def _measure(study: Study) -> str:
    key = _told(study).measure
    return "loss, nats a token" if key == "nll" else TITLES[key]


def _rule(study: Study) -> tuple[str, ...]:
    tuning = _told(study)
    if not tuning.rungs or any(step.share is None for step in tuning.rungs):
        return ()
    steps = "; ".join(
        f"after {_label(step)}, the best {'one' if step.keep == 1 else step.keep} went on"
        for step in tuning.rungs
        if step.keep
    )
    seed = f" of seed {tuning.seed}" if tuning.seed is not None else ""
    warm = f", never before {tuning.warmups:g} warm-ups" if tuning.warmups else ""
    runs = {run.folder.name for run in study.runs}
    trials = tuning.trials
    are_runs = all(trial.folder in runs for trial in trials if _is_chosen(study, trial))
    survivor = " The one that was left is the run of that seed." if are_runs else ""
    return (
        f"Trials{seed} ran on the real schedule and were judged by validation's {_measure(study).split(',')[0]}{warm}: "
        f"{steps}.{survivor}{_cost([trial for trial in trials if trial.folder not in runs])}",
    )


def _cost(trials: Sequence[Trial]) -> str:
    """What the trials that are not runs cost; empty if one of them lacks its cost."""
    updates, seconds = [t.updates for t in trials], [t.seconds for t in trials]
    if not trials or None in updates or None in seconds:
        return ""
    time = duration(sum(value or 0.0 for value in seconds))
    return f" Those that are no runs took {sum(value or 0 for value in updates):,} updates and {time} in all."


def _picture(study: Study) -> Picture | None:
    """None if more than one key was tuned, or if its values are not all positive numbers."""
    trials, steps = _told(study).trials, _told(study).rungs
    keys = {key for trial in trials for key in trial.values}
    numbers = [value for trial in trials for value in trial.values.values()]
    if len(keys) != 1 or not all(_is_positive(value) for value in numbers) or len(set(numbers)) < 2:
        return None
    members = list(dict.fromkeys(trial.member for trial in trials))
    panels = [_panel(study, member, [trial for trial in trials if trial.member == member], steps) for member in members]
    if not any(line.places for panel in panels for line in panel.lines):
        return None
    name = names(study) or short_keys([*keys])[next(iter(keys))]
    quantity = f"validation {_measure(study)}"
    caption = (
        f"{quantity[0].upper()}{quantity[1:]}, of each trial against its {name}, at each judgement. A ring is the "
        "choice, a cross on the upper edge a trial that diverged."
    )
    logarithmic = _told(study).measure in ("nll", "perplexity")
    draw = partial(tuning_curves.by_value, panels, value=name, quantity=quantity, logarithmic=logarithmic)
    return Picture("tuning", caption, draw, wide=len(panels) > 2)


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _panel(study: Study, member: str, trials: Sequence[Trial], steps: Sequence[Rung]) -> Panel:
    def place(trial: Trial) -> float:
        return float(next(iter(trial.values.values())))

    lines = []
    for rung, step in enumerate(steps):
        judged = [(place(trial), at.value) for trial in trials if (at := _at(trial, rung)) is not None]
        points = sorted((x, y) for x, y in judged if y is not None)
        lines.append(Line(_label(step), tuple(x for x, _ in points), tuple(y for _, y in points)))
    diverged = tuple(place(trial) for trial in trials if trial.status in ("diverged", "failed"))
    best = next((place(trial) for trial in trials if _is_chosen(study, trial)), None)
    return Panel(member, tuple(lines), diverged, best)
