"""Models made equal, counted here by what torch does with real weights and tokens."""

import pytest
import torch
from omegaconf import DictConfig
from torch.utils.flop_counter import FlopCounterMode

from rnnsearch.cli.compose import compose
from rnnsearch.cli.matched import matched_overrides, quantity
from rnnsearch.model.build import build_translator
from rnnsearch.model.translator import Translator

SIZES = {"source_size": 60, "target_size": 70}
TINY = "model=tiny model.embedding_size=24 model.hidden_size=48 model.readout_size=24"


def config(*words: str) -> DictConfig:
    return compose("train", ["data=files", *TINY.split(), *words])


def build(of: DictConfig) -> Translator:
    return build_translator(
        of.model, source_size=SIZES["source_size"], target_size=SIZES["target_size"], kernels="plain"
    )


def parameters(of: DictConfig) -> int:
    return sum(weight.numel() for weight in build(of).parameters())


def operations(of: DictConfig) -> float:
    """A target token, of training: three times what torch counts forward for a pair of 20 tokens a side."""
    translator = build(of).double()
    source_BS, target_BT = torch.randint(4, 60, (1, 20)), torch.randint(4, 60, (1, 20))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        readouts_BTR, _ = translator(source_BS, torch.ones_like(source_BS, dtype=torch.bool), target_BT)
        translator.logits(readouts_BTR)
    return 3 * counter.get_total_flops() / 20


@pytest.mark.parametrize(("by", "count"), [("parameters", parameters), ("flops", operations)])
@pytest.mark.parametrize("context", ["fixed", "general", "mean"])
def test_a_quantity_is_what_torch_counts(by: str, count: object, context: str) -> None:
    of = config(f"model/context={context}")
    assert callable(count)
    assert quantity(of, SIZES, by) == pytest.approx(count(of), rel=1e-9)


@pytest.mark.parametrize(("by", "count"), [("parameters", parameters), ("flops", operations)])
@pytest.mark.parametrize(
    "words", ["model/context=fixed", "model/context=mean model/decoder=luong", "model/context=general model.cell=lstm"]
)
def test_matched_models_are_equal_by_torch_s_count(by: str, count: object, words: str) -> None:
    reference = config("model/context=general", "model.hidden_size=64")
    assert callable(count)
    more = matched_overrides(config(*words.split()), quantity(reference, SIZES, by), SIZES, by)
    assert [one.partition("=")[0] for one in more] == ["model.encoder.hidden_size", "model.decoder.hidden_size"]
    matched = config(*words.split(), *more)
    assert count(matched) == pytest.approx(count(reference), rel=0.01)
    assert matched.model.embedding_size == 24


def test_the_two_ways_give_different_sizes() -> None:
    reference = config("model/context=additive")
    found = [
        matched_overrides(config("model/context=fixed"), quantity(reference, SIZES, by), SIZES, by)
        for by in ("parameters", "flops")
    ]
    assert found[0] != found[1]


@pytest.mark.parametrize("by", ["parameters", "flops"])
def test_equal_models_stay_as_they_are(by: str) -> None:
    of = config("model/context=additive", "model.encoder.hidden_size=40")
    assert matched_overrides(of, quantity(of, SIZES, by), SIZES, by) == []
    assert of.model.encoder.hidden_size == 40


def test_out_of_reach() -> None:
    with pytest.raises(ValueError, match=r"no hidden size gives .* within 1 %.*; change the model's sizes"):
        matched_overrides(config("model/context=fixed"), 10.0, SIZES, "flops")
