"""Words by Moses' rules (sacremoses), the K most frequent of them; the rest are unknown, as in the paper."""

import logging
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import accumulate

from rnnsearch.data import joiners
from rnnsearch.data.normalization import check_form, normalized, word_of_characters
from rnnsearch.data.tokenizer import (
    BOS,
    EOS,
    PAD,
    SPECIALS,
    UNK,
    LearnFrom,
    Pairs,
    State,
    TokenizerPair,
    Value,
    of_the_text,
    record_lowered,
    state_checksum,
)

logger = logging.getLogger(__name__)


class WordTokenizer:
    """Tokens by Moses' rules and a list of known ones; ids 0 to 3 are the specials, the others follow.

    Tokens carry `joiners`, so that decoding gives back every text in its Unicode form, single blanks between its
    words; a vocabulary from before there were any (``joined=False``) is decoded by Moses' own rules, which guess.
    """

    def __init__(self, language: str, words: Sequence[str], *, joined: bool = True, normalization: str = "nfc") -> None:
        check_form(normalization, "tokenizer.normalization")
        from sacremoses import MosesDetokenizer, MosesTokenizer  # takes half a second; other tokenizers need none

        self.language = language
        self.joined = joined
        self.normalization = normalization
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
        return cls(
            str(state["language"]),
            words,
            joined="joiner" in state,
            normalization=str(state.get("normalization", "none")),
        )

    @property
    def size(self) -> int:
        """Number of ids, the four specials included."""
        return len(self._words)

    def state(self) -> dict[str, Value]:
        """Language, Unicode form and words, the most frequent first; the joiner, where there is one."""
        state: dict[str, Value] = {"kind": "word", "language": self.language, "words": self._words[len(SPECIALS) :]}
        state |= {"joiner": joiners.JOINER} if self.joined else {}
        return state if self.normalization == "none" else state | {"normalization": self.normalization}

    def normalized(self, text: str) -> str:
        """Text in the Unicode form of this vocabulary."""
        return normalized(text, self.normalization)

    def split(self, text: str) -> list[str]:
        """The tokens of a line of text, by Moses' rules but for characters that these would tear apart."""
        return [token for token, _ in self._tokens(self.normalized(text))]

    def _tokens(self, text: str) -> list[tuple[str, int]]:
        """Tokens and where each begins in the text."""
        tokens: list[str] = self._splitter.tokenize(text, escape=False)
        starts = _starts(text, tokens)
        if not self.joined:
            return list(zip(tokens, starts, strict=True))
        pieces: list[tuple[str, int]] = []
        for word in _WORDS.finditer(text):
            places = sorted({start - word.start() for start in starts if word.start() < start < word.end()})
            parts = joiners.cut(word[0], places)
            ends = accumulate(map(len, parts), initial=word.start())
            pieces += zip(joiners.joined(parts), ends, strict=False)
        return pieces

    def encode(self, text: str) -> list[int]:
        """The ids of a line of text; words that are not known become `UNK`."""
        return [self._ids.get(token, UNK) for token in self.split(text)]

    def decode(self, ids: Sequence[int]) -> str:
        """The detokenised text; an unknown word is `<unk>`."""
        return self.join([self._words[i] for i in ids if i not in (PAD, BOS, EOS)])

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The word of each id."""
        return [self._words[i] for i in ids]

    def written(self, ids: Sequence[int]) -> list[str]:
        """What each id adds to the detokenised text, `<unk>` for an unknown word."""
        return ["" if i in (PAD, BOS, EOS) else self.bare(self._words[i]) for i in ids]

    def word_of_piece(self, ids: Sequence[int]) -> list[int]:
        """For each id the index of its word in the detokenised text."""
        return self.word_of_written(["" if i in (PAD, BOS, EOS) else self._words[i] for i in ids])

    def word_of_written(self, tokens: Sequence[str]) -> list[int]:
        """For each token the index of its word in `join(tokens)`; an empty token counts with the word before it."""
        if self.joined:
            return joiners.words_of(tokens)
        text, position = self.join(tokens), 0
        word_of = list(word_of_characters(text, "none"))
        words: list[int] = []
        for token in tokens:
            start = len(text) - len(text[position:].lstrip())
            if token and text.startswith(token, start):
                words.append(word_of[start])
                position = start + len(token)
            else:
                words.append(words[-1] if words else 0)
        return words

    def word_of_token(self, text: str) -> list[int]:
        """For each id of `encode(text)` the index of its word of `text.split()`."""
        word_of = list(word_of_characters(text, self.normalization))
        return [word_of[start] for _, start in self._tokens(self.normalized(text))]

    def join(self, tokens: Sequence[str]) -> str:
        """The text of tokens, known words or not; the empty ones are left out."""
        if self.joined:
            return joiners.text_of(tokens)
        text: str = self._joiner.detokenize([token for token in tokens if token], unescape=False)
        return text

    def bare(self, token: str) -> str:
        """What a token of `split` stands for in the text."""
        return joiners.bare(token) if self.joined else token

    def in_place_of(self, token: str, text: str) -> str:
        """Text as a token for `join`, joined with its neighbours as another token of `split` was."""
        return joiners.in_place_of(token, text) if self.joined else text


_WORDS = re.compile(r"\S+")


def _starts(text: str, tokens: Sequence[str]) -> list[int]:
    """Where each of Moses' tokens begins in the text, by reading both along.

    Moses' tokens are the text's characters in order, without white space and control characters. Where a rule has
    rewritten some (a text may hold the marks that Moses itself puts in, such as DOTMULTI), the next token that is found
    goes on.
    """
    kept = [place for place, character in enumerate(text) if not (character.isspace() or character < " ")]
    characters = "".join(text[place] for place in kept)
    starts: list[int] = []
    position = 0
    for token in tokens:
        start = characters.find(token, position)
        if start >= 0:
            position = start + len(token)
        starts.append(kept[start if start >= 0 else min(position, len(kept) - 1)])
    return starts


@dataclass(frozen=True, kw_only=True)
class WordTraining:
    """Keep the most frequent words of training text; sizes count the four specials."""

    source_size: int
    target_size: int
    normalization: str = "none"  # runs of earlier versions lack this and the next two
    joiners: bool = False
    learn_from: LearnFrom = "kept"

    def __post_init__(self) -> None:
        check_form(self.normalization, "tokenizer.normalization")
        for key, size in (("source_size", self.source_size), ("target_size", self.target_size)):
            if size <= len(SPECIALS):
                raise ValueError(f"tokenizer.{key}={size}: must be above {len(SPECIALS)}, the number of special ids")

    def settings(self) -> dict[str, object]:
        """All that the outcome depends on besides the text."""
        return {"kind": "word", "version": version("sacremoses"), **of_the_text(asdict(self))}

    def fit(self, pairs: Pairs, source_language: str, target_language: str) -> TokenizerPair:
        """Count words in training pairs; a size above the number of different words is lowered, logged and noted."""
        source = self._most_frequent(source_language, (pair.source for pair in pairs()), self.source_size)
        target = self._most_frequent(target_language, (pair.target for pair in pairs()), self.target_size)
        notes: dict[str, object] = {"kind": "word"}
        for side, requested, tokenizer in (("source", self.source_size, source), ("target", self.target_size, target)):
            if sentence := record_lowered(side, requested, tokenizer.size, notes):
                logger.warning(sentence)
        return TokenizerPair(source, target, notes)

    def _most_frequent(self, language: str, texts: Iterable[str], size: int) -> WordTokenizer:
        """A tokenizer of the `size` - 4 most frequent words; equally frequent ones are in the order of the alphabet."""
        logger.info("counting %s words for a vocabulary of %d", language, size)

        def tokenizer(words: Sequence[str]) -> WordTokenizer:
            return WordTokenizer(language, words, joined=self.joiners, normalization=self.normalization)

        splitter = tokenizer([])
        counts = Counter(token for text in texts for token in splitter.split(text))
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        return tokenizer(ranked[: size - len(SPECIALS)])
