"""Text that nobody wants to read, for hypothesis: bytes of files, and small models whose vocabularies hold it."""

import codecs
import json
import random
from functools import cache

import torch
from hypothesis import strategies as st

from rnnsearch.api import TrainedModel
from rnnsearch.config.compose import compose
from rnnsearch.data.corpus import Pair
from rnnsearch.data.sentencepiece_tokenizer import SentencePieceTraining
from rnnsearch.data.tokenizer import TokenizerPair
from rnnsearch.data.word_tokenizer import WordTraining
from rnnsearch.evaluation.system import System
from rnnsearch.model.build import build_translator

from .small_run import SIZES

TEXTS = [
    "the small house",
    "ἐν ἀρχῇ 書 ไทย नमस्ते",
    "\u202eשלום العربية\u202c",
    "👩‍👩‍👧‍👦 🏳️‍🌈",
    "e\u0301\u0323 \u0301",
    "▁",
    "▁▅",
    "\ue000\ue001",
    "\ue000",
    "\ufeff",
    "\ufffe\U0010ffff",
    "</s><s><pad> <unk>",
    "<0x0A><0x20>",
    "DOTMULTI... @-@ &quot; '\"{}%[]\\",
    "0-0 1p2",
    "½²٣",
    "x" * 300,
]
BLANKS = [*" \t\r\0\x7f\v\f\x1b\x1c\x85\xa0\u2028\u2029\u3000", "  ", "\r\r"]
BROKEN = [b"\xff", b"\xed\xa0\x80", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xc0\x80", b"\xf5\x80\x80\x80"]


def bodies(*, valid: bool = False, most: int = 6) -> st.SearchStrategy[bytes]:
    """The bytes of a line without its end; some are not UTF-8 unless all must be ``valid``."""
    text = st.sampled_from(TEXTS) | st.sampled_from(BLANKS) | st.sampled_from(BLANKS) | st.text(max_size=5)
    parts = text.map(str.encode)
    if not valid:
        parts |= st.sampled_from(BROKEN) | st.binary(max_size=5)
    return st.lists(parts, max_size=most).map(lambda found: b"".join(found).replace(b"\n", b""))


def as_file(lines: list[bytes], ends: list[bytes], is_ended: bool, is_marked: bool) -> bytes:
    """Lines that end in the ``ends`` by turns, the last one perhaps not at all, perhaps after a byte order mark."""
    ended = [(body, ends[place % len(ends)]) for place, body in enumerate(lines)]
    if lines and lines[-1] and not is_ended:
        ended[-1] = lines[-1], b""
    return (codecs.BOM_UTF8 if is_marked and lines else b"") + b"".join(body + end for body, end in ended)


def files(*, valid: bool = False, least: int = 0, most: int = 5, parts: int = 6) -> st.SearchStrategy[bytes]:
    """The bytes of a file of lines; one whose lines end in \\r alone, as of old, has tests of its own."""
    lines = st.lists(bodies(valid=valid, most=parts), min_size=least, max_size=most)
    ends = st.lists(st.sampled_from([b"\n", b"\r\n"]), min_size=1, max_size=3)
    made = st.builds(as_file, lines, ends, st.booleans(), st.booleans())
    return made.filter(lambda data: b"\n" in data or b"\r" not in data)


def file_pairs(*, least: int = 1, most: int = 4, parts: int = 6) -> st.SearchStrategy[tuple[bytes, bytes]]:
    """Two files with as many lines, of up to so many ``parts`` each."""
    sizes = st.integers(least, most)
    return sizes.flatmap(lambda size: st.tuples(*[files(least=size, most=size, parts=parts)] * 2))


def raw_lines(data: bytes) -> list[bytes]:
    """What a file's lines are by the rule: \\n or \\r\\n ends one, nothing else does."""
    *ended, rest = data.split(b"\n")
    return [line.removesuffix(b"\r") for line in ended] + ([rest] if rest else [])


def texts_of(data: bytes) -> list[str]:
    """The text of each line; a byte order mark at the start is none, and a NUL is no character of a text."""
    texts = [line.decode("utf-8", "replace").replace("\0", "\ufffd") for line in raw_lines(data)]
    return [texts[0].removeprefix("\ufeff"), *texts[1:]] if texts else []


def first_broken(data: bytes) -> tuple[int, int] | None:
    """Line and byte, from 1, of the first bytes that are not UTF-8, or NUL."""
    for number, line in enumerate(raw_lines(data), 1):
        places = [line.index(b"\0") + 1] if b"\0" in line else []
        try:
            line.decode()
        except UnicodeDecodeError as error:
            places.append(error.start + 1)
        if places:
            return number, min(places)
    return None


def json_files() -> st.SearchStrategy[bytes]:
    """JSON lines: n-best lists, and what is like them or is not."""
    text = bodies().map(lambda body: body.decode("utf-8", "surrogateescape"))
    number = st.none() | st.booleans() | st.integers() | st.floats()
    value = st.recursive(
        number | text, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3)
    )
    tokens = st.lists(st.sampled_from(["the", "▁the", "</s>", "<unk>", "<0x0A>"]) | text, max_size=3)
    hypothesis = st.fixed_dictionaries({"text": text}, optional={"tokens": tokens | value, "x": value})
    entry = st.fixed_dictionaries(
        {"source": text, "hypotheses": st.lists(hypothesis, max_size=3)}, optional={"target": text, "x": value}
    )
    written = st.builds(json.dumps, entry | entry | value, ensure_ascii=st.booleans())
    odd = st.sampled_from([b"[" * 9_000, b'{"x":' * 9_000, b"9" * 5_000, b"NaN", b"-1e999", b'{"source": 1e999}'])
    line = written.map(lambda text: text.encode("utf-8", "surrogatepass")) | odd | bodies()
    return st.lists(line, min_size=1, max_size=4).map(b"\n".join)


@cache
def tokenizers(kind: str) -> TokenizerPair:
    """A joint vocabulary of sub-words, or two of words, learnt from the texts above."""
    draw = random.Random(0)
    lines = ["".join(draw.choices([*TEXTS[:-1], *BLANKS, " "], k=8)) for _ in range(60)]
    training = (
        WordTraining(source_size=40, target_size=40)
        if kind == "word"
        else SentencePieceTraining(
            algorithm="bpe", source_size=480, target_size=480, joint=True, character_coverage=1.0, threads=1
        )
    )
    return training.fit(lambda: (Pair(line, line, 1) for line in lines), "en", "en")


@cache
def model(kind: str, context: str) -> TrainedModel:
    """Random weights of double precision, so that no sum depends on a batch; small ones, for with large ones a
    recurrence over a thousand steps is chaotic, and its last digit in one batch becomes its first.
    """
    sizes = [f"model.{key}={value}" for key, value in SIZES.items() if context != "fixed" or key != "attention_size"]
    config = compose("train", ["data=files", "model=tiny", f"model/context={context}", *sizes]).model
    both = tokenizers(kind)
    translator = build_translator(config, source_size=both.source.size, target_size=both.target.size).double().eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in translator.parameters():
            parameter.normal_(std=0.4, generator=generator)
    return TrainedModel("hostile", System.of(translator, both), {})
