"""The report's section on beam sizes: what a wider beam changes in quality and in length."""

from collections import defaultdict
from functools import partial

from rnnsearch.evaluation.error_model import Floats
from rnnsearch.evaluation.significance import Interval
from rnnsearch.plots.beam_curves import FEW, BeamCurve, beam_curves
from rnnsearch.records.metrics import TITLES
from rnnsearch.study.blocks import Picture, Section
from rnnsearch.study.folder import Study
from rnnsearch.study.measures import settings
from rnnsearch.study.spread import over
from rnnsearch.study.statistics import Comparison
from rnnsearch.study.tables import Table, interval, number

KEY = "search.beam_size"


def section(study: Study, comparison: Comparison) -> Section:
    """A figure with a line for whatever else varies, and a table; empty where beam sizes don't vary."""
    curves = curves_of(study, comparison)
    if not curves:
        return Section("Beam size")
    name = TITLES[comparison.metric]
    caption = (
        f"Test {name} (left) and length ratio (right) against beam size, on a logarithmic axis; bands are 95 % "
        f"intervals over {over(comparison)}."
    )
    left_out = f" Shown are the first {FEW} of {len(curves)} lines." if len(curves) > FEW else ""
    draw = partial(beam_curves, curves[:FEW], quantity=f"test {name}")
    note = (
        "The length ratio is the tokens of all translations by those of their references, as BLEU counts them. A wider "
        "beam finds likelier translations, which are shorter where scores are not normalised by length (Koehn and "
        "Knowles 2017, section 3.6)."
    )
    picture = Picture("beam_size", caption + left_out, draw, wide=True)
    return Section("Beam size", tables=(_table(curves, name),), pictures=(picture,), notes=(note,))


def curves_of(study: Study, comparison: Comparison) -> list[BeamCurve]:
    """A curve for each of the other settings, where two or more beam sizes were tried with them."""
    members: dict[str, dict[int, str]] = defaultdict(dict)
    for member, values in settings(study).items():
        if isinstance(beam := values.get(KEY), int) and member in comparison.whole.scores:
            rest = ", ".join(str(value) for key, value in values.items() if key != KEY)
            members[rest or "all"][beam] = member
    return [_curve(rest, dict(sorted(of.items())), comparison) for rest, of in members.items() if len(of) > 1]


def _curve(label: str, members: dict[int, str], comparison: Comparison) -> BeamCurve:
    estimates = [comparison.whole.scores[member][comparison.metric] for member in members.values()]
    ratios = [_ratio(comparison.output_tokens[member]) for member in members.values()]
    return BeamCurve(
        label=label,
        beams=tuple(members),
        scores=tuple(estimate.value for estimate in estimates),
        low=tuple(estimate.interval.low for estimate in estimates),
        high=tuple(estimate.interval.high for estimate in estimates),
        ratios=tuple(ratios),
    )


def _ratio(tokens_SN2: Floats) -> float:
    hypotheses, references = tokens_SN2.sum(axis=(0, 1))
    return float(hypotheses / references)


def _table(curves: list[BeamCurve], name: str) -> Table:
    rows = tuple(
        (curve.label, str(beam), number(score), interval(Interval(low, high)), number(ratio_of))
        for curve in curves
        for beam, score, low, high, ratio_of in zip(
            curve.beams, curve.scores, curve.low, curve.high, curve.ratios, strict=True
        )
    )
    return Table(
        f"Test {name} and length ratio by beam size", ("", "beam", name, "95 % interval", "length ratio"), rows
    )
