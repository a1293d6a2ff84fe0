"""Remarks on whether longer training would change what was found.

"Converged" is said only of runs that the rule of ``budget.until`` ended before their cap, and of those beside which the
study has runs of the same settings and seed with twice the budget or more, all of which moved the score by less than
`BOUND`, up or down. Of the longest of such runs nothing more is known than that.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rnnsearch.study.folder import Run, Study
from rnnsearch.study.measures import TITLES, compares, primary, settings
from rnnsearch.study.remarks import Remark, listed, members_of, named
from rnnsearch.study.tables import number, signed

BOUND = {"bleu": 0.5, "chrf": 0.5, "perplexity": 0.05}  # moved by twice the budget, in the unit of the measure
TWICE = 1.99  # times the updates: budgets in other units are rarely met to the update

Gains = Mapping[str, float]  # by the names of runs' folders


def remarks(study: Study, runs: Mapping[str, Sequence[Run]]) -> list[Remark]:
    """What is said of the compared runs of each member; nothing of trials and speeds."""
    if not compares(study):
        return []
    bound = BOUND.get(primary(study).key, 0.0)
    every = [run for of_member in runs.values() for run in of_member]
    scored, varied = [run for run in every if primary(study).of(run) is not None], settings(study)
    longer = {
        run.folder.name: others for run in scored if (others := [one for one in scored if _is_longer(varied, run, one)])
    }
    gains = {run.folder.name: _gain(study, run, longer[run.folder.name]) for run in scored if run.folder.name in longer}
    flat = {name for name, gain in gains.items() if abs(gain) < bound}
    longest = {other.folder.name for name in flat for other in longer[name] if other.folder.name not in longer}
    by_rule = {run.folder.name for run in every if run.record.get("converged")}
    capped = [run for run in every if run.record.get("converged") is False and run.folder.name not in flat]
    ended = by_rule | flat | longest
    told = [_capped(capped)] if capped else []
    if every and not capped and all(run.folder.name in ended for run in every):
        told.append(_converged(study, every, gains))
    elif open_ended := [run for run in every if run.folder.name not in ended and run not in capped]:
        told.append(_open_ended(study, open_ended, gains))
    return told


def _gain(study: Study, run: Run, longer: Sequence[Run]) -> float:
    """What longer training gained or lost, where that is most."""
    measure = primary(study)
    own, *others = (measure.better(measure.of(one) or 0.0) for one in (run, *longer))
    return max((value - own for value in others), key=abs)


def _is_longer(varied: Mapping[str, Mapping[str, Any]], run: Run, other: Run) -> bool:
    """Whether two runs differ in their budgets alone, and the other's is twice as large or more."""
    updates = [int(one.record.get("updates") or 0) for one in (run, other)]
    if run.seed != other.seed or run.member == other.member or not varied or not all(updates):
        return False
    kept = [
        {key: value for key, value in varied[one.member].items() if not key.startswith("budget.")}
        for one in (run, other)
    ]
    return kept[0] == kept[1] and updates[1] >= TWICE * updates[0]


def _capped(runs: Sequence[Run]) -> Remark:
    told = listed([f"{named(run)} (after {run.record.get('updates', 0):,} updates)" for run in runs])
    text = (
        f"Not converged: the cap of the budget came before validation stopped getting better for {told}; raise it, and "
        "ckpt=last goes on with them."
    )
    values = {"runs": [_values(run) for run in runs]}
    return Remark("doubt", "not_converged", text, members_of(runs), values)


def _converged(study: Study, runs: Sequence[Run], gains: Gains) -> Remark:
    by_rule = [run for run in runs if run.record.get("converged")]
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
        told = listed([f"{named(run)} {signed(gains[run.folder.name])}" for run in known])
        bound = number(BOUND.get(primary(study).key, 0.0))
        text = f"Not converged: twice the budget or more moved the score by {bound} {_name(study)} or more ({told})."
    return Remark("note", "not_converged", text, members_of(runs), {"runs": [_values(run, gains) for run in runs]})


def _name(study: Study) -> str:
    return TITLES.get(primary(study).key, primary(study).key)


def _span(runs: Sequence[Run]) -> str:
    updates = sorted(int(run.record.get("updates") or 0) for run in runs)
    return f"{updates[0]:,}" if updates[0] == updates[-1] else f"{updates[0]:,} to {updates[-1]:,}"


def _values(run: Run, gains: Gains | None = None) -> dict[str, object]:
    told = {str(key): run.record[key] for key in ("updates", "converged", "decay_from") if key in run.record}
    gained = (gains or {}).get(run.folder.name)
    return {"member": run.member, "seed": run.seed, **told, **({} if gained is None else {"gain_of_twice": gained})}
