"""From a tokenizer's state, as checkpoints and caches keep it, to the tokenizer."""

from collections.abc import Callable

from rnnsearch.data.sentencepiece_tokenizer import SentencePieceTokenizer
from rnnsearch.data.tokenizer import State, Tokenizer
from rnnsearch.data.word_tokenizer import WordTokenizer

KINDS: dict[str, Callable[[State], Tokenizer]] = {
    "sentencepiece": SentencePieceTokenizer.from_state,
    "word": WordTokenizer.from_state,
}


def load_tokenizer(state: State) -> Tokenizer:
    """The tokenizer whose `state()` this is.

    Raises:
        ValueError: the state is of a kind that is not known.
    """
    kind = str(state.get("kind"))
    if kind not in KINDS:
        raise ValueError(f"a tokenizer of kind {kind!r} is not known; known are {', '.join(sorted(KINDS))}")
    return KINDS[kind](state)
