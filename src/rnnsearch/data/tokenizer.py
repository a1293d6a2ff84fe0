"""What a tokenizer is: text to ids and back; the ids that every vocabulary shares; tokenizers as plain values."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from rnnsearch.data.corpus import Pair

PAD, UNK, BOS, EOS = 0, 1, 2, 3
"""The ids of padding, the unknown word, begin and end of sentence: the same in every vocabulary."""
SPECIALS = ("<pad>", "<unk>", "<s>", "</s>")
"""How the ids 0 to 3 are shown."""

Value = str | int | list[str]
State = Mapping[str, Value]
Pairs = Callable[[], Iterator[Pair]]
"""Gives the pairs to learn from, from the start, each time that it is called."""
LearnFrom = Literal["kept", "all"]
"""Pairs that a vocabulary is learnt on: those trained on, or all that pass the filters but for `filters.first`."""


class Tokenizer(Protocol):
    """Text to ids and back, for one language or for two that share a vocabulary."""

    @property
    def size(self) -> int:
        """Number of ids, the four specials included."""
        ...

    @property
    def checksum(self) -> str:
        """SHA-256 of the state."""
        ...

    @property
    def normalization(self) -> str:
        """The Unicode form that text is brought to: nfc, nfkc or none."""
        ...

    def normalized(self, text: str) -> str:
        """Text in that form, as `decode` gives it back."""
        ...

    def encode(self, text: str) -> list[int]:
        """The ids of a line of text, without begin or end of sentence."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The detokenised text, one line; padding, begin and end of sentence are left out, the unknown is `<unk>`."""
        ...

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """A readable piece for each id."""
        ...

    def written(self, ids: Sequence[int]) -> list[str]:
        """What each id adds to the text, without blanks around it and without marks of the vocabulary's own.

        Of a character in several ids the first has it; these, like specials and blanks, leave an empty string.
        """
        ...

    def word_of_piece(self, ids: Sequence[int]) -> list[int]:
        """For each id the index, from 0, of the word of `text.split()` that it belongs to.

        The end of sentence and other specials count with the word before them.
        """
        ...

    def word_of_token(self, text: str) -> list[int]:
        """For each id of `encode(text)` the index, from 0, of the word of `text.split()` that it comes from.

        A word is that of the id's first character that is no blank; an id of blanks alone counts with the word after
        them. The indices never fall.
        """
        ...

    def state(self) -> dict[str, Value]:
        """Plain values from which `load_tokenizer` makes an equal tokenizer."""
        ...


class SamplingTokenizer(Tokenizer, Protocol):
    """A tokenizer that can cut a text into pieces in more ways than one."""

    def sample(self, text: str, *, rate: float, seed: int) -> list[int]:
        """As `encode`, but at random, the same for the same seed."""
        ...


@dataclass(frozen=True)
class TokenizerPair:
    """The tokenizers of both languages (one object twice when joint) and what is worth recording of their making."""

    source: Tokenizer
    target: Tokenizer
    notes: dict[str, object]

    @property
    def sizes(self) -> dict[str, int]:
        """Of both vocabularies, as `build_translator` takes them."""
        return {"source_size": self.source.size, "target_size": self.target.size}


class TokenizerTraining(Protocol):
    """How tokenizers are learnt; each file of conf/tokenizer is one constructor call of a class like this."""

    def settings(self) -> dict[str, object]:
        """All that the outcome depends on besides the text, as plain values."""
        ...

    def fit(self, pairs: Pairs, source_language: str, target_language: str) -> TokenizerPair:
        """Learn both tokenizers from training pairs."""
        ...


@dataclass(frozen=True)
class GivenTokenizers:
    """Tokenizers that are there already, from a checkpoint say: nothing is learnt.

    `sampling` is that of the training that goes on.
    """

    given: TokenizerPair
    sampling: float | None = None

    def settings(self) -> dict[str, object]:
        """The checksums of both tokenizers."""
        return {"given": [self.given.source.checksum, self.given.target.checksum]}

    def fit(self, pairs: Pairs, source_language: str, target_language: str) -> TokenizerPair:
        """The tokenizers as they were given."""
        return self.given


def state_checksum(state: State) -> str:
    """SHA-256 of a tokenizer's state, in hexadecimal.

    NFC, the usual form, is left out: a vocabulary learnt from text that was in it anyway is the same vocabulary as
    one from before there was a choice, and shares ensembles and studies with it.
    """
    counted = {key: value for key, value in state.items() if (key, value) != ("normalization", "nfc")}
    return hashlib.sha256(json.dumps(counted, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def of_the_text(settings: dict[str, object]) -> dict[str, object]:
    """Settings of a `TokenizerTraining` that its outcome depends on, given the pairs that it learns from."""
    return {key: value for key, value in settings.items() if key not in ("learn_from", "sampling")}


def record_lowered(side: str, requested: int, obtained: int, notes: dict[str, object]) -> str | None:
    """Note the requested and obtained vocabulary size of a side; a sentence to log where they differ."""
    notes[side] = {"requested": requested, "obtained": obtained}
    if obtained == requested:
        return None
    return f"the {side} text has too few different pieces for a vocabulary of {requested}: lowered to {obtained}"
