"""How translations are scored: fixed before a training, from language and script of the references alone.

The tokenizers are sacreBLEU's that need no other package: ``13a`` splits at blanks and punctuation; ``zh`` takes Han
characters one by one; ``char`` takes all characters one by one, for scripts without blanks between words.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rnnsearch.data.normalization import FORMS
from rnnsearch.data.scripts import letters_of
from rnnsearch.records.metrics import METRICS

TOKENIZERS = ("13a", "intl", "zh", "char", "none", "ja-mecab", "ko-mecab")
"""BLEU tokenizers to choose from; the last two need packages of their own (sacrebleu[ja], sacrebleu[ko])."""
CHINESE = ("zh", "zho", "chi", "cmn", "yue", "lzh", "wuu", "nan", "hak", "gan")
UNSPACED = ("ja", "jpn", "th", "tha", "lo", "lao", "km", "khm", "my", "mya", "bur", "bo", "bod", "tib", "dz", "dzo")
KANA_IN_JAPANESE = 0.05  # the least share of kana in its kana and Han characters


@dataclass(frozen=True, slots=True)
class Scoring:
    """sacreBLEU's tokenizer of BLEU, the Unicode form that both sides are brought to, and the primary measure.

    The defaults are those of `EARLIER` runs, which are scored by them again.

    Attributes:
        bleu_tokenizer: of `TOKENIZERS`.
        normalization: nfc, nfkc or none.
        primary: ``bleu``; ``chrf`` where BLEU is degenerate, 0 even of the references against themselves.
        warnings: sacreBLEU's own of the references.
    """

    bleu_tokenizer: str = "13a"
    normalization: str = "none"
    primary: str = "bleu"
    warnings: tuple[str, ...] = ()

    @classmethod
    def of_record(cls, scoring: Mapping[str, Any]) -> "Scoring":
        """The scoring in a run's record; the section is empty in records of earlier versions.

        Raises:
            ValueError: for a scoring that no run has.
        """
        fields = {**cls().as_record(), "warnings": [], **scoring}
        warnings = fields.pop("warnings")
        allowed = {"bleu_tokenizer": TOKENIZERS, "normalization": FORMS, "primary": ("bleu", "chrf")}
        if fields.keys() != allowed.keys() or any(fields[key] not in values for key, values in allowed.items()):
            raise ValueError(f"a run's record holds no scoring that can be used ({fields}); put a copy of it back")
        return cls(**fields, warnings=tuple(warnings) if isinstance(warnings, list) else ())

    def as_record(self) -> dict[str, Any]:
        """Plain values for a record."""
        plain = {key: getattr(self, key) for key in ("bleu_tokenizer", "normalization", "primary")}
        return plain | ({"warnings": list(self.warnings)} if self.warnings else {})


EARLIER = Scoring()
"""Of all runs from before there was a choice."""
CHRF_BREAKS, LIKELIHOOD_BREAKS = 1e-10, 1e-13  # below what a validation's float32 can tell apart; BLEU goes before both


def monitored(found: Mapping[str, float], metric: str) -> float:
    """A validation's measure, shifted so slightly that chrF, and then likelihood, only break ties.

    So a measure that stays at 0 for a while, as BLEU does, never makes an earlier checkpoint the best.

    Args:
        found: a validation's bleu, chrf and nll.
        metric: one of them.
    """
    better = CHRF_BREAKS * found["chrf"] - LIKELIHOOD_BREAKS * found["nll"]
    return found[metric] + (better if METRICS[metric].higher else -better)


def perplexity(nll: float) -> float:
    """exp of nats a token; capped where the exponential overflows."""
    return math.exp(min(nll, 700.0))


def check_known(tokenizer: str | None) -> None:
    """Raises ValueError for an unknown tokenizer of BLEU; None is allowed."""
    if tokenizer not in (None, *TOKENIZERS):
        raise ValueError(f"validation.bleu_tokenizer={tokenizer}: choose one of {', '.join(TOKENIZERS)}, or null")


def bleu_tokenizer(references: Sequence[str], language: str | None) -> str:
    """The tokenizer of BLEU that suits the references; if they hold no letters, the language decides.

    Text counts as a script without blanks if it has more characters of such scripts than words of others, whatever its
    language is said to be. Kana among Han characters mean Japanese; without kana, Han characters mean Chinese unless
    the language is said to be another one without blanks.
    """
    code = re.split(r"[-_.@]", language or "")[0].lower()
    letters = letters_of(references)
    if not letters.unspaced + letters.words:
        return "zh" if code in CHINESE else "char" if code in UNSPACED else "13a"
    if letters.unspaced <= letters.words:
        return "13a"
    japanese = letters.kana >= KANA_IN_JAPANESE * (letters.kana + letters.han)
    return "zh" if letters.han > letters.others and not japanese and code not in UNSPACED else "char"
