"""Remarks on whether longer training would change the findings.

A run counts as converged only if the rule of ``budget.until`` ended it before its cap, or if the study has runs of the
same settings and seed with twice the budget or more, all of which moved the score by less than `BOUND`, up or down.
The longest of such runs is only known to be the longest.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rnnsearch.records.metrics import TITLES
from rnnsearch.study.folder import Run, Study
from rnnsearch.study.measures import compares, primary, settings
from rnnsearch.study.remarks import Remark, listed, members_of, named
from rnnsearch.study.tables import number, signed

BOUND = {"bleu": 0.5, "chrf": 0.5, "perplexity": 0.05}  # the change by twice the budget, in the unit of the measure
TWICE = 1.99  # times the updates: budgets in other units are rarely met to the update

Gains = Mapping[str, float]  # by the names of runs' folders


def remarks(study: Study, runs: Mapping[str, Sequence[Run]]) -> list[Remark]:
    """Remarks on the compared runs of each member; none for trials and speeds."""
    if not compares(study):
        return []
    bound = BOUND.get(primary(study).key, 0.0)
    all_runs = [run for of_member in runs.values() for run in of_member]
    scored, varied = [run for run in all_runs if primary(study).of(run) is not None], settings(study)
    longer = {
        run.folder.name: others
        for run in scored
        if (others := [other for other in scored if _is_longer(varied, run, other)])
    }
    gains = {run.folder.name: _gain(study, run, longer[run.folder.name]) for run in scored if run.folder.name in longer}
    flat = {name for name, gain in gains.items() if abs(gain) < bound}
    longest = {other.folder.name for name in flat for other in longer[name] if other.folder.name not in longer}
    by_rule = {run.folder.name for run in all_runs if run.record.converged}
    capped = [run for run in all_runs if run.record.converged is False and run.folder.name not in flat]
    ended = by_rule | flat | longest
    collected = [_capped(capped)] if capped else []
    if all_runs and not capped and all(run.folder.name in ended for run in all_runs):
        collected.append(_converged(study, all_runs, gains))
    elif open_ended := [run for run in all_runs if run.folder.name not in ended and run not in capped]:
        collected.append(_open_ended(study, open_ended, gains))
    return collected


def _gain(study: Study, run: Run, longer: Sequence[Run]) -> float:
    """The largest gain or loss by longer training."""
    measure = primary(study)
    own, *others = (measure.better(measure.of(each) or 0.0) for each in (run, *longer))
    return max((value - own for value in others), key=abs)


def _is_longer(varied: Mapping[str, Mapping[str, Any]], run: Run, other: Run) -> bool:
    """Whether two runs differ only in their budgets, and the other's is at least twice as large."""
    updates = [(each.record.updates or 0) for each in (run, other)]
    if run.seed != other.seed or run.member == other.member or not varied or not all(updates):
        return False
    other_settings = [
        {key: value for key, value in varied[each.member].items() if not key.startswith("budget.")}
        for each in (run, other)
    ]
    return other_settings[0] == other_settings[1] and updates[1] >= TWICE * updates[0]


def _capped(runs: Sequence[Run]) -> Remark:
    listing = listed([f"{named(run)} (after {run.record.updates or 0:,} updates)" for run in runs])
    text = (
        f"Not converged: the cap of the budget came before validation stopped getting better for {listing}; raise it, "
        "and ckpt=last goes on with them."
    )
    values = {"runs": [_values(run) for run in runs]}
    return Remark("doubt", "not_converged", text, members_of(runs), values)


def _converged(study: Study, runs: Sequence[Run], gains: Gains) -> Remark:
    by_rule = [run for run in runs if run.record.converged]
    ways = []
    if by_rule:
        ways.append(f"validation had stopped getting better before the cap of the budget ({_span(by_rule)} updates)")
    if len(by_rule) < len(runs):
        most = max(gains.values(), key=abs)
        ways.append(f"twice the budget or more moved none by more than {signed(most)} {_name(study)}")
    subject = "Every run converged" + (", or is the longest of its kind" if len(by_rule) < len(runs) else "")
    values = {"runs": [_values(run, gains) for run in runs]}
    return Remark("note", "converged", f"{subject}: {', and '.join(ways)}.", members_of(runs), values)


def _open_ended(study: Study, runs: Sequence[Run], gains: Gains) -> Remark:
    known = [run for run in runs if run.folder.name in gains]
    text = (
        "Trained for a set budget: nothing here shows that longer training would leave the difference as it is. "
        "budget.until=converged trains until validation gets no better."
    )
    if known:
        listing = listed([f"{named(run)} {signed(gains[run.folder.name])}" for run in known])
        bound = number(BOUND.get(primary(study).key, 0.0))
        text = f"Not converged: twice the budget or more moved the score by {bound} {_name(study)} or more ({listing})."
    return Remark("note", "not_converged", text, members_of(runs), {"runs": [_values(run, gains) for run in runs]})


def _name(study: Study) -> str:
    return TITLES[primary(study).key]


def _span(runs: Sequence[Run]) -> str:
    updates = sorted((run.record.updates or 0) for run in runs)
    return f"{updates[0]:,}" if updates[0] == updates[-1] else f"{updates[0]:,} to {updates[-1]:,}"


def _values(run: Run, gains: Gains | None = None) -> dict[str, object]:
    values = {key: getattr(run.record, key) for key in ("updates", "converged", "decay_from")}
    known = {key: value for key, value in values.items() if value is not None}
    gained = (gains or {}).get(run.folder.name)
    return {"member": run.member, "seed": run.seed, **known, **({} if gained is None else {"gain_of_twice": gained})}
