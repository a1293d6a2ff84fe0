"""Searches whose products are rounded to bfloat16: near to those that are not, each sentence's result its own."""

from collections.abc import Sequence
from copy import deepcopy

import pytest
import torch

from rnnsearch.data.batching import Row, collate
from rnnsearch.kernels import compiled
from rnnsearch.kernels.rounded_products import multiplying_in
from rnnsearch.model.translator import Translator
from rnnsearch.search.hypotheses import Hypothesis

from .models import CONTEXTS, random_translator
from .searches import beam_search, n_best, random_sources, sampling

pytestmark = pytest.mark.skipif(compiled.library() is None, reason="needs a C compiler")
SOURCES = random_sources(12)
DECODERS: dict[str, dict[str, object]] = {
    "cudnn": {},
    "lstm, current": {"cell": "lstm", "query_state": "current"},
    "paper, two_step": {"cell": "paper", "query_state": "two_step"},
    "mingru, current": {"cell": "mingru", "query_state": "current"},
    "fed": {"input_feeding": True},
}
MODELS = [(context, "cudnn") for context in CONTEXTS] + [
    ("additive", decoder) for decoder in DECODERS if decoder != "cudnn"
]
every_model = pytest.mark.parametrize(("context", "decoder"), MODELS)


@pytest.fixture(autouse=True)
def any_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "multiplies_low", lambda: True)


def made(context: str, decoder: str) -> Translator:
    """In single precision, with kernels where there are some."""
    return deepcopy(random_translator(context, **DECODERS[decoder])).float()


def numbers(found: Sequence[Sequence[Hypothesis]]) -> list[tuple[list[int], float, float]]:
    return [(one.ids, one.score, one.log_prob) for of_sentence in found for one in of_sentence]


@every_model
def test_a_sentence_s_result_is_its_own(context: str, decoder: str) -> None:
    model, search = made(context, decoder), beam_search(n_best=3, precision="bf16-mixed")
    together = n_best(search, model, SOURCES)
    alone = [one for source in SOURCES for one in n_best(search, model, [source])]
    turned = n_best(search, model, SOURCES[::-1], padding=4)[::-1]
    for other in (alone, turned):
        assert [ids for ids, *_ in numbers(other)] == [ids for ids, *_ in numbers(together)]
        for got, expected in zip(numbers(other), numbers(together), strict=True):
            assert got[1:] == pytest.approx(expected[1:], abs=1e-4)


def forced(model: Translator, source: list[int], target: list[int]) -> float:
    batch = collate([Row(index=0, source=source, target=target)])
    with torch.inference_mode():
        readouts_BTR, _ = model(batch.source_BS, batch.source_mask_BS, batch.target_in_BT)
        log_probs_BTV = torch.log_softmax(model.logits(readouts_BTR), dim=-1)
    return float(log_probs_BTV[0].gather(1, batch.target_out_BT[0].unsqueeze(1)).sum())


@every_model
def test_scores_are_those_of_forced_decoding_in_the_same_precision(context: str, decoder: str) -> None:
    model = made(context, decoder)
    found = n_best(beam_search(precision="bf16-mixed"), model, SOURCES)
    differences = {"bf16-mixed": 0.0, "32-true": 0.0}
    for source, [best, *_] in zip(SOURCES, found, strict=True):
        for precision in differences:
            with multiplying_in(precision, torch.device("cpu")):
                difference = abs(forced(model, source, best.ids) - best.log_prob)
            differences[precision] += difference / (len(best.ids) + 1)
    assert differences["bf16-mixed"] < 0.05 * len(SOURCES)  # nats a token
    assert differences["bf16-mixed"] < differences["32-true"] + 1e-3


@pytest.mark.parametrize("search", [beam_search, sampling])
def test_it_is_off_unless_asked_for(search: type) -> None:
    model = made("additive", "cudnn")
    exact, rounded = (n_best(search(**given), model, SOURCES) for given in ({}, {"precision": "bf16-mixed"}))
    assert numbers(n_best(search(precision="32-true"), model, SOURCES)) == numbers(exact) != numbers(rounded)
    assert numbers(n_best(search(), model, SOURCES)) == numbers(exact)


@pytest.mark.parametrize("search", [beam_search, sampling])
def test_what_is_not_to_be_had_is_refused(search: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "multiplies_low", lambda: False)
    with pytest.raises(ValueError, match=r"^search.precision=bf16-mixed multiplies by a processor's avx512_bf16"):
        search(precision="bf16-mixed")
