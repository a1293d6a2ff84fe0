"""The report's section on minimal pairs: the accuracy of members whose runs were asked, by phenomenon."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rnnsearch.evaluation.error_model import Floats
from rnnsearch.evaluation.significance import RESAMPLES, SEED, Resampled, estimate, resample, wilson
from rnnsearch.plots import length_curves
from rnnsearch.records.contrasts import RIGHT, TIE, Contrast, last_contrasts
from rnnsearch.study.blocks import Section
from rnnsearch.study.folder import Study
from rnnsearch.study.spread import over
from rnnsearch.study.statistics import Comparison, paired
from rnnsearch.study.tables import NOTHING, Table, interval, number, oriented, signed

TITLE = "Minimal pairs"
ALL = "all pairs"
WITHIN = (0.0, 1.0)
DIGITS = 3

Key = tuple[str, str]  # a set of pairs and how log-probabilities were normalised


@dataclass(frozen=True, slots=True)
class Asked:
    """One set of minimal pairs: member -> the contrast of each of its runs, by seed."""

    contrasts: Mapping[str, Sequence[Contrast]]

    @property
    def one(self) -> Contrast:
        """Any of them: they are all of the same pairs."""
        return next(iter(self.contrasts.values()))[0]


def section(study: Study, comparison: Comparison) -> Section:
    """A table for each set of pairs that all compared runs of a member were asked; empty where there is none."""
    sets = _asked(study)
    if not sets:
        return Section(TITLE)
    note = (
        "The share of pairs whose right translation has the higher log-probability; a tie counts as wrong. Brackets "
        f"are 95 % intervals over {over(comparison).replace('test sentences', 'pairs')}; differences are paired by "
        "pair and by seed. Where no pair, or each, is right, no draw differs, and the interval is Wilson's."
    )
    return Section(TITLE, tables=tuple(_table(study, comparison, asked) for asked in sets), notes=(note,))


def of_best(study: Study, comparison: Comparison) -> Section:
    """The same for the best points of a sweep, whose members come the best first."""
    return section(replace(study, members=study.members[: length_curves.FEW]), comparison)


def _asked(study: Study) -> list[Asked]:
    by_member = {
        member: [last_contrasts(run.folder, run.record.results.weights_sha256) for run in study.compared(member)]
        for member in study.members
    }
    keys: dict[Key, None] = {}
    for of_runs in by_member.values():
        keys |= dict.fromkeys(key for of_run in of_runs for key in of_run)
    sets = [
        {member: [of_run[key] for of_run in of_runs] for member, of_runs in by_member.items() if _all(of_runs, key)}
        for key in keys
    ]
    return sorted((Asked(of_set) for of_set in sets if of_set), key=lambda asked: asked.one.name)


def _all(of_runs: Sequence[Mapping[Key, Contrast]], key: Key) -> bool:
    return bool(of_runs) and all(key in of_run for of_run in of_runs)


def _table(study: Study, comparison: Comparison, asked: Asked) -> Table:
    kinds = list(asked.one.outcomes)
    shown = [*kinds, ALL] if len(kinds) > 1 else kinds
    pairs = [pair for pair in comparison.pairs if set(pair) <= set(asked.contrasts)]
    together = len(comparison.pairs) * len(shown)
    rows = []
    for kind in shown:
        outcomes = {member: [_outcomes(one, kind) for one in of] for member, of in asked.contrasts.items()}
        drawn = {member: {"accuracy": _drawn(of_member)} for member, of_member in outcomes.items()}
        cells = [_score(drawn[m]["accuracy"], outcomes[m]) if m in drawn else NOTHING for m in study.members]
        gaps = [
            paired(pair, drawn, comparison.seeds_of, "accuracy", together=together, within=WITHIN) for pair in pairs
        ]
        told = [f"{signed(gap.value, DIGITS)}\n{interval(gap.interval, DIGITS)}" if gap else NOTHING for gap in gaps]
        count = len(next(iter(outcomes.values()))[0])
        rows.append((f"{kind}\nn = {count:,}", *cells, *told))
    averaged = ", log-probabilities a token" if asked.one.normalization == "average" else ""
    caption = f"Accuracy on minimal pairs, {asked.one.name}{averaged}"
    caption += f"; the intervals of {together} differences hold together" if pairs and together > 1 else ""
    header = ("phenomenon", *study.members, *(" − ".join(pair) for pair in pairs))
    return oriented(Table(caption, header, tuple(rows)), len(study.members))


def _outcomes(contrast: Contrast, kind: str) -> str:
    return "".join(contrast.outcomes.values()) if kind == ALL else contrast.outcomes[kind]


def _drawn(outcomes_S: Sequence[str]) -> Resampled:
    statistics = np.array([[(outcome == RIGHT, True) for outcome in of_seed] for of_seed in outcomes_S], dtype=float)
    return resample(statistics, _share, seed=SEED, resamples=RESAMPLES)


def _share(sums: Floats) -> Floats:
    return np.asarray(sums[..., 0] / sums[..., 1])


def _score(drawn: Resampled, outcomes_S: Sequence[str]) -> str:
    share, ties = float(drawn.score_S.mean()), sum(of_seed.count(TIE) for of_seed in outcomes_S)
    found = wilson(round(share) * len(outcomes_S[0]), len(outcomes_S[0])) if share in WITHIN else None
    told = f"\n{ties:,} ties" if ties else ""
    return f"{number(share, DIGITS)}\n{interval(found or estimate(drawn, within=WITHIN).interval, DIGITS)}{told}"
