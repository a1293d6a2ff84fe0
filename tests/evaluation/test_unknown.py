"""Unknown words replaced: by the strongest source word, in its place in the text, with a lexicon."""

import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rnnsearch.data.tokenizer import UNK, Tokenizer
from rnnsearch.data.word_tokenizer import WordTokenizer
from rnnsearch.evaluation import unknown
from rnnsearch.evaluation.forcing import force
from rnnsearch.evaluation.saliency import saliency
from rnnsearch.evaluation.system import Member, System
from rnnsearch.evaluation.translating import Translation
from rnnsearch.evaluation.unknown import Replacement, read_lexicon, token_weights
from rnnsearch.evaluation.word_alignment import align_translations
from rnnsearch.model.translator import Translator

from ..model.designs import MODERN, build

SOURCE = WordTokenizer("en", ["the", "house", "stood"])
TARGET = WordTokenizer("de", ["das", "Haus", "stand", "‿,", "‿."])
TEXT = "Zoe's house, the (old) one."  # Zoe 's house , the ( old ) one .


def system(*translators: Translator, source: Tokenizer = SOURCE, target: Tokenizer = TARGET) -> System:
    return System(tuple(Member(translator, source) for translator in translators), target)


def small(mechanism: str, seed: int = 0) -> Translator:
    translator = build(MODERN.but(mechanism=mechanism), kernels="portable")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in translator.parameters():
            parameter.normal_(generator=generator)
    return translator


def translation(ids: Sequence[int], text: str = TEXT) -> Translation:
    return Translation(TARGET.decode(ids), (SOURCE.encode(text),), [*ids], -1.0, -2.0)


def weights_on(*columns: int | None) -> Any:
    """Weights of which row i is strongest at a column, or nowhere."""

    def given(_: System, pairs: Sequence[Any]) -> Iterator[tuple[int, np.ndarray[Any, Any]]]:
        for place, (sources, target) in reversed(list(enumerate(pairs))):  # out of order, as forced decoding is
            weights_TS = np.zeros((len(target) + 1, len(sources[0]) + 1))
            for row, column in enumerate(columns):
                if column is not None:
                    weights_TS[row, column] = 0.3
                    weights_TS[row, -1] = 0.6  # the end of sentence is no word
            yield place, weights_TS

    return given


def test_each_unknown_word_is_copied_or_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    assert SOURCE.split(TEXT) == ["Zoe", "‿'s", "house", "‿,", "the", "(‿", "old", "‿)", "one", "‿."]
    monkeypatch.setattr(unknown, "token_weights", weights_on(0, 3, 6, 4, 9))
    ids = [UNK, UNK, UNK, 5, UNK]  # <unk> <unk> <unk> Haus <unk>
    replacement = Replacement(system(small("additive")), {"old": "alte", ".": "!"})
    [[best, known]] = replacement.apply([[translation(ids), translation([4, 5])]], [TEXT])
    assert best.text == "Zoe, alte Haus!"  # the comma and the mark stand where text has them
    assert best.word_of_target == [0, 0, 1, 2, 2]
    assert (best.target_ids, best.score, best.log_prob) == (ids, -1.0, -2.0)
    assert known == translation([4, 5])


def test_a_place_without_weights_stays_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unknown, "token_weights", weights_on(None, 0))
    [[one]] = Replacement(system(small("additive")), {}).apply([[translation([UNK, UNK])]], [TEXT])
    assert one.text == "<unk> Zoe"


def test_a_source_that_was_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unknown, "token_weights", weights_on(1))
    cut = Translation("<unk>", (SOURCE.encode(TEXT)[:2],), [UNK], 0.0, 0.0)
    [[one]] = Replacement(system(small("additive")), {}).apply([[cut]], [TEXT])
    assert one.text == "'s"


def test_words_of_several_parts_keep_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unknown, "token_weights", weights_on(None, 0))
    model = system(small("additive"))
    [[one]] = Replacement(model, {"Zoe": "Frau Zoe"}).apply([[translation([4, UNK, 5])]], [TEXT])
    assert one.text == "das Frau Zoe Haus"
    assert one.word_of_target == [0, 1, 3]
    [alignment] = align_translations(model, [one], [TEXT], threshold=1e-9)
    assert alignment.target == ["das", "Frau", "Zoe", "Haus"]
    assert {target for _, target in alignment.links} == {0, 1, 3}


def test_weights_are_the_mean_of_attention() -> None:
    models = small("additive", 1), small("dot", 2)
    pairs = [((SOURCE.encode(TEXT), SOURCE.encode(TEXT)), [4, UNK]), (([4], [4]), [UNK])]
    for place, weights_TS in token_weights(system(*models), pairs):
        parts = [dict(force(system(model), [((s[0],), t) for s, t in pairs]))[place].weights[0] for model in models]
        np.testing.assert_allclose(weights_TS, (parts[0] + parts[1]) / 2)


@pytest.mark.parametrize("mechanisms", [("fixed",), ("additive", "fixed")])
def test_weights_are_saliency_where_a_member_has_no_attention(mechanisms: tuple[str, ...]) -> None:
    models = [small(mechanism, seed) for seed, mechanism in enumerate(mechanisms)]
    sources = tuple(SOURCE.encode(TEXT) for _ in models)
    [(_, weights_TS)] = token_weights(system(*models), [(sources, [4, UNK])])
    expected = np.mean([saliency(model, [(sources[0], [4, UNK])])[0] for model in models], axis=0)
    np.testing.assert_allclose(weights_TS, expected)


def test_only_words_can_be_unknown() -> None:
    class Pieces:
        size = 3

    pieces: Any = Pieces()
    with pytest.raises(ValueError, match="replace_unknown=true: this model writes pieces of words"):
        Replacement(system(small("additive"), target=pieces), {})
    mixed = System((Member(small("additive"), SOURCE), Member(small("additive"), WordTokenizer("fr", []))), TARGET)
    with pytest.raises(ValueError, match="split the source into different tokens"):
        Replacement(mixed, {})


def test_an_older_vocabulary_joins_as_moses_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unknown, "token_weights", weights_on(0, 3, 9))
    old = [WordTokenizer(tokenizer.language, ["das"], joined=False) for tokenizer in (SOURCE, TARGET)]
    written = Translation("<unk> <unk> <unk>", (old[0].encode(TEXT),), [UNK, UNK, UNK], 0.0, 0.0)
    [[one]] = Replacement(system(small("additive"), source=old[0], target=old[1]), {".": "!"}).apply(
        [[written]], [TEXT]
    )
    assert one.text == "Zoe,!"


# The lexicon


def test_a_lexicon_in_another_form_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unknown, "token_weights", weights_on(0))
    cut = Translation("<unk>", (SOURCE.encode("Zo\u00eb"),), [UNK], 0.0, 0.0)
    lexicon = {"Zoe\u0308": "Zoe\u0308", "Zo\u00eb": "nobody"}  # the first line counts
    [[one]] = Replacement(system(small("additive")), lexicon).apply([[cut]], ["Zoe\u0308"])
    assert one.text == "Zo\u00eb"


def test_a_lexicon_from_a_file(tmp_path: Path) -> None:
    text = "old\talt\r\nold\tältlich\nNew York\tNeu York\n \u2028x \t y\n"
    (tmp_path / "plain.tsv").write_text(text, newline="")
    with gzip.open(tmp_path / "packed.tsv.gz", "wt", encoding="utf-8", newline="") as file:
        file.write(text)
    expected = {"old": "alt", "New York": "Neu York", "x": "y"}
    assert read_lexicon(tmp_path / "plain.tsv") == read_lexicon(tmp_path / "packed.tsv.gz") == expected


@pytest.mark.parametrize("line", ["old", "", "a\tb\tc", "\tb", "a\t ", "old alt"])
def test_a_line_that_is_no_pair(line: str, tmp_path: Path) -> None:
    (tmp_path / "bad.tsv").write_text(f"a\tb\n{line}\n")
    with pytest.raises(ValueError, match=r"bad\.tsv: line 2 is .*; write a source word, a tab and a target word"):
        read_lexicon(tmp_path / "bad.tsv")
