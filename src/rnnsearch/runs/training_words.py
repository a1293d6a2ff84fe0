"""How often a run saw each target word in training: as its folder tells, else counted again where the data are."""

import logging
from functools import partial

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from rnnsearch.config import build
from rnnsearch.data.hub import HubCorpus
from rnnsearch.data.seen_words import SEEN_WORDS, Lookup, count_words, read_words
from rnnsearch.data.tokenizer import TokenizerPair
from rnnsearch.evaluation.scoring import Scoring
from rnnsearch.records.run_record import check_file
from rnnsearch.runs.run_folder import LoadedRun

logger = logging.getLogger(__name__)


def training_words(run: LoadedRun) -> Lookup | None:
    """What the run saw; None, with a line in the log, if that is unknown.

    Raises:
        ValueError: if the folder's own counts are damaged.
    """
    path = check_file(run.folder, run.record, SEEN_WORDS)
    if path.is_file():
        return partial(read_words, path)
    try:
        counts = _counted_again(run)
    except (OSError, ValueError, HydraException, OmegaConfBaseException) as error:
        logger.info("how often words were seen in training is unknown, so they are not scored by it: %s", error)
        return None
    return lambda words: counts


def _counted_again(run: LoadedRun) -> dict[str, int]:
    if run.config.get("streaming"):
        raise ValueError(f"the training pairs of {run.folder} were streamed")
    logger.info("counting the words of the training data, which this run has not kept")
    system = run.model.system
    tokenizers = TokenizerPair(system.members[0].source, system.target, {})
    prepared = build.build_data(run.config, tokenizers).prepared
    if isinstance(prepared.corpus, HubCorpus):
        raise ValueError("its training data are of the Hub, and are not fetched for this")
    pairs = prepared.pairs_at_hand(run.record.data.checksums)
    return count_words((pair.target for pair in pairs), Scoring.of_record(run.record.scoring).normalization)
