"""A trained run in Python: ``rnnsearch.load(path)`` translates, scores and aligns, without Hydra.

T target tokens, S source words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from rnnsearch.data.tokenizer import EOS, SPECIALS
from rnnsearch.evaluation.forcing import force
from rnnsearch.evaluation.system import System
from rnnsearch.evaluation.translating import translate
from rnnsearch.model.checkpoint import load_translator, pick_device
from rnnsearch.records import read_record
from rnnsearch.search.beam import BeamSearch
from rnnsearch.search.hypotheses import Search

CONFIG = "config.yaml"


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One translation: text, the search's score, log p in nats (end of sentence included), pieces."""

    text: str
    score: float
    log_prob: float
    tokens: list[str]


@dataclass(frozen=True, slots=True)
class Translation:
    """What a source became: its hypotheses, best first."""

    source: str
    hypotheses: list[Hypothesis]

    @property
    def text(self) -> str:
        """The best hypothesis."""
        return self.hypotheses[0].text


@dataclass(frozen=True, slots=True)
class Score:
    """log p of a given target in nats, end of sentence included, and of each of its tokens ``[T]``."""

    log_prob: float
    tokens: list[str]
    log_probs: NDArray[np.float64]


@dataclass(frozen=True)
class TrainedModel:
    """A run, or an ensemble of runs, that is ready to translate. ``settings`` are its own search's."""

    name: str
    system: System
    settings: Mapping[str, Any]

    @property
    def has_attention(self) -> bool:
        """Whether it weighs source positions."""
        return self.system.has_attention

    def search(self, **changes: Any) -> Search:
        """The run's own beam search, with some settings changed.

        Raises:
            ValueError: for a setting that beam search does not have, or a value that it refuses.
        """
        try:
            return BeamSearch(**{**self.settings, **changes})
        except TypeError as error:
            raise ValueError(f"{error}; a search has {', '.join(self.settings)}") from None

    def translate(
        self,
        texts: Sequence[str],
        *,
        prefixes: Sequence[str] | None = None,
        search: Search | None = None,
        **settings: Any,
    ) -> list[Translation]:
        """Translations of lines of text, in order.

        Args:
            texts: one sentence each.
            prefixes: with what each translation must begin; whole words.
            search: another search; by default the run's own, with ``settings`` changed, such as ``beam_size=12``.
        """
        found = translate(self.system, search or self.search(**settings), texts, prefixes=prefixes)
        target = self.system.target
        return [
            Translation(text, [Hypothesis(h.text, h.score, h.log_prob, target.pieces(h.target_ids)) for h in of_text])
            for text, of_text in zip(texts, found, strict=True)
        ]

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[Score]:
        """log p of each (source, target) pair of text, in nats, in order."""
        target = self.system.target
        ids = [(self.system.source_ids(source), target.encode(text)) for source, text in pairs]
        found = dict(force(self.system, ids, weights=False))
        return [
            Score(found[i].log_prob, [*target.pieces(ids[i][1]), SPECIALS[EOS]], found[i].log_probs_T)
            for i in range(len(ids))
        ]


def load(path: str | Path | Sequence[str | Path], *, checkpoint: str = "best", device: str = "auto") -> TrainedModel:
    """The trained model in a run's folder, or the ensemble of several runs.

    Args:
        path: a run's folder, or a list of folders of runs that share a target vocabulary.
        checkpoint: ``best``, ``last``, ``average`` (of those that ``keep_best`` kept), or the name of a kept one.
        device: ``auto`` (a GPU where there is one), ``cpu``, ``cuda``, ``cuda:1`` ...

    Raises:
        FileNotFoundError, ValueError: if a folder is no run's, its checkpoint is missing or damaged, or target
            vocabularies differ.
    """
    folders = [Path(path)] if isinstance(path, str | Path) else [Path(one) for one in path]
    if not folders:
        raise ValueError("no run to load; give the folder of a run, or a list of some")
    systems = [_system(folder, checkpoint, device) for folder in folders]
    system = systems[0] if len(systems) == 1 else System.joined(systems, [str(folder) for folder in folders])
    return TrainedModel(" + ".join(folder.name for folder in folders), system, own_search(folders[0]))


def _system(folder: Path, checkpoint: str, device: str) -> System:
    read_record(folder)
    translator, tokenizers = load_translator(folder, checkpoint)
    return System.of(translator.to(pick_device(device)), tokenizers)


def own_search(folder: Path) -> dict[str, Any]:
    """The settings of the search that a run was trained with."""
    config = yaml.safe_load((folder / CONFIG).read_text(encoding="utf-8"))
    return {key: value for key, value in config["search"].items() if not key.startswith("_")}
