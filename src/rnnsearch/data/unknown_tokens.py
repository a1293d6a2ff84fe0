"""How much of a corpus a vocabulary that was learnt elsewhere does not know."""

import numpy as np
from datasets import Dataset

from rnnsearch.data.sentencepiece_tokenizer import SentencePieceTokenizer
from rnnsearch.data.tokenizer import UNK, Tokenizer, TokenizerPair


def unknown_tokens(rows: Dataset, tokenizers: TokenizerPair) -> dict[str, tuple[int, int]]:
    """Of the encoded pairs ``rows``, by side: tokens that are unknown words or single bytes, and all tokens.

    Pieces have bytes for characters that they lack, where words have one id for all that is unknown.
    """
    counted = {}
    for side, tokenizer in (("source", tokenizers.source), ("target", tokenizers.target)):
        ids = np.concatenate([chunk.flatten().to_numpy() for chunk in rows.data.column(side).chunks])
        counted[side] = (int(np.isin(ids, _unknown(tokenizer)).sum()), len(ids))
    return counted


def _unknown(tokenizer: Tokenizer) -> list[int]:
    return [UNK, *(tokenizer.byte_ids if isinstance(tokenizer, SentencePieceTokenizer) else ())]
