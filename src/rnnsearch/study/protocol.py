"""The report's first section: what was asked and expected before anything ran."""

from collections.abc import Mapping, Sequence
from typing import Any

from rnnsearch.study.blocks import Section
from rnnsearch.study.folder import Study
from rnnsearch.study.measures import is_comparison, primary, short_keys

UNITS = {"updates": "updates", "tokens": "target tokens", "seconds": "seconds of training", "flops": "operations"}
MANY = 8  # planned comparisons that are listed one by one


def section(study: Study) -> Section:
    """Question, expectation, what varies, what is held equal, budget, seeds, measure and planned comparisons."""
    stated = study.description.planned
    terms = (
        ("Question", stated.question or study.description.question or ""),
        ("Expectation", stated.expectation or ""),
        ("What varies", stated.varies or _varies(study)),
        ("Held equal", stated.held_equal or _held_equal(study)),
        ("Budget", _budget(study)),
        ("Seeds", ", ".join(map(str, study.seeds))),
        ("Primary measure", _measure(study)),
        ("Planned comparisons", _comparisons(study, stated.comparisons)),
        ("Equivalent", f"what differs by less than {stated.equivalence:g}" if stated.equivalence else ""),
        ("Search", _search(study)),
    )
    listed = [(name, (text,) if isinstance(text, str) else tuple(text)) for name, text in terms if text]
    return Section("Protocol", terms=tuple(listed))


def _varies(study: Study) -> str:
    keys = [entry.key for entry in study.description.config_difference or []]
    for member in study.description.members:
        if member.settings:
            keys = list(member.settings)
    return "the keys under “What differs”, and nothing else" if len(keys) > 6 else ", ".join(short_keys(keys).values())


def _held_equal(study: Study) -> str:
    match = study.description.match
    matched = f"; hidden sizes scaled to equal {match}" if match != "none" else ""
    return f"data, tokenizers, and for one seed the order of the batches{matched}"


def _budget(study: Study) -> str:
    budget = study.description.budget
    if any(entry.key.startswith("budget.") for entry in study.description.config_difference or []):
        return "not the same for all members: see “What differs”"
    limits = [f"{value:,} {UNITS.get(key, key)}" for key, value in budget.items() if value and key != "until"]
    most = f"{' or '.join(limits)} a run{', whichever comes first' if len(limits) > 1 else ''}" if limits else ""
    return f"until {budget['until']}, at most {most}" if budget.get("until") else most


def _measure(study: Study) -> str:
    measure = primary(study)
    return f"{measure.title}, {'higher' if measure.higher else 'lower'} is better"


def _comparisons(study: Study, planned: Sequence[Sequence[str]] | None) -> list[str] | str:
    if not is_comparison(study):
        return ""
    if not planned:
        return f"each member with the first, {study.members[0]}"
    pairs = [f"{system} with {baseline}" for system, baseline in planned]
    more = [f"and {len(pairs) - MANY} more"] if len(pairs) > MANY else []
    return pairs[:MANY] + more


def _search(study: Study) -> list[str]:
    search = study.description.search or {}
    if not search:
        return []
    trials = f", {search['trials']} trials" if search.get("trials") else ""
    lines = [f"sampler {search.get('sampler', 'not recorded')}{trials}, chosen by {primary(study).title}"]
    return lines + [f"{key}: {_domain(domain)}" for key, domain in (search.get("space") or {}).items()]


def _domain(domain: Mapping[str, Any]) -> str:
    if "choices" in domain:
        return " | ".join(map(str, domain["choices"]))
    return f"{domain.get('low')} to {domain.get('high')}{', on a log scale' if domain.get('log') else ''}"
