"""The metrics: what each is called, which way is better, how it is written, and where a record has it.

Monitors, tables, searches, planned comparisons, exports and dashboards use this table. `rnnsearch.evaluation` computes
the metrics.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from rnnsearch.records.run_record import Record

Split = Literal["validation", "test", "training"]  # of training only the speed


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A number that says how good a run is.

    Attributes:
        name: its key in a record.
        title: as on an axis or column, with its unit.
        higher: whether more is better.
        digits: after the decimal point, in a sentence.
        is_monitored: whether it may choose checkpoints, stop training early and guide a search.
        is_planned: whether a protocol may name it as its primary measure.
    """

    name: str
    title: str
    higher: bool
    digits: int = 2
    is_monitored: bool = False
    is_planned: bool = False

    @property
    def arrow(self) -> str:
        """The title with an arrow that points to better values."""
        name = self.title.capitalize() if self.title.islower() else self.title
        return f"{name} {'↑' if self.higher else '↓'}"

    def of(self, record: Record, split: Split) -> float | None:
        """Its value in a record; None where there is none."""
        if split == "training":
            speed: float | None = getattr(record, self.name)
            return speed
        metrics = record.results.metrics.validation if split == "validation" else record.results.metrics.test
        value: float | None = metrics.get(self.name)
        return value


METRICS = {
    metric.name: metric
    for metric in (
        Metric(name="bleu", title="BLEU", higher=True, is_monitored=True, is_planned=True),
        Metric(name="chrf", title="chrF", higher=True, is_monitored=True, is_planned=True),
        Metric(name="ter", title="TER", higher=False),
        Metric(name="nll", title="nats a token", higher=False, digits=4, is_monitored=True),
        Metric(name="perplexity", title="perplexity", higher=False, is_planned=True),
        Metric(name="aer", title="AER", higher=False, digits=3),
        Metric(name="aer_saliency", title="AER by saliency", higher=False, digits=3),
        Metric(name="comet", title="COMET", higher=True, digits=4),
        Metric(name="tokens_per_second", title="tokens a second", higher=True, digits=0, is_planned=True),
    )
}


def names(wanted: Callable[[Metric], bool]) -> tuple[str, ...]:
    """The names of the wanted metrics, in the table's order."""
    return tuple(name for name, metric in METRICS.items() if wanted(metric))


MONITORED = names(lambda metric: metric.is_monitored)
PLANNED = names(lambda metric: metric.is_planned)
TITLES = {name: metric.title for name, metric in METRICS.items()}
