"""A trained run, or an ensemble of several, that translates, scores and aligns; without Hydra.

T target tokens.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from rnnsearch.data.lines import well_formed
from rnnsearch.data.tokenizer import EOS, SPECIALS
from rnnsearch.evaluation import translating
from rnnsearch.evaluation.forcing import force
from rnnsearch.evaluation.system import System
from rnnsearch.evaluation.unknown import Replacement
from rnnsearch.evaluation.word_alignment import MAX_LENGTH, Alignment, align, align_translations, chosen_method
from rnnsearch.kernels.rounded_products import multiplying_in
from rnnsearch.model.checkpoint import load_translator, pick_device
from rnnsearch.records.run_record import read_record
from rnnsearch.search.beam import BeamSearch
from rnnsearch.search.hypotheses import Search
from rnnsearch.search.sampling import Sampling
from rnnsearch.search.settings import CommonSettings, Kind, SearchSettings, common_settings, make_search, own_search


@dataclass(frozen=True)
class Hypothesis:
    """One translation.

    Args:
        text: detokenised.
        score: what ranked it: normalised and penalised.
        log_prob: log p in nats, end of sentence included.
        tokens: the pieces that the model wrote, without the end of sentence.
    """

    text: str
    score: float
    log_prob: float
    tokens: list[str]
    _align: Callable[[], Alignment] = field(repr=False, compare=False)

    @cached_property
    def alignment(self) -> Alignment:
        """The alignment with the source, over words; made when first asked for, if it was not asked for before."""
        return self._align()


@dataclass(frozen=True, slots=True)
class Translation:
    """What a source became: its hypotheses, best first, at least one."""

    source: str
    hypotheses: list[Hypothesis]

    @property
    def text(self) -> str:
        """The best hypothesis."""
        return self.hypotheses[0].text


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """The probability of a given target.

    Args:
        log_prob: log p in nats, end of sentence included.
        tokens: the target's pieces, ``</s>`` last.
        log_probs: log p of each of them in nats, float64 ``[T]``.
    """

    log_prob: float
    tokens: list[str]
    log_probs: NDArray[np.float64]


@dataclass(frozen=True)
class TrainedModel:
    """A run, or an ensemble of runs, that is ready to translate; see `load`.

    Args:
        name: the runs' folders.
        system: models and tokenizers.
        settings: those of the search that it was trained with.
        kind: the class of that search.
    """

    name: str
    system: System
    settings: Mapping[str, Any]
    kind: Kind = BeamSearch

    @property
    def has_attention(self) -> bool:
        """Whether every member weighs source positions."""
        return self.system.has_attention

    def search(self, **changes: Unpack[SearchSettings]) -> Search:
        """The search that the run was trained with, with some settings changed.

        Raises:
            ValueError: for a setting that it does not have, or a value that it refuses.
        """
        return make_search(self.kind, {**self.settings, **changes})

    def sampling(
        self,
        *,
        n_best: int = 1,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int = 0,
        **changes: Unpack[CommonSettings],
    ) -> Search:
        """A search that draws translations, under the run's own bounds on lengths; see `Sampling`.

        Raises:
            ValueError: for a setting that sampling does not have, or a value that it refuses.
        """
        drawn = {"n_best": n_best, "temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
        return make_search(Sampling, {**common_settings(self.settings), **drawn, **changes})

    def translate(
        self,
        texts: Sequence[str],
        *,
        prefixes: Sequence[str] | None = None,
        search: Search | None = None,
        first: int = 0,
        replace_unknown: bool = False,
        lexicon: Mapping[str, str] | None = None,
        alignments: bool = False,
        method: str = "auto",
        threshold: float | None = None,
        max_aligned: int = MAX_LENGTH,
        **settings: Unpack[SearchSettings],
    ) -> list[Translation]:
        """Translations of lines of text, in order.

        A text without a letter or sign becomes nothing, with a score of 0, whatever its prefix. Surrogates, which are
        no text, are read as U+FFFD.

        Args:
            texts: one sentence each.
            prefixes: with what each translation must begin, in whole words; one a text, empty for any beginning.
            search: another search; by default the run's own, with ``settings`` changed, such as ``beam_size=12``.
            first: number of the first text, on which sampling depends.
            replace_unknown: put a source word in the place of each unknown one (vocabularies of words).
            lexicon: translations of source words for that; other words are copied.
            alignments: make all alignments at once, which is faster than one by one.
            method: of alignments; see `align`.
            threshold: of alignments; see `align`.
            max_aligned: the ``max_length`` of `align`; in ``settings`` that is the search's.

        Raises:
            ValueError: for a setting or an option that is not allowed.
        """
        if search is not None and settings:
            raise ValueError(f"{', '.join(settings)}: settings of the run's own search; give them or search, not both")
        if lexicon is not None and not replace_unknown:
            raise ValueError("a lexicon is for replace_unknown=True; give both or neither")
        sources = _texts(texts, "texts")
        begun = None if prefixes is None else _texts(prefixes, "prefixes")
        if begun is not None and len(begun) != len(sources):
            raise ValueError(f"{len(begun)} prefixes for {len(sources)} texts; give one a text, if only an empty one")
        chosen_method(self.system, method)
        replacement = Replacement(self.system, lexicon or {}) if replace_unknown else None
        n_best = translating.translate(
            self.system, search or self.search(**settings), sources, prefixes=begun, first=first
        )
        n_best = replacement.apply(n_best, sources) if replacement else n_best
        make = partial(align_translations, self.system, method=method, threshold=threshold, max_length=max_aligned)
        aligned = _aligned(make, n_best, sources, at_once=alignments)
        return [
            Translation(text, [self._hypothesis(hypothesis, next(aligned)) for hypothesis in of_text])
            for text, of_text in zip(sources, n_best, strict=True)
        ]

    def score(self, pairs: Sequence[tuple[str, str]], *, precision: str = "32-true") -> list[Score]:
        """The probability of the target of each (source, target) pair of texts, in order.

        Args:
            pairs: texts.
            precision: of products, as a search has it; see `rnnsearch.kernels.rounded_products`.

        Raises:
            ValueError: for a precision that is not to be had here.
        """
        target = self.system.target
        ids = [(self.system.source_ids(source), target.encode(text)) for source, text in _pairs(pairs)]
        with multiplying_in(precision, self.system.device, "precision"):
            forced = dict(force(self.system, ids, weights=False))
        return [
            Score(forced[i].log_prob, [*target.pieces(ids[i][1]), SPECIALS[EOS]], forced[i].log_probs_T)
            for i in range(len(ids))
        ]

    def align(
        self,
        pairs: Sequence[tuple[str, str]],
        *,
        method: str = "auto",
        threshold: float | None = None,
        max_length: int = MAX_LENGTH,
    ) -> list[Alignment]:
        """The alignment of each (source, target) pair of texts by forced decoding, over words split at blanks.

        Args:
            pairs: texts.
            method: ``attention`` weights, gradient ``saliency``, or ``auto``: attention where the model has it.
            threshold: None links each target word to the strongest source word; otherwise to every source word whose
                weight is at least this.
            max_length: a pair with more pieces on a side has no links, with a warning.

        Raises:
            ValueError: for a method that the model does not have, or a threshold that is not in (0, 1].
        """
        return align(self.system, _pairs(pairs), method=method, threshold=threshold, max_length=max_length)

    def _hypothesis(self, translation: translating.Translation, aligned: Callable[[], Alignment]) -> Hypothesis:
        pieces = self.system.target.pieces(translation.target_ids)
        return Hypothesis(translation.text, translation.score, translation.log_prob, pieces, aligned)


def _aligned(
    make: Callable[..., list[Alignment]],
    n_best: Sequence[Sequence[translating.Translation]],
    sources: Sequence[str],
    *,
    at_once: bool,
) -> Iterator[Callable[[], Alignment]]:
    """Functions that give the alignment of each hypothesis, in order; all alignments are made now if ``at_once``."""
    flat = [(translation, text) for text, of_text in zip(sources, n_best, strict=True) for translation in of_text]
    if not at_once:
        return (partial(_only, make, translation, text) for translation, text in flat)
    alignments = make([translation for translation, _ in flat], [text for _, text in flat])
    return (partial(_known, alignment) for alignment in alignments)


def _only(make: Callable[..., list[Alignment]], translation: translating.Translation, source: str) -> Alignment:
    return make([translation], [source])[0]


def _known(alignment: Alignment) -> Alignment:
    return alignment


def load(
    path: str | Path | Sequence[str | Path],
    *,
    checkpoint: str = "best",
    device: str = "auto",
    trust: Sequence[str] = (),
) -> TrainedModel:
    """The trained model in a run's folder, or the ensemble of several runs.

    Examples:
        >>> import rnnsearch
        >>> model = rnnsearch.load("outputs/a_run", device="cpu")
        >>> [translation] = model.translate(["the small house"], beam_size=4, n_best=2)
        >>> best, second = translation.hypotheses
        >>> best.text == translation.text and best.score >= second.score
        True
        >>> [score] = model.score([("the small house", "un petit jardin")])
        >>> score.tokens[-1], len(score.tokens) == len(score.log_probs)
        ('</s>', True)
        >>> [alignment] = model.align([("the small house", "un petit jardin")])
        >>> alignment.weights_TS.shape  # target words, source words; in a notebook `alignment` shows itself
        (3, 3)

    Args:
        path: a run's folder, or a list of folders of runs that share a target vocabulary.
        checkpoint: ``best``, ``last``, ``average`` (of those that ``keep_best`` kept), or the name of a kept one.
        device: ``auto`` (a GPU where there is one), ``cpu``, ``cuda``, ``cuda:1`` ...
        trust: packages of your own whose modules the model may be made of; nothing else is imported or executed.

    Raises:
        FileNotFoundError, ValueError: if a folder is no run's, its checkpoint is missing or damaged, target
            vocabularies differ, or the device is not there.
    """
    folders = [Path(path)] if isinstance(path, str | Path) else [Path(folder) for folder in path]
    if not folders:
        raise ValueError("no run to load; give the folder of a run, or a list of some")
    trust = [trust] if isinstance(trust, str) else trust
    systems = [_system(folder, checkpoint, device, trust) for folder in folders]
    system = systems[0] if len(systems) == 1 else System.joined(systems, [str(folder) for folder in folders])
    kind, settings = own_search(folders[0], read_record(folders[0]))
    return TrainedModel(" + ".join(folder.name for folder in folders), system, settings, kind)


def _system(folder: Path, checkpoint: str, device: str, trust: Sequence[str]) -> System:
    read_record(folder)
    translator, tokenizers = load_translator(folder, checkpoint, trust)
    return System.of(translator.to(pick_device(device)), tokenizers)


def _texts(texts: Sequence[str], name: str) -> list[str]:
    """Texts that can be written as UTF-8.

    Raises:
        ValueError: for one string in the place of a list.
    """
    if isinstance(texts, str):
        raise ValueError(f"{name} is one string; give a list of strings: [{texts[:30]!r}]")
    return [well_formed(text) for text in texts]


def _pairs(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """As `_texts`, for pairs.

    Raises:
        ValueError: for something that is no pair.
    """
    for pair in pairs:
        if isinstance(pair, str) or len(pair) != 2:
            raise ValueError(f"{pair!r:.60} is no pair; give (source, target) texts")
    return [(well_formed(source), well_formed(target)) for source, target in pairs]
