"""Unknown words of a translation replaced through the source (Luong et al. 2015, arXiv 1410.8206, section 3).

Each unknown word stands for the source word with the strongest weight at its place: attention, or gradient saliency
if a member has no attention; the mean over members. That word is looked up in a lexicon, or else copied.

T target tokens, S source tokens, each with the end of sentence.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rnnsearch.data.lines import lines
from rnnsearch.data.tokenizer import UNK
from rnnsearch.data.word_tokenizer import WordTokenizer
from rnnsearch.evaluation.alignment_links import Weights
from rnnsearch.evaluation.system import Ids, Sources, System
from rnnsearch.evaluation.translating import Translation
from rnnsearch.evaluation.word_alignment import chosen_method, weights_of_pieces


@dataclass(frozen=True)
class Replacement:
    """Replaces unknown words.

    Args:
        lexicon: translations of source words, spelled as the source's tokenizer splits them.
    """

    system: System
    lexicon: Mapping[str, str]

    def __post_init__(self) -> None:
        source, _ = word_tokenizers(self.system)
        known = {source.normalized(word): translated for word, translated in reversed([*self.lexicon.items()])}
        object.__setattr__(self, "lexicon", known)

    def apply(self, translations: Sequence[Sequence[Translation]], sources: Sequence[str]) -> list[list[Translation]]:
        """The n-best translations of source texts, without `<unk>` wherever the source says what it stands for.

        ``target_ids`` and the scores stay the model's own; ``word_of_target`` says where each id stands in the text.
        """
        replaced = [list(of_text) for of_text in translations]
        places = [
            (row, rank)
            for row, of_text in enumerate(translations)
            for rank, translation in enumerate(of_text)
            if UNK in translation.target_ids
        ]
        pairs = [(replaced[row][rank].sources, replaced[row][rank].target_ids) for row, rank in places]
        for i, weights_TS in token_weights(self.system, pairs):
            row, rank = places[i]
            replaced[row][rank] = self._replaced(replaced[row][rank], sources[row], weights_TS)
        return replaced

    def _replaced(self, translation: Translation, source: str, weights_TS: Weights) -> Translation:
        source_tokenizer, target_tokenizer = word_tokenizers(self.system)
        source_words = source_tokenizer.split(source)[: len(translation.sources[0])]
        words = target_tokenizer.pieces(translation.target_ids)
        for place, token in enumerate(translation.target_ids):
            weights_S = weights_TS[place, : len(source_words)]
            if token == UNK and weights_S.any():
                strongest = source_words[int(weights_S.argmax())]
                copied = source_tokenizer.bare(strongest)
                text = self.lexicon.get(copied, copied)
                words[place] = target_tokenizer.in_place_of(strongest, target_tokenizer.normalized(text))
        text = target_tokenizer.join(words)
        return replace(translation, text=text, word_of_target=target_tokenizer.word_of_written(words))


def word_tokenizers(system: System) -> tuple[WordTokenizer, WordTokenizer]:
    """The source and target tokenizers of a system of words.

    Raises:
        ValueError: if it writes or reads other pieces than words, or its members split the source differently.
    """
    sources = [member.source for member in system.members]
    if not isinstance(system.target, WordTokenizer):
        raise ValueError(
            "replace_unknown=true: this model writes pieces of words, so it has no unknown words to replace; "
            "set replace_unknown=false"
        )
    first = sources[0]
    if not isinstance(first, WordTokenizer) or not all(
        isinstance(other, WordTokenizer) and _splitting(other) == _splitting(first) for other in sources
    ):
        raise ValueError(
            "replace_unknown=true: the members of this ensemble split the source into different tokens, so their "
            "weights can't be joined; set replace_unknown=false"
        )
    return first, system.target


def _splitting(tokenizer: WordTokenizer) -> tuple[str, bool, str]:
    """What a text's tokens depend on."""
    return tokenizer.language, tokenizer.joined, tokenizer.normalization


def token_weights(system: System, pairs: Sequence[tuple[Sources, Ids]]) -> Iterator[tuple[int, Weights]]:
    """The mean over members of each pair's weights ``[T, S]``, with its place, out of order."""
    for place, weights in weights_of_pieces(system, pairs, chosen_method(system, "auto")):
        yield place, np.mean(weights, axis=0)


def read_lexicon(path: Path) -> dict[str, str]:
    """Source and target word from each line of a file, separated by a tab; the first line of a source word counts.

    Raises:
        FileNotFoundError, ValueError: if the file can't be read, or a line is no such pair.
    """
    lexicon: dict[str, str] = {}
    for number, line in enumerate(lines(path), start=1):
        words = [word.strip() for word in line.split("\t")]
        if len(words) != 2 or not all(words):
            raise ValueError(f"{path}: line {number} is {line[:60]!r}; write a source word, a tab and a target word")
        lexicon.setdefault(*words)
    return lexicon
