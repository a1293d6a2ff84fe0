"""Remarks on whether longer training would change what was found.

"Converged" is said only of runs that the rule of ``budget.until`` ended before their cap, and of those beside which the
study has a run of the same settings and seed with twice the budget that gained less than `BOUND`; then of both.
"""

from collections.abc import Mapping, Sequence

from rnnsearch.study.folder import Run, Study
from rnnsearch.study.measures import TITLES, primary, settings
from rnnsearch.study.remarks import Remark, listed, members_of, named
from rnnsearch.study.tables import number, signed

BOUND = {"bleu": 0.5, "chrf": 0.5, "perplexity": 0.05}  # gained by twice the budget, in the unit of the measure
TWICE = 1.99  # times the updates: budgets in other units are rarely met to the update


def remarks(study: Study, runs: Mapping[str, Sequence[Run]]) -> list[Remark]:
    """What is said of the compared runs of each member."""
    every = [run for of_member in runs.values() for run in of_member]
    ruled = [run for run in every if "converged" in run.record]
    capped = [run for run in ruled if not run.record["converged"]]
    gains = doubled(study, every)
    enough = _enough(study, gains)
    ended = [run for run in every if run.record.get("converged") or run.folder.name in enough]
    found = [_capped(capped)] if capped else []
    if every and len(ended) == len(every):
        found.append(_converged(study, ended, gains))
    elif open_ended := [run for run in every if run not in ended and run not in capped]:
        found.append(_open_ended(study, open_ended, gains))
    return found


def doubled(study: Study, runs: Sequence[Run]) -> dict[str, tuple[str, float]]:
    """A run of twice the budget and what it gained, by the names of the runs' folders, where the study has both."""
    measure, gains = primary(study), {}
    for run in runs:
        own = measure.of(run)
        for other in runs:
            longer = measure.of(other)
            if own is not None and longer is not None and _is_twice(study, run, other):
                gains[run.folder.name] = other.folder.name, measure.better(longer) - measure.better(own)
    return gains


def _enough(study: Study, gains: Mapping[str, tuple[str, float]]) -> set[str]:
    """Runs over which twice the budget gained less than the bound, and those that had it."""
    bound = BOUND.get(primary(study).key, 0.0)
    flat = {run: other for run, (other, gain) in gains.items() if gain < bound}
    return {*flat, *(other for other in flat.values() if other not in gains)}


def _is_twice(study: Study, run: Run, other: Run) -> bool:
    """Whether two runs differ in their budgets alone, and the other's is twice as large."""
    varied, updates = settings(study), [int(one.record.get("updates") or 0) for one in (run, other)]
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


def _converged(study: Study, runs: Sequence[Run], gains: Mapping[str, tuple[str, float]]) -> Remark:
    by_rule = [run for run in runs if run.record.get("converged")]
    ways = []
    if by_rule:
        ways.append(f"validation had stopped getting better before the cap of the budget ({_span(by_rule)} updates)")
    if len(by_rule) < len(runs):
        most = max(gain for _, gain in gains.values())
        ways.append(f"twice the budget gained {signed(most)} {_name(study)} at most")
    values = {"runs": [_values(run, gains) for run in runs]}
    return Remark("note", "converged", f"Every run converged: {', and '.join(ways)}.", members_of(runs), values)


def _open_ended(study: Study, runs: Sequence[Run], gains: Mapping[str, tuple[str, float]]) -> Remark:
    known = [run for run in runs if run.folder.name in gains]
    text = (
        "Trained for a set budget: nothing here shows that longer training would leave the difference as it is. "
        "budget.until=converged trains until validation gets no better."
    )
    if known:
        told = listed([f"{named(run)} {signed(gains[run.folder.name][1])}" for run in known])
        bound = number(BOUND.get(primary(study).key, 0.0))
        text = f"Not converged: twice the budget gained {bound} {_name(study)} or more ({told})."
    return Remark("note", "not_converged", text, members_of(runs), {"runs": [_values(run, gains) for run in runs]})


def _name(study: Study) -> str:
    return TITLES.get(primary(study).key, primary(study).key)


def _span(runs: Sequence[Run]) -> str:
    updates = sorted(int(run.record.get("updates") or 0) for run in runs)
    return f"{updates[0]:,}" if updates[0] == updates[-1] else f"{updates[0]:,} to {updates[-1]:,}"


def _values(run: Run, gains: Mapping[str, tuple[str, float]] | None = None) -> dict[str, object]:
    told = {str(key): run.record[key] for key in ("updates", "converged", "decay_from") if key in run.record}
    gained = (gains or {}).get(run.folder.name)
    return {"member": run.member, "seed": run.seed, **told, **({"gain_of_twice": gained[1]} if gained else {})}
