"""``attention`` of ``rnnsearch evaluate``: a run with other attention weights than the learnt ones."""

import logging
from collections.abc import Mapping
from dataclasses import astuple
from io import StringIO
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig
from rich.console import Console
from rich.table import Table

from rnnsearch.config.progress import bar
from rnnsearch.config.terminal import say
from rnnsearch.config.trust import given
from rnnsearch.evaluation.attention_at_test_time import (
    Replacement,
    UnderCondition,
    evaluate_conditions,
    length_ratio,
)
from rnnsearch.evaluation.comparison import Chance, Compared
from rnnsearch.evaluation.scoring import Scoring
from rnnsearch.evaluation.splits import Evaluation
from rnnsearch.evaluation.system import System
from rnnsearch.evaluation.trained_model import TrainedModel, load
from rnnsearch.records.metrics import METRICS
from rnnsearch.runs.baseline import figures
from rnnsearch.runs.run_folder import LoadedRun
from rnnsearch.search.attention_conditions import (
    CONDITIONS,
    Condition,
    Diagonal,
    Permuted,
    erased,
    of_other_run,
    uniform,
)
from rnnsearch.search.hypotheses import Search
from rnnsearch.search.replaced_attention import check_replaceable

logger = logging.getLogger(__name__)

WORDS_GIVEN_ALONE = (
    "another run's weights are for words that both are given; in free search each writes words of its own"
)
LENGTHS_UNKNOWN = (
    "the diagonal of a free translation goes by the mean lengths of the training pairs (flops_lengths in record.json), "
    "which the record of this run lacks"
)
FIGURES = (".svg", ".png")


def asked_replacements(cfg: DictConfig, model: TrainedModel, first: LoadedRun) -> dict[str, Replacement]:
    """What ``attention`` asks for besides the learnt weights, by name.

    Raises:
        FileNotFoundError, ValueError: for a model, layer, head or other run of which that can't be had.
    """
    names = _asked(cfg)
    if cfg.attention_run is not None and "other_run" not in names:
        raise ValueError("attention_run=RUN gives its weights to attention=other_run, which is not asked for; add it")
    if not names:
        for key in ("attention_layer", "attention_head", "attention_figure"):
            if cfg[key] is not None:
                raise ValueError(f"{key} is of replaced weights, and attention=learned replaces none; choose others")
        return {}
    if cfg.attention_figure is not None and Path(cfg.attention_figure).suffix not in FIGURES:
        raise ValueError(
            f"attention_figure={cfg.attention_figure}: give a file's name that ends in {' or '.join(FIGURES)}"
        )
    for member in model.system.members:
        check_replaceable(member.translator, cfg.attention_layer, cfg.attention_head)
    ratio = training_ratio(first)
    other = _other(cfg, model.system) if "other_run" in names else None
    conditions: dict[str, Condition] = {
        "uniform": uniform,
        "permuted": Permuted(cfg.attention_seed),
        "erased": erased,
        "diagonal": Diagonal(ratio),
        "other_run": of_other_run,
    }
    not_free = {"other_run": WORDS_GIVEN_ALONE} | ({"diagonal": LENGTHS_UNKNOWN} if ratio is None else {})
    places: Any = {"layer": cfg.attention_layer, "head": cfg.attention_head}
    return {
        name: Replacement(
            conditions[name], **places, other=other if name == "other_run" else None, not_free=not_free.get(name)
        )
        for name in names
    }


def _asked(cfg: DictConfig) -> list[str]:
    """The names of conditions in their order, without learned."""
    if cfg.attention == "all":
        return [name for name in CONDITIONS[1:] if name != "other_run" or cfg.attention_run is not None]
    asked = cfg.attention if isinstance(cfg.attention, ListConfig) else [cfg.attention]
    return [name for name in CONDITIONS[1:] if name in asked]


def training_ratio(run: LoadedRun) -> float | None:
    """Target tokens a source token of the pairs that a run was trained on; None if the record does not say."""
    lengths = run.record.flops_lengths
    return lengths["target"] / lengths["source"] if lengths.keys() >= {"target", "source"} else None


def _other(cfg: DictConfig, system: System) -> System:
    """The run whose weights ``other_run`` takes."""
    if cfg.attention_run is None:
        raise ValueError("attention=other_run takes the weights of another run; name it with attention_run=RUN")
    if len(system.members) > 1:
        raise ValueError("attention=other_run is of one run, whose words another run reads, too; give one, run=RUN")
    other = load(Path(cfg.attention_run), checkpoint=cfg.checkpoint, device=cfg.device, trust=given()).system
    if not other.has_attention:
        raise ValueError(f"{cfg.attention_run} has no attention weights; give an attention_run=RUN that has some")
    other.align_by(cfg.alignments.layer, cfg.alignments.head)
    own, theirs = ((each.members[0].source.checksum, each.target.checksum) for each in (system, other))
    if own != theirs:
        raise ValueError(
            f"attention_run={cfg.attention_run} has other tokenizers than {cfg.run}, so that its weights are of other "
            "pieces; give runs of one corpus and tokenizer, such as the seeds of one config"
        )
    return other


def under_conditions(
    cfg: DictConfig,
    first: LoadedRun,
    replacements: Mapping[str, Replacement],
    evaluation: Evaluation,
    *,
    search: Search,
    chance: Chance,
    scoring: Scoring,
) -> dict[str, Any]:
    """The JSON object of the conditions, which are shown as a table, too, and drawn if that is asked for.

    Args:
        evaluation: of the split under the learnt weights, with the same search.
    """
    logger.info("attention: learned against %s", ", ".join(replacements))
    learned, metrics = evaluation.rows, evaluation.metrics
    conditions = evaluate_conditions(
        first.model.system, learned, search, replacements, chance=chance, scoring=scoring, progress=bar
    )
    ratio = length_ratio(learned, scoring)
    say(summary_of_conditions(metrics, ratio, conditions, sentences=len(learned)), stderr=True)
    if cfg.attention_figure is not None:
        draw(metrics, conditions, Path(cfg.attention_figure))
    return result_of_conditions(cfg, conditions, first)


def draw(metrics: Mapping[str, Any], conditions: Mapping[str, UnderCondition], file: Path) -> None:
    """Draw the conditions into a file: nats and BLEU under the learnt weights, and how far each is from them."""
    from rnnsearch.plots.images import write_figure  # a second of matplotlib that few need
    from rnnsearch.plots.shifts import Shift, shifts

    rows = {
        name: [
            Shift(condition, one.difference.value, *astuple(one.difference.interval))
            for condition, under in conditions.items()
            if (one := under.compared.get(name))
        ]
        for name in ("nll", "bleu")
    }
    write_figure(file, shifts([(METRICS[name].title, metrics[name], of_name) for name, of_name in rows.items()]))


def result_of_conditions(cfg: DictConfig, conditions: Mapping[str, UnderCondition], first: LoadedRun) -> dict[str, Any]:
    """The JSON object of the conditions."""
    ratio = training_ratio(first) if "diagonal" in conditions else None
    return {
        **{key: cfg[f"attention_{key}"] for key in ("run", "seed", "layer", "head")},
        "training_ratio": ratio,
        "conditions": {name: _result(condition) for name, condition in conditions.items()},
    }


def _result(condition: UnderCondition) -> dict[str, Any]:
    names = ("condition", "learned")
    return {
        **{name: figures(compared, names=names) for name, compared in condition.compared.items()},
        "length_ratio": condition.length_ratio,
        **({"not_free": condition.not_free} if condition.not_free else {}),
    }


def summary_of_conditions(
    metrics: Mapping[str, Any], length_ratio: float, conditions: Mapping[str, UnderCondition], *, sentences: int
) -> str:
    """All conditions as one table, the learnt weights first.

    Args:
        metrics: of the split under the learnt weights.
        length_ratio: of their translations.
        conditions: the others.
        sentences: how many.
    """
    shown = ("nll", "bleu", "chrf")
    table = Table(box=None, pad_edge=False)
    table.add_column("attention")
    for name in shown:
        table.add_column(METRICS[name].title, justify="right")
        table.add_column("difference", justify="right")
    table.add_column("length ratio", justify="right")
    learned = [text for name in shown for text in (f"{metrics[name]:.{METRICS[name].digits}f}", "")]
    table.add_row("learned", *learned, f"{length_ratio:.2f}")
    for name, condition in conditions.items():
        cells = [text for metric in shown for text in _cells(metric, condition.compared.get(metric))]
        ratio = condition.length_ratio
        table.add_row(name, *cells, "" if ratio is None else f"{ratio:.2f}")
    text = StringIO()
    Console(file=text, width=200).print(table)
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    together = f", of {len(conditions)} comparisons together" if len(conditions) > 1 else ""
    head = (
        f"{sentences:,} sentences; differences from the learnt weights with 95 % intervals{together}, sentences alone"
    )
    notes = [f"{name} has no free translations: {one.not_free}" for name, one in conditions.items() if one.not_free]
    return "\n".join([head, *lines, *notes])


def _cells(name: str, compared: Compared | None) -> tuple[str, str]:
    """A metric's value, and its difference with the interval."""
    if compared is None:
        return "", ""
    digits, gap = METRICS[name].digits, compared.difference
    low, high = gap.interval.low, gap.interval.high
    return f"{compared.run:.{digits}f}", f"{gap.value:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"
