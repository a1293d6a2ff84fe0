"""Remarks on how long the translations are: against their references, and against the search's limit.

A member gets a doubt if its translations of sentences no longer than the trained ones are outside the bounds; a note if
only those of longer sentences or of some lengths are, or if it is too weak for its lengths to say much.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnsearch.evaluation.corpus_scores import brevity_penalty
from rnnsearch.evaluation.error_model import Floats
from rnnsearch.study.folder import Row, Study
from rnnsearch.study.remarks import Level, Remark, listed
from rnnsearch.study.statistics import Comparison
from rnnsearch.study.tables import number

RATIOS = 0.9, 1.1  # tokens of the translations divided by those of the references
RUNAWAY = 0.01  # share of translations at the limit of length
FEW = 3  # members, of whom each length is told; of more, the worst of each

Told = Sequence[tuple[str, float, Mapping[str, float]]]  # a member, its quantity, and those of some lengths


@dataclass(frozen=True, slots=True)
class Found:
    """A quantity of a member's translations, as far as it is known.

    Attributes:
        whole: over all translations.
        trained: over those of sentences no longer than the longest trained on.
        by_length: by the labels of length buckets.
    """

    member: str
    whole: float | None
    trained: float | None
    by_length: Mapping[str, float]


def remarks(study: Study, comparison: Comparison, members: Sequence[str]) -> list[Remark]:
    """What is said of some members."""
    ratios, limited = [], []
    for member in members:
        rows = [run.rows for run in study.compared(member)]
        known = _trained_rows(study, rows[0])
        ratios.append(_found(comparison, member, comparison.output_tokens[member], _ratio, known))
        limited.append(_found(comparison, member, np.stack([_limits(of_seed) for of_seed in rows]), _share, known))
    weak = [m for m in members if comparison.whole.scores[m][comparison.metric].value < comparison.weak]
    return [
        *_told(ratios, weak, comparison, "length_ratio", _is_off, _ratio_text, _ratio_values),
        *_told(limited, weak, comparison, "runaway", lambda share: share > RUNAWAY, _limit_text, _limit_values),
    ]


def _limits(rows: Sequence[Row]) -> Floats:
    """Whether each translation is at the limit, and whether that is known (older runs lack it), [N, 2]."""
    return np.array([(row.get("at_limit") or False, row.get("at_limit") is not None) for row in rows], dtype=np.float64)


def _trained_rows(study: Study, rows: Sequence[Row]) -> list[int]:
    """Rows of sentences no longer than the longest trained on; all rows if that is unknown, or none is so short."""
    longest = study.description.trained_length
    places = [place for place, row in enumerate(rows) if longest is None or int(row["source_words"]) <= longest]
    return places or list(range(len(rows)))


def _found(
    comparison: Comparison,
    member: str,
    counts_SN2: Floats,
    read: Callable[[Floats], float | None],
    trained: Sequence[int],
) -> Found:
    buckets = {
        bucket.label: value
        for bucket in comparison.buckets
        if (value := read(counts_SN2[:, list(bucket.rows)].sum(axis=(0, 1)))) is not None
    }
    whole, known = (read(counts.sum(axis=(0, 1))) for counts in (counts_SN2, counts_SN2[:, list(trained)]))
    return Found(member, whole, known, buckets)


def _ratio(counts_2: Floats) -> float | None:
    return float(counts_2[0] / counts_2[1]) if counts_2[1] else None


_share = _ratio  # translations at the limit, by those for which that is known


def _is_off(ratio: float) -> bool:
    return not RATIOS[0] <= ratio <= RATIOS[1]


def _told(
    amounts: Sequence[Found],
    weak: Sequence[str],
    comparison: Comparison,
    kind: str,
    is_off: Callable[[float], bool],
    text: Callable[[str, str, Told], str],
    values: Callable[[Found], dict[str, Any]],
) -> list[Remark]:
    off = [amount for amount in amounts if amount.trained is not None and is_off(amount.trained)]
    lengths = {amount.member: {label: v for label, v in amount.by_length.items() if is_off(v)} for amount in amounts}
    lesser = [
        amount
        for amount in amounts
        if amount not in off and (lengths[amount.member] or (amount.whole is not None and is_off(amount.whole)))
    ]
    notes = [amount for amount in amounts if (amount in off and amount.member in weak) or amount in lesser]
    levels: tuple[tuple[Level, list[Found]], ...] = (
        ("doubt", [amount for amount in off if amount.member not in weak]),
        ("note", notes),
    )
    return [
        Remark(
            level,
            kind,
            text(
                level,
                comparison.unit,
                [(amount.member, amount.whole or 0.0, lengths[amount.member]) for amount in of_level],
            ),
            tuple(amount.member for amount in of_level),
            {amount.member: values(amount) for amount in of_level},
        )
        for level, of_level in levels
        if of_level
    ]


def _ratio_text(level: str, unit: str, values: Told) -> str:
    members = []
    for member, whole, buckets in _readable(values, right=1.0):
        penalty = f", brevity penalty {number(brevity_penalty(whole))}" if whole < 1.0 else ""
        members.append(f"{member} {number(whole)}{penalty}{_at(buckets, unit, number)}")
    mend = "; train longer, or look at search.normalization" if level == "doubt" else ""
    return (
        f"Translations are shorter or longer than their references (tokens by the references' tokens, outside "
        f"{RATIOS[0]:g} to {RATIOS[1]:g}): {listed(members)}{_how_read(values)}{mend}."
    )


def _limit_text(level: str, unit: str, values: Told) -> str:
    told = _readable(values, right=0.0)
    members = [f"{member} {_percent(whole)}{_at(buckets, unit, _percent)}" for member, whole, buckets in told]
    mend = "; train longer, or look at search.max_length_ratio" if level == "doubt" else ""
    return f"Translations that only the limit of length ended: {listed(members)}{_how_read(values)}{mend}."


def _readable(values: Told, *, right: float) -> Told:
    """With all lengths where members are few, else with the one that is farthest from the right value."""
    if len(values) <= FEW:
        return values
    return [
        (member, whole, dict(sorted(buckets.items(), key=lambda item: -abs(item[1] - right))[:1]))
        for member, whole, buckets in values
    ]


def _how_read(values: Told) -> str:
    return "" if len(values) <= FEW else "; in brackets the worst length of each"


def _at(buckets: Mapping[str, float], unit: str, show: Callable[[float], str]) -> str:
    values = [f"{show(value)} at {label}" for label, value in buckets.items()]
    return f" ({listed(values)} source {unit})" if values else ""


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _ratio_values(amount: Found) -> dict[str, Any]:
    penalty = brevity_penalty(amount.whole or 0.0)
    return {"ratio": amount.whole, "brevity_penalty": penalty, "by_length": dict(amount.by_length)}


def _limit_values(amount: Found) -> dict[str, Any]:
    return {"share": amount.whole, "by_length": dict(amount.by_length)}
