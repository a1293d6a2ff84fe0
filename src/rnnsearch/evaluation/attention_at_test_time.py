"""A split translated and scored with other attention weights than the learnt ones, beside the same with these.

What each condition puts in the place of the weights says `rnnsearch.search.attention_conditions`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rnnsearch.evaluation.comparison import Chance, Compared, compare, compare_by
from rnnsearch.evaluation.corpus_scores import bleu_statistics
from rnnsearch.evaluation.forcing import force
from rnnsearch.evaluation.progress import Progress, silent
from rnnsearch.evaluation.scoring import Scoring
from rnnsearch.evaluation.summed_metrics import NLL
from rnnsearch.evaluation.system import System
from rnnsearch.evaluation.translating import read, translate
from rnnsearch.search.attention_conditions import Condition
from rnnsearch.search.hypotheses import Search
from rnnsearch.search.replaced_attention import ReplacedTranslator

Row = Mapping[str, Any]  # a line of translations.<split>.jsonl


@dataclass(frozen=True)
class Replacement:
    """A condition, and where it applies.

    Attributes:
        condition: what is put in the place of the weights.
        layer, head: of `ReplacedTranslator`.
        other: the model whose weights are taken; None without one.
        not_free: why it does not translate freely; None if it does.
    """

    condition: Condition
    layer: int | None = None
    head: int | None = None
    other: System | None = None
    not_free: str | None = None

    def in_(self, system: System) -> System:
        """The system with its weights replaced.

        Raises:
            ValueError: as `ReplacedTranslator`, for any member.
        """
        other = None if self.other is None else self.other.members[0].translator
        places: Any = {"condition": self.condition, "layer": self.layer, "head": self.head, "other": other}
        members = [
            replace(member, translator=ReplacedTranslator(learned=member.translator, **places))
            for member in system.members
        ]
        return System(tuple(members), system.target)


@dataclass(frozen=True, slots=True)
class UnderCondition:
    """A split under one condition against the learnt weights.

    Attributes:
        compared: by metric: nll (nats a token, the references' words given), and bleu and chrf of free translations.
        length_ratio: tokens of free translations over those of references, as BLEU counts them; None without any.
        not_free: why there are none; None if there are.
    """

    compared: Mapping[str, Compared]
    length_ratio: float | None
    not_free: str | None


def evaluate_conditions(
    system: System,
    learned: Sequence[Row],
    search: Search,
    replacements: Mapping[str, Replacement],
    *,
    chance: Chance,
    scoring: Scoring,
    progress: Progress = silent,
) -> dict[str, UnderCondition]:
    """Each condition on the sentences of a split, paired with the same sentences under the learnt weights.

    Args:
        learned: the split's rows as `splits.evaluate_split` gives them for the same search.

    Raises:
        ValueError: as `Replacement.in_`, before any work is done.
    """
    systems = {name: replacement.in_(system) for name, replacement in replacements.items()}
    found = {}
    for name, replaced in systems.items():
        not_free = replacements[name].not_free
        rows = _rows(replaced, learned, search, progress, free=not not_free)
        settings: Any = {"chance": chance, "scoring": scoring, "together": len(systems)}
        compared = {NLL.name: compare_by(NLL, rows, learned, **settings)}
        if not not_free:
            compared |= compare(rows, learned, **settings)
        found[name] = UnderCondition(compared, None if not_free else length_ratio(rows, scoring), not_free)
    return found


def length_ratio(rows: Sequence[Row], scoring: Scoring) -> float:
    """Tokens of the translations over tokens of the references."""
    hypotheses, references = ([row[side] for row in rows] for side in ("hypothesis", "reference"))
    written, wanted, *_ = bleu_statistics(hypotheses, references, scoring).sum(axis=0)
    return float(written / max(wanted, 1.0))


def _rows(
    system: System, learned: Sequence[Row], search: Search, progress: Progress, *, free: bool
) -> list[dict[str, Any]]:
    """nll and tokens of each reference under replaced weights, and if ``free`` the translation."""
    texts = [row["source"] for row in learned]
    rows = [{"reference": row["reference"], "gold": None, "links": None} for row in learned]
    if free:
        with progress("translations", len(rows)) as advance:
            n_best = translate(system, search, texts, advance=advance)
        sources = [best.sources for best, *_ in n_best]
        rows = [{**row, "hypothesis": best.text} for row, (best, *_) in zip(rows, n_best, strict=True)]
    else:
        sources = read(system, search, texts)
    pairs = [(source, system.target.encode(row["reference"])) for source, row in zip(sources, rows, strict=True)]
    with progress("references", len(pairs)) as advance:
        for place, forced in force(system, pairs, weights=False):
            rows[place] |= {"nll": -forced.log_prob, "tokens": forced.tokens}
            advance(1)
    return rows
