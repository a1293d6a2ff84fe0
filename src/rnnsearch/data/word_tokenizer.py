"""Words by Moses' rules (sacremoses), the K most frequent of them; the rest are unknown, as in the paper."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version

from sacremoses import MosesDetokenizer, MosesTokenizer

from rnnsearch.data.tokenizer import (
    BOS,
    EOS,
    PAD,
    SPECIALS,
    UNK,
    Pairs,
    State,
    TokenizerPair,
    Value,
    record_lowered,
    state_checksum,
)

logger = logging.getLogger(__name__)


class WordTokenizer:
    """Moses tokenisation and a list of known words; ids 0 to 3 are the specials, words follow."""

    def __init__(self, language: str, words: Sequence[str]) -> None:
        self.language = language
        self._words = [*SPECIALS, *words]
        self._ids = {word: i for i, word in enumerate(words, len(SPECIALS))}
        self._splitter = MosesTokenizer(lang=language)
        self._joiner = MosesDetokenizer(lang=language)
        self.checksum = state_checksum(self.state())

    @classmethod
    def from_state(cls, state: State) -> "WordTokenizer":
        """The tokenizer whose `state()` this is."""
        words = state["words"]
        assert isinstance(words, list)
        return cls(str(state["language"]), words)

    @property
    def size(self) -> int:
        """Number of ids, the four specials included."""
        return len(self._words)

    def state(self) -> dict[str, Value]:
        """Language and words, the most frequent first."""
        return {"kind": "word", "language": self.language, "words": self._words[len(SPECIALS) :]}

    def split(self, text: str) -> list[str]:
        """The tokens of a line of text by Moses' rules."""
        tokens: list[str] = self._splitter.tokenize(text, escape=False)
        return tokens

    def encode(self, text: str) -> list[int]:
        """The ids of a line of text; words that are not known become `UNK`."""
        return [self._ids.get(token, UNK) for token in self.split(text)]

    def decode(self, ids: Sequence[int]) -> str:
        """The detokenised text; an unknown word is `<unk>`."""
        return self._join([self._words[i] for i in ids if i not in (PAD, BOS, EOS)])

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The word of each id."""
        return [self._words[i] for i in ids]

    def word_of_piece(self, ids: Sequence[int]) -> list[int]:
        """For each id the index of its word in the detokenised text, found by reading that text along with the ids."""
        text, position = self.decode(ids), 0
        words: list[int] = []
        for i in ids:
            word = self._words[i]
            start = len(text) - len(text[position:].lstrip())
            if i not in (PAD, BOS, EOS) and text.startswith(word, start):
                words.append(text.count(" ", 0, start))
                position = start + len(word)
            else:
                words.append(text.count(" ", 0, position))
        return words

    def word_of_token(self, text: str) -> list[int]:
        """For each id of `encode(text)` the index of its word of `text.split(" ")`, by reading the text along with it.

        Moses' tokens are the text's characters in order, without what `_is_dropped`. Where a rule has rewritten some
        (a text may hold the marks that Moses itself puts in, such as DOTMULTI), the next token that is found goes on.
        """
        kept = [(character, word) for character, word in _words_of_characters(text) if not _is_dropped(character)]
        characters, words = "".join(character for character, _ in kept), [word for _, word in kept]
        found: list[int] = []
        position = 0
        for token in self.split(text):
            start = characters.find(token, position)
            if start >= 0:
                position = start + len(token)
            found.append(words[start] if start >= 0 else words[min(position, len(words) - 1)])
        return found

    def _join(self, tokens: list[str]) -> str:
        text: str = self._joiner.detokenize(tokens, unescape=False)
        return text


def _words_of_characters(text: str) -> Iterator[tuple[str, int]]:
    """Each character of the words of a text, and the index of its word."""
    return ((character, word) for word, part in enumerate(text.split(" ")) for character in part)


def _is_dropped(character: str) -> bool:
    """Whether Moses leaves a character out: white space and control characters."""
    return character.isspace() or character < " "


@dataclass(frozen=True, kw_only=True)
class WordTraining:
    """Keep the most frequent words of training text; sizes count the four specials."""

    source_size: int
    target_size: int

    def __post_init__(self) -> None:
        for key, size in (("source_size", self.source_size), ("target_size", self.target_size)):
            if size <= len(SPECIALS):
                raise ValueError(f"tokenizer.{key}={size}: must be above {len(SPECIALS)}, the number of special ids")

    def settings(self) -> dict[str, object]:
        """All that the outcome depends on besides the text."""
        return {"kind": "word", "version": version("sacremoses"), **asdict(self)}

    def fit(self, pairs: Pairs, source_language: str, target_language: str) -> TokenizerPair:
        """Count words in training pairs; a size above the number of different words is lowered, logged and noted."""
        source = _most_frequent(source_language, (pair.source for pair in pairs()), self.source_size)
        target = _most_frequent(target_language, (pair.target for pair in pairs()), self.target_size)
        notes: dict[str, object] = {"kind": "word"}
        for side, requested, tokenizer in (
            ("source", self.source_size, source),
            ("target", self.target_size, target),
        ):
            if sentence := record_lowered(side, requested, tokenizer.size, notes):
                logger.warning(sentence)
        return TokenizerPair(source, target, notes)


def _most_frequent(language: str, texts: Iterable[str], size: int) -> WordTokenizer:
    """A tokenizer of the `size` - 4 most frequent words; equally frequent ones stand in the order of the alphabet."""
    logger.info("counting %s words for a vocabulary of %d", language, size)
    splitter = WordTokenizer(language, [])
    counts = Counter(token for text in texts for token in splitter.split(text))
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    return WordTokenizer(language, ranked[: size - len(SPECIALS)])
