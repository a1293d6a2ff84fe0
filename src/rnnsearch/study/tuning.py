"""How a study was tuned: its trials as data, as a table and as a figure; and whether a choice lies at an edge.

Studies of earlier versions tried learning rates over short trials of their own (``learning_rates``); later ones try
values of any keys on the real schedule, which pause at rungs and go on where they are among the better.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from rnnsearch.study import tuning_figures
from rnnsearch.study.blocks import Picture, Section
from rnnsearch.study.folder import Study
from rnnsearch.study.measures import TITLES, short_keys
from rnnsearch.study.remarks import Remark, listed
from rnnsearch.study.tables import NOTHING, Table, count, duration, number, plain
from rnnsearch.study.tuning_figures import Line, Panel

RATE = "optimizer.lr"
DIGITS = 4  # of a loss in the table


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial.

    Attributes:
        values: of the tuned keys.
        curve: (updates, value) of each judgement.
        updates, seconds: what it took; None where that is not known.
    """

    member: str
    values: Mapping[str, Any]
    folder: str
    status: str  # finished | paused | diverged | failed; of earlier versions nothing
    curve: tuple[tuple[int, float | None], ...]
    updates: int | None
    seconds: float | None
    is_chosen: bool

    def at(self, place: int) -> tuple[int, float | None] | None:
        """Updates and value at a judgement, if the trial came that far."""
        return self.curve[place] if place < len(self.curve) else None


@dataclass(frozen=True, slots=True)
class Rung:
    """A judgement of the trials, after a share of the budget; after as many updates, where that is one number."""

    updates: int | None
    share: float | None

    @property
    def label(self) -> str:
        """As a legend says it."""
        share = [] if self.share is None else [f"{100 * self.share:.4g} % of the budget"]
        return ", ".join([*share, *([] if self.updates is None else [f"{self.updates:,} updates"])])


def trials(study: Study) -> list[Trial]:
    """Every trial, in the order of the description."""
    told = _told(study)
    return [_trial(one, told, chosen(study)) for one in told.get("trials") or []]


def chosen(study: Study) -> dict[str, Mapping[str, Any]]:
    """The chosen values by member; empty where nothing was tuned."""
    found = _told(study).get("chosen") or {}
    return {
        str(member): value if isinstance(value, Mapping) else {RATE: value}
        for member, value in found.items()
        if value is not None
    }


def names(study: Study) -> str:
    """The tuned keys in words."""
    keys = list(dict.fromkeys(key for values in chosen(study).values() for key in values))
    return ", ".join("learning rate" if key == RATE else short for key, short in short_keys(keys).items())


def chosen_in_words(study: Study, member: str) -> str:
    """A member's values in a table."""
    return ", ".join(map(plain, chosen(study).get(member, {}).values())) or NOTHING


def section(study: Study) -> Section:
    """Loss against the tuned value at each rung, a panel a member, and the table of trials."""
    made = table(study)
    if made is None:
        return Section("Tuning")
    picture = _picture(study)
    return Section("Tuning", text=_rule(study), tables=(made,), pictures=(picture,) if picture else ())


def table(study: Study) -> Table | None:
    """Every trial with its value at each rung, the chosen ones marked; None when nothing was tuned."""
    found = trials(study)
    if not found:
        return None
    keys = list(dict.fromkeys(key for trial in found for key in trial.values))
    others = _others(study)
    tried = ["learning rate" if key == RATE else short for key, short in short_keys(keys).items()]
    steps, lasting = rungs(study), any(trial.status for trial in found)
    header = ("member", *tried, *others, *(step.label for step in steps), *(("done", "") if lasting else ("",)))
    rows = []
    for trial, told in zip(found, _told(study)["trials"], strict=True):
        values = [_judged(trial.at(place), step) for place, step in enumerate(steps)]
        took = f", {duration(trial.seconds)}" if trial.seconds is not None else ""
        done = [f"{count(trial.updates)} updates{took}\n{trial.status}"] if lasting else []
        shown = [plain(trial.values[key]) if key in trial.values else NOTHING for key in keys]
        more = [plain(told.get(key)) for key in others]
        rows.append((trial.member, *shown, *more, *values, *done, "chosen" if trial.is_chosen else ""))
    caption = f"Trials: validation {_measure(study)} at each judgement"
    return Table(caption + ("; every member had the same ones" if _are_equal(found) else ""), header, tuple(rows))


def _judged(found: tuple[int, float | None] | None, step: Rung) -> str:
    if found is None:
        return NOTHING
    after, value = found
    return number(value, DIGITS) + ("" if after == step.updates else f"\nafter {after:,} updates")


def _are_equal(found: Sequence[Trial]) -> bool:
    tried: dict[str, list[str]] = {}
    for trial in found:
        tried.setdefault(trial.member, []).append(plain(sorted(trial.values.items())))
    return len({tuple(sorted(values)) for values in tried.values()}) == 1


def rungs(study: Study) -> list[Rung]:
    """When the trials were judged."""
    told = _told(study)
    return [Rung(_whole(one.get("updates")), one.get("share")) for one in told.get("rungs") or [told]]


def at_edge(study: Study) -> list[Remark]:
    """Members whose chosen value is the lowest or highest tried: a better one may lie beyond."""
    told, picked = _told(study), chosen(study)
    rates = told.get("learning_rates") or []
    edge = [member for member, value in picked.items() if len(rates) > 1 and value[RATE] in (min(rates), max(rates))]
    edge = [str(member) for member in told.get("at_edge") or []] or edge
    if not edge:
        return []
    values = {member: dict(picked.get(member, {})) for member in edge}
    shown = listed([f"{member} {', '.join(_shown(value) for value in values[member].values())}" for member in edge])
    capped = "; they were extended as far as the tuning may go" if told.get("capped") else ""
    text = f"{_subject(study)} at an end of those tried{capped}, so that a better one may lie beyond: {shown}."
    return [Remark("doubt", "rate_at_edge", text, tuple(edge), values)]


def _subject(study: Study) -> str:
    name = names(study)
    return "Learning rates" if name == "learning rate" else f"Tuned values ({name})"


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else plain(value)


def _told(study: Study) -> Mapping[str, Any]:
    found: Mapping[str, Any] = study.description.get("tuning") or {}
    return found


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def _trial(one: Mapping[str, Any], told: Mapping[str, Any], picked: Mapping[str, Mapping[str, Any]]) -> Trial:
    member, is_old = str(one["member"]), "learning_rate" in one
    values = {RATE: one["learning_rate"]} if is_old else dict(one["values"])
    only = {"update": told.get("updates") or 0, "value": one.get("nll")}
    points: Sequence[Mapping[str, Any]] = [only] if is_old else one.get("values_at") or []
    return Trial(
        member=member,
        values=values,
        folder=str(one.get("folder") or ""),
        status=str(one.get("status") or ""),
        curve=tuple((int(point["update"]), point["value"]) for point in points),
        updates=_whole((told if is_old else one).get("updates")),
        seconds=one.get("seconds"),
        is_chosen=picked.get(member) == values,
    )


def _others(study: Study) -> list[str]:
    """What trials of earlier versions say besides."""
    known = ("member", "learning_rate", "nll", "values", "folder", "status", "values_at", "updates", "seconds")
    return list(dict.fromkeys(key for one in _told(study)["trials"] for key in one if key not in known))


def _measure(study: Study) -> str:
    key = str(_told(study).get("measure") or "nll")
    return "loss, nats a token" if key == "nll" else TITLES.get(key, key)


def _rule(study: Study) -> tuple[str, ...]:
    told = _told(study)
    if not told.get("rungs") or any(one.get("share") is None for one in told["rungs"]):
        return ()
    steps = "; ".join(
        f"after {step.label}, the best {'one' if one['keep'] == 1 else one['keep']} went on"
        for step, one in zip(rungs(study), told["rungs"], strict=True)
        if one.get("keep")
    )
    seed = f" of seed {told['seed']}" if told.get("seed") is not None else ""
    warm = f", never before {told['warmups']:g} warm-ups" if told.get("warmups") else ""
    runs = {run.folder.name for run in study.runs}
    every = trials(study)
    kept = " The one that was left is the run of that seed." * all(t.folder in runs for t in every if t.is_chosen)
    return (
        f"Trials{seed} ran on the real schedule and were judged by validation's {_measure(study).split(',')[0]}{warm}: "
        f"{steps}.{kept}{_cost([trial for trial in every if trial.folder not in runs])}",
    )


def _cost(trials: Sequence[Trial]) -> str:
    """What trials took that are no runs; nothing where one of them does not say it."""
    updates, seconds = [t.updates for t in trials], [t.seconds for t in trials]
    if not trials or None in updates or None in seconds:
        return ""
    time = duration(sum(one or 0.0 for one in seconds))
    return f" Those that are no runs took {sum(one or 0 for one in updates):,} updates and {time} in all."


def _picture(study: Study) -> Picture | None:
    """None where more than one key was tuned, or its values are no positive numbers."""
    found = trials(study)
    keys = {key for trial in found for key in trial.values}
    numbers = [value for trial in found for value in trial.values.values()]
    if len(keys) != 1 or not all(_is_positive(value) for value in numbers) or len(set(numbers)) < 2:
        return None
    members = list(dict.fromkeys(trial.member for trial in found))
    panels = [_panel(member, [trial for trial in found if trial.member == member], rungs(study)) for member in members]
    if not any(line.places for panel in panels for line in panel.lines):
        return None
    name = names(study) or short_keys([*keys])[next(iter(keys))]
    quantity = f"validation {_measure(study)}"
    caption = (
        f"{quantity[0].upper()}{quantity[1:]}, of each trial against its {name}, at each judgement. A ring is the "
        "choice, a cross on the upper edge a trial that diverged."
    )
    logarithmic = str(_told(study).get("measure") or "nll") in ("nll", "perplexity")
    draw = partial(tuning_figures.by_value, panels, value=name, quantity=quantity, logarithmic=logarithmic)
    return Picture("tuning", caption, draw, wide=len(panels) > 2)


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _panel(member: str, found: Sequence[Trial], steps: Sequence[Rung]) -> Panel:
    def place(trial: Trial) -> float:
        return float(next(iter(trial.values.values())))

    lines = []
    for rung, step in enumerate(steps):
        judged = [(place(trial), at[1]) for trial in found if (at := trial.at(rung)) is not None]
        points = sorted((x, y) for x, y in judged if y is not None)
        lines.append(Line(step.label, tuple(x for x, _ in points), tuple(y for _, y in points)))
    diverged = tuple(place(trial) for trial in found if trial.status in ("diverged", "failed"))
    best = next((place(trial) for trial in found if trial.is_chosen), None)
    return Panel(member, tuple(lines), diverged, best)
