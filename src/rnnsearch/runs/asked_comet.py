"""``comet`` of ``rnnsearch evaluate``: translations scored by a COMET model, and compared with those of a baseline."""

import logging
from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig

from rnnsearch.evaluation.comet import Comet, compared, described
from rnnsearch.evaluation.comparison import Chance, Compared
from rnnsearch.evaluation.splits import Evaluation

logger = logging.getLogger(__name__)

CHECKOUT = Path(__file__).parents[3]  # where the package is installed editable
KEY = "comet"  # of a translation's row, and of a comparison


def given_comet(cfg: DictConfig) -> Comet | None:
    """The model and environment of ``comet``; None where no model is given.

    Raises:
        FileNotFoundError: if one of them is missing.
    """
    if cfg.comet.checkpoint is None:
        return None
    environment = CHECKOUT / ".venv-comet" if cfg.comet.environment is None else Path(cfg.comet.environment)
    return Comet(Path(cfg.comet.checkpoint), environment, cfg.comet.batch_size, cfg.device)


def with_comet(comet: Comet | None, evaluation: Evaluation, chance: Chance) -> Evaluation:
    """The evaluation with COMET's score of each sentence and of all; as it is where none was asked for.

    Raises:
        ValueError: if the process that scores fails.
    """
    if comet is None:
        return evaluation
    logger.info("scoring %d sentences with COMET", len(evaluation.rows))
    scored = comet.score(evaluation.rows)
    rows = [{**row, KEY: round(score, 6)} for row, score in zip(evaluation.rows, scored.scores_N.tolist(), strict=True)]
    return replace(evaluation, rows=rows, metrics={**evaluation.metrics, **described(scored, chance)})


def compared_by_comet(evaluation: Evaluation, baseline: Evaluation, chance: Chance) -> dict[str, Compared]:
    """The comparison by COMET, under its name; empty where none was asked for."""
    if not all(KEY in row for row in evaluation.rows):
        return {}
    scores, others = ([row[KEY] for row in one.rows] for one in (evaluation, baseline))
    return {KEY: compared(scores, others, chance)}
