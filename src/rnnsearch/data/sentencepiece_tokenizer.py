"""SentencePiece (Kudo and Richardson, 2018): byte-pair or unigram pieces; detokenisation is exact.

Three settings keep it exact: identity normalisation, no removal of extra blanks, and bytes for unseen characters.
SentencePiece itself reads a literal "▁" as a blank and skips training lines that hold its internal mark "▅";
both are therefore escaped.
"""

import base64
import io
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from random import Random
from typing import Literal

import sentencepiece

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

BLANK = "▁"
ESCAPE = "\ue000"  # private use
ESCAPED = {BLANK: ESCAPE + "\ue001", "▅": ESCAPE + "\ue002", ESCAPE: ESCAPE + ESCAPE}
ORIGINAL = {code: character for character, code in ESCAPED.items()}
CHARACTER = re.compile(f"{'|'.join(ORIGINAL)}|.", re.DOTALL)  # of escaped text
CHANGED = re.compile(f"[{''.join(ESCAPED)}\ud800-\udfff]")
REPLACEMENT = "\ufffd"
BYTE = re.compile(r"<0x([0-9A-F]{2})>")
BROKEN = "surrogateescape"  # how Python's codecs keep bytes that are no UTF-8, which only a model writes
MOST = 500_000
"""Texts that a vocabulary is learnt from: SentencePiece holds them all in memory, and more change it little."""
SILENT = 2  # SentencePiece's log level: errors only
UNSEEDED = 2**32 - 1  # which SentencePiece takes for no seed
LONGEST = 1 << 30  # bytes; SentencePiece skips longer lines, and allows no higher limit


def escape(text: str) -> str:
    """Text without the characters that SentencePiece would change; lone surrogates, which no file holds, are lost."""
    return CHANGED.sub(lambda match: ESCAPED.get(match[0], REPLACEMENT), text)


def unescape(text: str) -> str:
    """The inverse of `escape`; a broken escape, which only a model writes, stays as it is."""
    return re.sub("|".join(ORIGINAL), lambda match: ORIGINAL[match[0]], text)


class SentencePieceTokenizer:
    """A learnt SentencePiece model, given as its serialised bytes."""

    def __init__(self, model: bytes, *, normalization: str) -> None:
        check_form(normalization, "tokenizer.normalization")
        self.normalization = normalization
        self._model = model
        self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        self.checksum = state_checksum(self.state())

    @classmethod
    def from_state(cls, state: State) -> "SentencePieceTokenizer":
        """The tokenizer whose `state()` this is."""
        return cls(base64.b64decode(str(state["model"])), normalization=str(state.get("normalization", "none")))

    @property
    def size(self) -> int:
        """Number of ids, the four specials included."""
        return int(self._processor.vocab_size())

    @property
    def byte_ids(self) -> list[int]:
        """The ids that spell a byte of a character without a piece of its own."""
        return [i for i in range(self.size) if self._processor.is_byte(i)]

    def state(self) -> dict[str, Value]:
        """The serialised model as base64, and the Unicode form of its text."""
        state: dict[str, Value] = {"kind": "sentencepiece", "model": base64.b64encode(self._model).decode("ascii")}
        return state if self.normalization == "none" else state | {"normalization": self.normalization}

    def normalized(self, text: str) -> str:
        """Text in the Unicode form of this vocabulary."""
        return normalized(text, self.normalization)

    def encode(self, text: str) -> list[int]:
        """The ids of a line of text."""
        ids: list[int] = self._processor.encode(escape(self.normalized(text)))
        return ids

    def sample(self, text: str, *, rate: float, seed: int) -> list[int]:
        """The ids of a line of text cut at random, the same for the same seed; `decode` gives the same text.

        Of a BPE vocabulary ``rate`` is the probability that a merge is left out (BPE-dropout, Provilkov et al. 2020,
        arXiv 1910.13267); of a unigram one, the power of the probability by which pieces are drawn (Kudo 2018, arXiv
        1804.10959): near 0 all ways of cutting are as likely, 1 follows the model.
        """
        sentencepiece.set_random_generator_seed(seed % UNSEEDED)
        escaped = escape(self.normalized(text))
        ids: list[int] = self._processor.encode(escaped, enable_sampling=True, alpha=rate, nbest_size=-1)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The normalised text, exactly, of ids that `encode` gave; a model's own line break becomes a blank."""
        kept = [int(i) for i in ids if i not in (PAD, BOS, EOS)]
        return unescape(self._processor.decode(kept)).replace("\n", " ")

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """A readable piece for each id; "▁" marks a blank."""
        return [unescape(self._piece(i)) for i in ids]

    def written(self, ids: Sequence[int]) -> list[str]:
        """What each id adds to `decode(ids)`, without blanks around it; of a character in bytes the first has it."""
        return texts_of_pieces(["" if i in (PAD, BOS, EOS) else self._piece(i) for i in ids])

    def _piece(self, i: int) -> str:
        return SPECIALS[i] if i < len(SPECIALS) else str(self._processor.id_to_piece(int(i)))

    def word_of_piece(self, ids: Sequence[int]) -> list[int]:
        """For each id the index of its word in `decode(ids).split()`."""
        text = b"".join(self._written(ids)).decode("utf-8", BROKEN)
        return _of_first_bytes(self._written(ids), zip(text, word_of_characters(text, "none"), strict=True))

    def word_of_token(self, text: str) -> list[int]:
        """For each id of `encode(text)` the index of its word of `text.split()`."""
        words = word_of_characters(text, self.normalization)
        characters = zip(map(escape, self.normalized(text)), words, strict=True)
        return _of_first_bytes(self._written(self.encode(text)), characters)

    def _written(self, ids: Sequence[int]) -> list[bytes]:
        """What each id writes, in bytes, without the blank that is put before the text."""
        chunks = [b"" if i in (PAD, BOS, EOS) else _bytes(self._piece(i)) for i in ids]
        first = next((place for place, part in enumerate(chunks) if part), None)
        if first is not None:
            chunks[first] = chunks[first].removeprefix(b" ")
        return chunks


def texts_of_pieces(pieces: Sequence[str]) -> list[str]:
    """What each piece adds to a text, without blanks around it; of a character in bytes the first has it."""
    parts = [_bytes(piece) for piece in pieces]
    characters = CHARACTER.findall(b"".join(parts).decode("utf-8", BROKEN))
    starts = _of_first_bytes(parts, zip(characters, range(len(characters)), strict=True))
    bounds = pairwise([*dict.fromkeys(starts), len(characters)])
    added = {start: "".join(characters[start:end]).encode("utf-8", BROKEN) for start, end in bounds}
    return [unescape(added.pop(start, b"").decode("utf-8", "replace")).strip() for start in starts]


def _of_first_bytes(parts: Sequence[bytes], characters: Iterable[tuple[str, int]]) -> list[int]:
    """The number of each part's first byte, from the characters that all parts write and the number of each."""
    of_byte = [number for text, number in characters for _ in text.encode("utf-8", BROKEN)]
    numbers: list[int] = []
    position = 0
    for part in parts:
        known = part and position < len(of_byte)
        numbers.append(of_byte[position] if known else numbers[-1] if numbers else 0)
        position += len(part)
    return numbers


def _bytes(piece: str) -> bytes:
    byte = BYTE.fullmatch(piece)
    return bytes([int(byte[1], 16)]) if byte else piece.replace(BLANK, " ").encode()


@dataclass(frozen=True, kw_only=True)
class SentencePieceTraining:
    """Learn SentencePiece models from training text, one a side or, if `joint`, one for both.

    Sizes count the four specials, the 256 bytes and the pieces. A joint vocabulary needs equal sizes. With `sampling`,
    the rate of `SentencePieceTokenizer.sample`, training cuts its text anew each epoch; the vocabulary is the same.
    """

    algorithm: Literal["bpe", "unigram"]
    source_size: int
    target_size: int
    joint: bool
    character_coverage: float
    threads: int
    normalization: str = "none"  # runs of earlier versions lack this and the next two
    learn_from: LearnFrom = "kept"
    sampling: float | None = None

    def __post_init__(self) -> None:
        check_form(self.normalization, "tokenizer.normalization")
        if self.algorithm not in ("bpe", "unigram"):
            raise ValueError(f"tokenizer.algorithm={self.algorithm}: allowed are bpe and unigram")
        if self.sampling is not None and not 0.0 < self.sampling <= 1.0:
            raise ValueError(f"tokenizer.sampling={self.sampling}: must be above 0 and at most 1, or null for none")
        if self.joint and self.source_size != self.target_size:
            sizes = f"tokenizer.source_size={self.source_size} and tokenizer.target_size={self.target_size}"
            raise ValueError(f"{sizes}: a joint vocabulary (tokenizer.joint=true) has one size; make them equal")

    def settings(self) -> dict[str, object]:
        """All that the outcome depends on besides the text."""
        return {"kind": "sentencepiece", "version": sentencepiece.__version__, **of_the_text(asdict(self))}

    def fit(self, pairs: Pairs, source_language: str, target_language: str) -> TokenizerPair:
        """Learn from training pairs; a size that the text does not allow is lowered, logged and noted.

        Raises:
            ValueError: there is no text, or a size too small for the characters that must be covered.
        """
        if self.joint:
            both = (text for pair in pairs() for text in (pair.source, pair.target))
            tokenizer = self._learn(both, self.source_size, "joint")
            return TokenizerPair(tokenizer, tokenizer, self._notes({"joint": (self.source_size, tokenizer.size)}))
        source = self._learn((pair.source for pair in pairs()), self.source_size, "source")
        target = self._learn((pair.target for pair in pairs()), self.target_size, "target")
        sizes = {"source": (self.source_size, source.size), "target": (self.target_size, target.size)}
        return TokenizerPair(source, target, self._notes(sizes))

    def _notes(self, sizes: dict[str, tuple[int, int]]) -> dict[str, object]:
        notes: dict[str, object] = {"kind": "sentencepiece", "algorithm": self.algorithm, "joint": self.joint}
        for side, (requested, obtained) in sizes.items():
            if sentence := record_lowered(side, requested, obtained, notes):
                logger.warning(sentence)
        return notes

    def _learn(self, texts: Iterable[str], size: int, side: str) -> SentencePieceTokenizer:
        logger.info("learning a %s vocabulary of %d pieces for the %s text", self.algorithm, size, side)
        reader, model = _Reader(_sample(texts, MOST)), io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=(escape(normalized(text, self.normalization)) for text in reader),
                model_writer=model,
                model_type=self.algorithm,
                vocab_size=size,
                hard_vocab_limit=False,
                character_coverage=self.character_coverage,
                num_threads=self.threads,
                normalization_rule_name="identity",
                remove_extra_whitespaces=False,
                add_dummy_prefix=True,
                byte_fallback=True,
                max_sentence_length=LONGEST,
                pad_id=PAD,
                unk_id=UNK,
                bos_id=BOS,
                eos_id=EOS,
                pad_piece=SPECIALS[PAD],
                unk_piece=SPECIALS[UNK],
                bos_piece=SPECIALS[BOS],
                eos_piece=SPECIALS[EOS],
                unk_surface=SPECIALS[UNK],
                minloglevel=SILENT,
            )
        except RuntimeError as error:
            if reader.failed is not None:
                raise reader.failed from None
            raise ValueError(_explain(error, size, side)) from error
        return SentencePieceTokenizer(model.getvalue(), normalization=self.normalization)


def _sample(texts: Iterable[str], most: int) -> Iterator[str]:
    """All texts where they are no more than `most`, else so many of them, all as likely (Vitter 1985, algorithm R)."""
    sample: list[str] = []
    random = Random(0)
    for number, text in enumerate(texts):
        if number < most:
            sample.append(text)
        elif (place := random.randrange(number + 1)) < most:
            sample[place] = text
    yield from sample


class _Reader:
    """Passes lines on and keeps the error that reading ends in, which SentencePiece would wrap beyond recognition."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.texts = texts
        self.failed: Exception | None = None

    def __iter__(self) -> Iterator[str]:
        try:
            yield from self.texts
        except Exception as error:
            self.failed = error
            raise


def _explain(error: RuntimeError, size: int, side: str) -> str:
    """One sentence for the two ways in which a user's text and size defeat SentencePiece."""
    key = "tokenizer.source_size" if side == "joint" else f"tokenizer.{side}_size"
    if least := re.search(r"smaller than required_chars\. *\d+ vs (\d+)", str(error)):
        return f"{key}={size} is too small: the characters of the {side} training text need at least {least[1]}"
    return f"SentencePiece learns nothing from the {side} training text with {key}={size}: {error}"
