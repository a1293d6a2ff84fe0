"""Translating, forced decoding and a split's figures, on small random models and a word tokenizer."""

import json
import logging
import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import torch
from tests.search.models import random_translator
from tests.search.searches import beam_search
from torch import Tensor

from rnnsearch.data.batching import pad
from rnnsearch.data.tokenizer import BOS, EOS, TokenizerPair
from rnnsearch.data.word_tokenizer import WordTokenizer
from rnnsearch.evaluation import forcing, references
from rnnsearch.evaluation.alignment_links import alignment_score, format_pharaoh, parse_pharaoh
from rnnsearch.evaluation.attention_statistics import attention_sums
from rnnsearch.evaluation.forcing import force
from rnnsearch.evaluation.references import Aligning
from rnnsearch.evaluation.scoring import EARLIER
from rnnsearch.evaluation.splits import (
    Evaluation,
    evaluate_split,
    is_at_limit,
    sample_places,
    sample_translations,
    split_metrics,
)
from rnnsearch.evaluation.summed_metrics import text_counts
from rnnsearch.evaluation.system import System
from rnnsearch.evaluation.translating import Translation, translate, translate_ids
from rnnsearch.evaluation.word_alignment import align
from rnnsearch.model.translator import Translator
from rnnsearch.search.beam import BeamSearch

SOURCE = [f"s{i}" for i in range(10)]
TARGET = [f"t{i}" for i in range(10)]
SIZE = 14
ADDITIVE, FIXED = "additive", "fixed"


def random_model(context: str, *, dropout: float = 0.0) -> Translator:
    return random_translator(context, seed=4, sources=SIZE, vocabulary=SIZE, encoder_cell="cudnn", dropout=dropout)


def search(**settings: Any) -> BeamSearch:
    defaults = {"beam_size": 2, "max_length_ratio": 1.0, "batch_size": 4, "forbid_unknown": True}
    return beam_search(**(defaults | settings))


TOKENIZERS = TokenizerPair(WordTokenizer("en", SOURCE), WordTokenizer("en", TARGET), {})


def system(model: Translator) -> System:
    return System.of(model, TOKENIZERS)


@pytest.fixture(scope="module")
def attention() -> System:
    return system(random_model(ADDITIVE))


def best(of: System, texts: list[str], **settings: Any) -> list[Translation]:
    return [hypotheses[0] for hypotheses in translate(of, search(**settings), texts)]


def sentences(count: int, words: list[str] = SOURCE, *, seed: int = 0) -> list[str]:
    source = random.Random(seed)
    return [" ".join(source.choices(words, k=source.randrange(0, 9))) for _ in range(count)]


def pairs(count: int) -> list[dict[str, Any]]:
    both = zip(sentences(count), sentences(count, TARGET, seed=1), strict=True)
    return [
        {"source_text": s, "target_text": t, "links": "0-0" if s and t else None, "line": i + 1}
        for i, (s, t) in enumerate(both)
    ]


# Translating


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_batches_change_nothing(attention: System, batch_size: int) -> None:
    texts = sentences(30)
    alone = [one for text in texts for one in best(attention, [text])]
    together = best(attention, texts, batch_size=batch_size)
    assert [one.text for one in together] == [one.text for one in alone]
    assert [one.score for one in together] == pytest.approx([one.score for one in alone], abs=1e-10)
    assert len({one.text for one in alone}) > 5  # else nothing was compared


def test_nothing_translates_as_nothing_without_the_model() -> None:
    class Refusing(Translator):
        def __init__(self) -> None:
            torch.nn.Module.__init__(self)
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def encode(self, source_BS: Tensor, mask_BS: Tensor) -> Any:
            raise AssertionError("the model was called")

    found = best(system(Refusing()), ["", "  ", "\u3000\t"])
    assert [(one.text, one.score) for one in found] == [("", 0.0)] * 3
    assert translate_ids(system(Refusing()), search(), []) == []


def test_long_sources_are_cut_counted_and_warned_of(attention: System, caplog: pytest.LogCaptureFixture) -> None:
    texts = ["s1 s2 s3 s4 s5", "s1 s2", "s1 s2 s3", "s5 s4 s3 s2"]
    with caplog.at_level(logging.WARNING):
        found = best(attention, texts, max_source_length=3)
    assert "sources of more than 3 tokens are cut (see search.max_source_length): 2" in caplog.text
    kept = best(attention, ["s1 s2 s3", "s1 s2", "s1 s2 s3", "s5 s4 s3"])
    assert found == kept
    caplog.clear()
    best(attention, texts, max_source_length=5)
    assert caplog.text == ""


def test_dropout_is_off_and_the_mode_comes_back() -> None:
    noisy = random_model(ADDITIVE, dropout=0.5).train()
    rows = pairs(12)
    found = [evaluate_split(system(noisy), rows, search(), scoring=EARLIER) for _ in range(2)]
    assert noisy.training
    assert found[0] == found[1]
    assert found[0] == evaluate_split(system(random_model(ADDITIVE)), rows, search(), scoring=EARLIER)


# Forced decoding


@torch.no_grad()
def stepwise(model: Translator, source: list[int], target: list[int]) -> tuple[float, list[list[float]]]:
    source_BS, mask_BS = pad([source])
    state, memory = model.encode(source_BS, mask_BS)
    nll, weights = 0.0, []
    for step, (word, following) in enumerate(zip([BOS, *target], [*target, EOS], strict=True)):
        log_probs_BV, state, weights_BS = model.step(torch.tensor([word]), state, memory, step)
        nll -= float(log_probs_BV[0, following])
        weights += [] if weights_BS is None else weights_BS.tolist()
    return nll, weights


@pytest.mark.parametrize("context", [ADDITIVE, FIXED])
@pytest.mark.parametrize("positions", [1, 30, 8192])
def test_force_equals_steps(context: str, positions: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forcing, "POSITIONS", positions)
    model, source = random_model(context), random.Random(1)
    ids = [tuple(source.choices(range(4, SIZE), k=source.randrange(0, 8)) for _ in "st") for _ in range(25)]
    found = dict(force(system(model), [((source,), target) for source, target in ids]))
    assert sorted(found) == list(range(25))
    for place, (sources, targets) in enumerate(ids):
        nll, weights = stepwise(model, sources, targets)
        assert found[place].log_prob == pytest.approx(-nll, abs=1e-10)
        assert found[place].tokens == len(targets) + 1
        if context is FIXED:
            assert found[place].weights[0] is None
        else:
            assert found[place].weights[0].shape == (len(targets) + 1, len(sources) + 1)
            np.testing.assert_allclose(found[place].weights[0], weights, atol=1e-12)


# A split


def test_a_translation_at_the_limit_is_marked(attention: System) -> None:
    """With one token a source token allowed, those that have them could only end; nothing is no translation at all."""
    tight = search(max_length_ratio=1.0, max_length_offset=0)
    found = translate(attention, tight, ["s1 s2 s3", "s5 s4 s3 s2", ""])
    expected = [len(best.target_ids) == len(best.sources[0]) > 0 for best, *_ in found]
    assert [is_at_limit(tight, best) for best, *_ in found] == expected
    assert not expected[-1]
    loose = search(max_length_ratio=1.0, max_length_offset=99)
    assert not any(is_at_limit(loose, best) for best, *_ in found)
    assert is_at_limit(object(), found[0][0]) is None


@pytest.fixture(scope="module")
def evaluation(attention: System) -> Evaluation:
    return evaluate_split(attention, pairs(60), search(), scoring=EARLIER)


def test_a_line_of_translations(attention: System, evaluation: Evaluation) -> None:
    rows = pairs(60)
    salient = align(attention, [(row["source_text"], row["target_text"]) for row in rows], method="saliency")
    assert [row["index"] for row in evaluation.rows] == list(range(60))
    for row, pair in zip(evaluation.rows, rows, strict=True):
        source = TOKENIZERS.source.encode(pair["source_text"])
        target = TOKENIZERS.target.encode(pair["target_text"])
        (translation,) = best(attention, [pair["source_text"]])
        nll, weights = stepwise(attention.model, source, target)
        words_TS = np.array(weights)[: len(target), : len(source)].reshape(len(target), len(source))
        assert row == {
            "index": row["index"],
            "line": pair["line"],
            "source": pair["source_text"],
            "reference": pair["target_text"],
            "hypothesis": translation.text,
            "score": pytest.approx(translation.score, abs=1e-10),
            "at_limit": is_at_limit(search(), translation),
            "nll": pytest.approx(nll, abs=1e-10),
            "tokens": len(target) + 1,
            "source_words": len(source),
            "gold": pair["links"],
            "links": " ".join(
                f"{j}-{i}" for j, i in sorted((int(np.argmax(weights[i][:-1])), i) for i in range(len(target)))
            )
            if source
            else "",
            "links_method": "attention",
            "links_saliency": format_pharaoh(salient[row["index"]].links) if pair["links"] else None,
            "attention": pytest.approx(asdict(attention_sums(words_TS)), abs=1e-9),
        }


def test_metrics_of_a_split(evaluation: Evaluation) -> None:
    metrics, rows = evaluation.metrics, evaluation.rows
    assert metrics["sentences"] == 60
    assert metrics["nll"] == pytest.approx(sum(r["nll"] for r in rows) / sum(r["tokens"] for r in rows))
    assert metrics["perplexity"] == pytest.approx(math.exp(metrics["nll"]))
    assert {"bleu", "bleu_signature", "chrf", "chrf_signature", "ter", "ter_signature"} <= set(metrics)
    assert sum(bucket["n"] for bucket in metrics["by_length"]) == 60
    assert 0 < metrics["aer"] < 1
    json.dumps([evaluation.rows, evaluation.metrics, evaluation.samples], allow_nan=False)


def line(**values: Any) -> dict[str, Any]:
    plain = {"hypothesis": "a", "reference": "a", "nll": 1.0, "tokens": 2, "source_words": 1}
    return plain | {"gold": None, "links": None} | values


def figures(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return split_metrics(rows, text_counts(rows, EARLIER), scoring=EARLIER)


def test_alignment_error_counts_linked_sentences_alone() -> None:
    linked = [line(gold="0-0 1-1", links="0-0 0-1"), line(gold="0-0", links="0-0"), line(links="5-5")]
    assert figures(linked)["aer"] == pytest.approx(1 - (2 + 2) / (3 + 3))
    assert figures([line(gold="0-0")])["aer"] is None
    assert figures([line(links="0-0")])["aer"] is None
    assert figures([line(gold="", links="0-0")])["aer"] is None


def test_nll_is_a_sum_over_a_sum() -> None:
    assert figures([line(nll=1.0, tokens=1), line(nll=8.0, tokens=8)])["nll"] == 1.0


def test_no_rows_are_refused(attention: System) -> None:
    with pytest.raises(ValueError, match="no sentences to score"):
        evaluate_split(attention, [], search(), scoring=EARLIER)


def test_a_model_without_weights_is_aligned_by_saliency_where_there_is_gold() -> None:
    rows = pairs(20)
    found = evaluate_split(system(random_model(FIXED)), rows, search(), scoring=EARLIER)
    assert found.samples == []
    assert found.metrics["attention"] is None
    assert found.metrics["alignment"]["method"] == "saliency"
    assert found.metrics["aer"] == found.metrics["alignment"]["aer"]
    without = [{**row, "links": None} for row in rows]
    plain = evaluate_split(system(random_model(FIXED)), without, search(), scoring=EARLIER)
    assert (plain.metrics["aer"], plain.metrics["alignment"]) == (None, None)
    assert {(row["links"], row["links_method"]) for row in plain.rows} == {(None, None)}
    asked = evaluate_split(
        system(random_model(FIXED)), without, search(), scoring=EARLIER, aligning=Aligning(method="saliency")
    )
    assert [row["links"] for row in asked.rows] == [row["links"] for row in found.rows]


def test_models_with_and_without_attention_are_aligned_by_saliency_for_the_same_sentences(
    attention: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "SALIENT", 6)
    rows = pairs(20)
    systems = (attention, system(random_model(FIXED)))
    found = [evaluate_split(one, rows, search(), scoring=EARLIER) for one in systems]
    for one, of_system in zip(systems, found, strict=True):
        linked = [row for row in of_system.rows if row["links_saliency"] is not None]
        salient = align(one, [(row["source"], row["reference"]) for row in linked], method="saliency")
        assert [row["links_saliency"] for row in linked] == [format_pharaoh(each.links) for each in salient]
        gold = [parse_pharaoh(row["gold"]) for row in linked]
        assert of_system.metrics["aer_saliency"] == alignment_score([each.links for each in salient], gold).aer
    places = [[row["index"] for row in one.rows if row["links_saliency"] is not None] for one in found]
    gold_places = [place for place, row in enumerate(rows) if row["links"] is not None]
    assert places[0] == places[1] == [gold_places[i * len(gold_places) // 6] for i in range(6)]
    assert [one.metrics["alignment"]["method"] for one in found] == ["attention", "saliency"]
    assert found[1].metrics["alignment"]["sentences"] == len(gold_places)


def test_who_asks_for_one_method_gets_that_alone(attention: System) -> None:
    rows = pairs(20)
    by_attention, by_saliency = (
        evaluate_split(attention, rows, search(), scoring=EARLIER, aligning=Aligning(method=method)).metrics
        for method in ("attention", "saliency")
    )
    assert (by_attention["alignment"]["method"], by_attention["aer_saliency"]) == ("attention", None)
    assert (by_saliency["alignment"]["method"], by_saliency["aer_saliency"]) == ("saliency", by_saliency["aer"])


def test_both_directions_are_joined(attention: System) -> None:
    """The same model backward, as the two vocabularies are of one size: links are those of `symmetrize`."""
    rows = pairs(20)
    back = System.of(random_model(FIXED), TokenizerPair(TOKENIZERS.target, TOKENIZERS.source, {}))
    one, other, both = (
        evaluate_split(*given, search(), scoring=EARLIER, aligning=aligning).rows
        for given, aligning in (
            ((attention, rows), Aligning()),
            ((back, [_turned(row) for row in rows]), Aligning(method="saliency")),
            ((attention, rows), Aligning(reverse=back, how="union")),
        )
    )
    for forward, backward, joined in zip(one, other, both, strict=True):
        turned = {(source, target) for target, source in parse_pharaoh(backward["links"]).sure}
        assert parse_pharaoh(joined["links"]).sure == parse_pharaoh(forward["links"]).sure | turned


def _turned(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "source_text": row["target_text"], "target_text": row["source_text"], "links": None}


# Samples


def test_samples_show_the_models_own_translation(attention: System, evaluation: Evaluation) -> None:
    assert len(evaluation.samples) == 8
    for sample in evaluation.samples:
        row = evaluation.rows[sample["index"]]
        assert 6 <= row["source_words"] <= 20
        assert sample["source_pieces"] == [*row["source"].split(), "</s>"]
        assert sample["target_pieces"] == [*row["hypothesis"].split(), "</s>"]
        ids = TOKENIZERS.source.encode(row["source"]), TOKENIZERS.target.encode(row["hypothesis"])
        np.testing.assert_allclose(sample["weights"], stepwise(attention.model, *ids)[1], atol=1e-4)


def test_sample_places_are_spread_and_fixed() -> None:
    assert sample_places([7] * 80) == [0, 10, 20, 30, 40, 50, 60, 70]
    assert sample_places([5, 6, 20, 21, 7]) == [1, 2, 4]
    assert sample_places([0, 3, 30]) == [1, 2]
    assert sample_places([]) == []


@pytest.mark.parametrize("context", [ADDITIVE, FIXED], ids=["additive", "fixed"])
def test_sample_translations(context: str) -> None:
    model, rows = system(random_model(context)), [pair for pair in pairs(9) if pair["source_text"]][:3]
    samples = sample_translations(model, rows, search())
    texts = [one.text for one in best(model, [row["source_text"] for row in rows])]
    assert [sample["hypothesis"] for sample in samples] == texts
    assert [sample["reference"] for sample in samples] == [row["target_text"] for row in rows]
    assert all((sample["weights"] is None) == (context is FIXED) for sample in samples)


def test_progress_counts_every_sentence(attention: System) -> None:
    """Saliency is slow enough to be watched too."""
    counted: list[list[Any]] = []

    @contextmanager
    def watch(doing: str, total: int) -> Iterator[Any]:
        counted.append([doing, total, 0])

        def advance(count: int) -> None:
            counted[-1][2] += count

        yield advance

    rows = [pair for pair in pairs(30) if pair["source_text"]]  # nothing is translated as nothing, without the model
    evaluate_split(attention, rows, search(), scoring=EARLIER, aligning=Aligning(method="saliency"), progress=watch)
    count = len(rows)
    assert counted == [[doing, count, count] for doing in ("translations", "references", "alignments")]
