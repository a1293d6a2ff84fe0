"""``python -m experiments.built_in_corpus.measure``: what docs/built_in_corpus.md counts, as results.json."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import sacrebleu

from rnnsearch.config.build import make
from rnnsearch.config.compose import compose
from rnnsearch.data.corpus import Pair
from rnnsearch.data.grammar.lexicon import ADJECTIVES, NOUNS
from rnnsearch.data.grammar.rules import RULES
from rnnsearch.data.grammar.words import VERBS
from rnnsearch.records.json_files import write_json

RESULTS = Path(__file__).with_name("results.json")
LONG = 15  # words; in longer sentences links are looked at


def main() -> None:
    write_json(RESULTS, measured())


def measured() -> dict[str, float]:
    """Of the corpus that ``data=controlled`` makes."""
    corpus = make(compose("train", ["data=controlled"]).data)
    train, test = list(corpus.pairs("train")), list(corpus.pairs("test"))
    translated = word_by_word(train, (pair.source for pair in test))
    return {
        "rules": len(RULES),
        "nouns": len(NOUNS),
        "verbs": len(VERBS),
        "adjectives": len(ADJECTIVES),
        "training_pairs": len(train),
        "english_forms": len(forms(pair.source for pair in train)),
        "german_forms": len(forms(pair.target for pair in train)),
        "crossing_share": crossing_share([pair for pair in train if len(pair.source.split()) > LONG]),
        "word_by_word_bleu": sacrebleu.corpus_bleu(translated, [[pair.target for pair in test]]).score,
    }


def forms(texts: Iterable[str]) -> set[str]:
    """Words without punctuation and case."""
    return {word.strip(".,?").lower() for text in texts for word in text.split()}


def crossing_share(pairs: Sequence[Pair]) -> float:
    """Of the links, those that cross another of their sentence."""
    crossing = [any((i - k) * (j - m) < 0 for k, m in pair.links or ()) for pair in pairs for i, j in pair.links or ()]
    return sum(crossing) / len(crossing)


def translations(pairs: Iterable[Pair]) -> dict[str, Counter[str]]:
    """How often each source word is linked to which target words."""
    linked: dict[str, Counter[str]] = defaultdict(Counter)
    for pair in pairs:
        source, target = pair.source.split(), pair.target.split()
        for i, j in pair.links or ():
            linked[source[i]][target[j]] += 1
    return linked


def word_by_word(train: Sequence[Pair], texts: Iterable[str]) -> list[str]:
    """Each word's most frequent linked translation, in the order of the source."""
    best = {word: counts.most_common(1)[0][0] for word, counts in translations(train).items()}
    return [" ".join(best.get(word, word) for word in text.split()) for text in texts]


if __name__ == "__main__":
    main()
