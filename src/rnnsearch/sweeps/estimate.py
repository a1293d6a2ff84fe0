"""How long a training will take, by finished runs at hand: on this processor, of the same model, or of one like it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from rnnsearch.config.keys.roles import UNCOUNTED, within
from rnnsearch.records.nested import flat, value_at
from rnnsearch.runs.known.listing import ABSENT, KnownRun

SETTINGS = ("data", "tokenizer", "filters", "batches", "model", "validation", "trainer", "kernels", "streaming")
SPEED = ("batches", "trainer.precision", "trainer.accumulate_grad_batches", "kernels")  # beside the model
KIND = tuple(f"model.{half}.{key}" for half in ("encoder", "decoder") for key in ("_target_", "cell", "layers"))
SIZES = ("model.encoder.hidden_size", "model.decoder.hidden_size")
NEAR = 0.1  # sizes that differ by less are alike
UNTIMED = ("data.root", "data.cache", "data.mirrors", "trainer.max_steps", "trainer.log_every_n_steps")
MACHINE = ("cpu", "cpu_family", "gpus")

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Estimate:
    """Of one training.

    Attributes:
        seconds: in training and validation, without the test.
        runs: how many finished ones it is from.
        alike: in what they are like it.
        parameters: of its model, where runs with all its settings say so.
    """

    seconds: float
    runs: int
    alike: str
    parameters: int | None = None

    @property
    def source(self) -> str:
        """What it is from, in words."""
        return f"{self.runs} finished run{'s' if self.runs > 1 else ''} with {self.alike}"


def on_this_machine(runs: Sequence[KnownRun], machine: Values) -> list[KnownRun]:
    """The finished runs that were trained on such a machine, as far as their records tell; older ones tell less."""
    return [
        run
        for run in runs
        if run.status == "finished"
        and run.has_config
        and run.record.seconds
        and run.record.updates
        and run.record.hardware.get("cpu") == machine["cpu"]
        and all(run.record.hardware.get(key, machine[key]) == machine[key] for key in MACHINE)
    ]


def estimate(values: Values, runs: Sequence[KnownRun]) -> Estimate | None:
    """The time of a training, by the runs that are most like it; None where none is like it, or nothing ends it.

    Args:
        values: of its resolved config.
        runs: finished, on the same machine.
    """
    for alike, is_alike in WAYS:
        like = [run for run in runs if is_alike(values, run)]
        seconds = [taken for run in like if (taken := _seconds(values["budget"], run)) is not None]
        if seconds:
            exact = like[0].record.parameters if alike == SAME else None
            return Estimate(median(seconds), len(seconds), alike, exact)
    return None


def _seconds(budget: Values, run: KnownRun) -> float | None:
    """Seconds until the first limit of a budget is reached, at a run's pace; None without one that it tells."""
    record = run.record
    assert record.seconds
    paces: Iterator[tuple[str, float | None]] = iter(
        (
            ("updates", record.updates),
            ("tokens", record.tokens_seen),
            ("flops", (record.flops_per_token or 0) * (record.tokens_seen or 0)),
            ("seconds", record.training_seconds),
        )
    )
    limits = [budget[key] / done * record.seconds for key, done in paces if budget.get(key) and done]
    return min(limits, default=None)


def _equal(keys: Sequence[str]) -> Callable[[Values, KnownRun], bool]:
    def is_alike(values: Values, run: KnownRun) -> bool:
        return all(_leaves(key, run.config_value(key)) == _leaves(key, value_at(values, key)) for key in keys)

    return is_alike


def _leaves(key: str, value: Any) -> dict[str, Any]:
    """A key's values, or its section's: without those that change no time, or that older configs lack."""
    values = flat({key: value}) if isinstance(value, Mapping) else {key: value}
    return {
        name: leaf
        for name, leaf in values.items()
        if leaf not in (None, ABSENT, {}) and not within(name, UNTIMED) and leaf != UNCOUNTED.get(name)
    }


def _is_like(values: Values, run: KnownRun) -> bool:
    """Whether a run's model has the same halves, mechanism and cells, and nearly the same sizes."""
    if not _equal((*KIND, "model.context._target_", *SPEED))(values, run):
        return False
    pairs = ((value_at(values, key), run.config_value(key)) for key in SIZES)
    return all(
        isinstance(mine, int) and isinstance(other, int) and abs(mine / other - 1) <= NEAR for mine, other in pairs
    )


SAME = "the same settings"
WAYS: tuple[tuple[str, Callable[[Values, KnownRun], bool]], ...] = (  # the most alike first
    (SAME, _equal(SETTINGS)),
    ("the same model and batches", _equal(("model", *SPEED))),
    (f"a model of the same kind, its hidden sizes within {NEAR:.0%}", _is_like),
)
