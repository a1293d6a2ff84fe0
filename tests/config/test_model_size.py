"""Models made equal, counted here by what torch does with real weights and tokens."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig
from torch.utils.flop_counter import FlopCounterMode

from rnnsearch.config.compose import Composer
from rnnsearch.config.model_size import matched_overrides, quantity
from rnnsearch.model.build import build_translator
from rnnsearch.model.translator import Translator

SIZES = {"source_size": 60, "target_size": 70}
LENGTHS = (20, 17)
TINY = "model=tiny model.embedding_size=24 model.hidden_size=48 model.readout_size=24"


composer = Composer("train")


def config(*words: str) -> DictConfig:
    return composer(["data=files", *TINY.split(), *words])


def build(of: DictConfig, trust: Sequence[str] = ()) -> Translator:
    return build_translator(of.model, **SIZES, kernels="plain", trust=trust)


def parameters(of: DictConfig) -> int:
    return sum(weight.numel() for weight in build(of).parameters())


def operations(of: DictConfig, trust: Sequence[str] = ()) -> float:
    """A target token, of training: three times what torch counts forward for a pair, and five a weight."""
    translator, (source, target) = build(of, trust).double(), LENGTHS
    source_BS, target_BT = torch.randint(4, 60, (1, source)), torch.randint(4, 60, (1, target))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        readouts_BTR, _ = translator(source_BS, torch.ones_like(source_BS, dtype=torch.bool), target_BT)
        translator.logits(readouts_BTR)
    softmax = 0 if translator.decoder.context.constant else 5 * source * target
    return 3 * (counter.get_total_flops() + softmax) / target


@pytest.mark.parametrize(("by", "count"), [("parameters", parameters), ("flops", operations)])
@pytest.mark.parametrize("context", ["fixed", "general", "mean"])
def test_a_quantity_is_what_torch_counts(by: str, count: object, context: str) -> None:
    of = config(f"model/context={context}")
    assert callable(count)
    assert quantity(of, SIZES, by, LENGTHS) == pytest.approx(count(of), rel=1e-9)


@pytest.mark.parametrize(("by", "count"), [("parameters", parameters), ("flops", operations)])
@pytest.mark.parametrize(
    "words", ["model/context=fixed", "model/context=mean model/decoder=luong", "model/context=general model.cell=lstm"]
)
@pytest.mark.slow
def test_matched_models_are_equal_by_torch_s_count(by: str, count: object, words: str) -> None:
    reference = config("model/context=general", "model.hidden_size=64")
    assert callable(count)
    more = matched_overrides(config(*words.split()), quantity(reference, SIZES, by, LENGTHS), SIZES, by, LENGTHS)
    assert [one.partition("=")[0] for one in more] == ["model.encoder.hidden_size", "model.decoder.hidden_size"]
    matched = config(*words.split(), *more)
    assert count(matched) == pytest.approx(count(reference), rel=0.01)
    assert matched.model.embedding_size == 24


def test_the_two_ways_give_different_sizes() -> None:
    reference = config("model/context=additive")
    found = [
        matched_overrides(config("model/context=fixed"), quantity(reference, SIZES, by, LENGTHS), SIZES, by, LENGTHS)
        for by in ("parameters", "flops")
    ]
    assert found[0] != found[1]


@pytest.mark.parametrize("by", ["parameters", "flops"])
def test_equal_models_stay_as_they_are(by: str) -> None:
    of = config("model/context=additive", "model.encoder.hidden_size=40")
    assert matched_overrides(of, quantity(of, SIZES, by, LENGTHS), SIZES, by, LENGTHS) == []
    assert of.model.encoder.hidden_size == 40


def test_out_of_reach() -> None:
    with pytest.raises(ValueError, match=r"no hidden size gives .* within 1 %.*; change the model's sizes"):
        matched_overrides(config("model/context=fixed"), 10.0, SIZES, "flops", LENGTHS)


CONCAT = """
import torch
from torch import nn
from rnnsearch.model.context import Attention

class Concat(Attention):
    def __init__(self, *, annotation_size, state_size, attention_size):
        super().__init__(annotation_size=annotation_size)
        self.hidden = nn.Linear(state_size + annotation_size, attention_size, bias=False)
        self.v = nn.Parameter(torch.ones(attention_size))

    def keys(self, annotations):
        return annotations.states_BSE

    def energies(self, query_BKH, memory, step):
        keys_BKSE = memory.keys_BSA.unsqueeze(1).expand(-1, query_BKH.shape[1], -1, -1)
        queries_BKSH = query_BKH.unsqueeze(2).expand(-1, -1, keys_BKSE.shape[2], -1)
        return torch.tanh(self.hidden(torch.cat([queries_BKSH, keys_BKSE], -1))) @ self.v CHANGE
"""


def of_others(folder: Path, monkeypatch: Any, *, change: str = "") -> DictConfig:
    """A config with a textbook concat, of a package named for the test."""
    package = f"contexts_of_{folder.name}"
    (folder / f"{package}.py").write_text(CONCAT.replace("CHANGE", change), encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr("rnnsearch.config.model_size.given", lambda: [package])
    found = config()
    found.model.context = {"_target_": f"{package}.Concat", "attention_size": 16}
    return found


def test_a_mechanism_of_others_is_matched_by_all_that_it_does(tmp_path: Path, monkeypatch: Any) -> None:
    own, reference, source = of_others(tmp_path, monkeypatch), config(), LENGTHS[0]
    package = str(own.model.context["_target_"]).partition(".")[0]
    sizes = dict(
        word.split("=")
        for word in matched_overrides(own, quantity(reference, SIZES, "flops", LENGTHS), SIZES, "flops", LENGTHS)
    )
    own.model.encoder.hidden_size, own.model.decoder.hidden_size = (
        int(sizes[f"model.{half}.hidden_size"]) for half in ("encoder", "decoder")
    )
    assert own.model.decoder.hidden_size < 48  # W [s ; h] at every position takes more than W s + U h
    theirs = operations(own, [package]) + 3 * source * 3 * 16  # tanh, and v, of a hidden layer of 16
    ours = operations(reference) + 3 * source * 4 * 96  # sums, tanh and v, of 96
    assert theirs == pytest.approx(ours, rel=0.01)


def test_what_cannot_be_counted_is_refused_in_a_sentence(tmp_path: Path, monkeypatch: Any) -> None:
    own = of_others(tmp_path, monkeypatch, change="* memory.keys_BSA.max().item()")
    assert quantity(own, SIZES, "parameters") > 0
    message = r"the operations of Concat can't be counted \(.*\); give it a method energy_cost, or leave match=flops"
    with pytest.raises(ValueError, match=message):
        quantity(own, SIZES, "flops", LENGTHS)


HALVES = [
    "model/encoder=transformer model.decoder.initial_state=mean",
    "model/decoder=transformer",
    "model=transformer",
]


@pytest.mark.parametrize("halves", HALVES)
def test_a_transformer_s_operations_are_what_torch_counts(halves: str) -> None:
    """A written word sees those up to itself; torch's count of the plain path has the later ones, too."""
    of = config("sizes.units=24", *halves.split(), "model.dropout=0")
    translator, (source, target) = build(of).double().train(), LENGTHS  # in training nobody reads weights
    source_BS, target_BT = torch.randint(4, 60, (1, source)), torch.randint(4, 60, (1, target))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        translator.logits(translator(source_BS, torch.ones_like(source_BS, dtype=torch.bool), target_BT)[0])
    later, seen = target * (target - 1) / 2, target * (target + 1) / 2
    layers, heads, width = 2, 4, 24
    softmaxes = 0.0 if "/decoder" not in halves else layers * heads * 5 * (seen + source * target)
    softmaxes += 5 * source * target if "/encoder" in halves else 0.0  # of the recurrent decoder's attention
    softmaxes += layers * heads * 5 * source**2 if "/encoder" in halves else 0.0
    if halves == "model=transformer":
        softmaxes = layers * heads * 5 * (source**2 + seen + source * target)
    energies = 4 * source * target * of.model.attention_size if "/encoder" in halves else 0.0  # sums, tanh, v^T
    masked = 0.0 if "/encoder" in halves else layers * 4 * width * later
    expected = 3 * (counter.get_total_flops() - masked + softmaxes + energies) / target
    assert quantity(of, SIZES, "flops", LENGTHS) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("by", ["parameters", "flops"])
@pytest.mark.parametrize("halves", HALVES)
def test_of_a_transformer_the_feed_forward_nets_are_scaled(halves: str, by: str) -> None:
    reference = config("model/context=additive", "model.hidden_size=96")
    wanted = quantity(reference, SIZES, by, LENGTHS)
    own = config("sizes.units=24", *halves.split())
    more = matched_overrides(own, wanted, SIZES, by, LENGTHS)
    sizes = [one.partition("=")[0] for one in more]
    kinds = {half: own.model[half]._target_ for half in ("encoder", "decoder")}
    scaled = {half: "feed_forward_size" if "transformer" in kind else "hidden_size" for half, kind in kinds.items()}
    assert sizes == [f"model.{half}.{size}" for half, size in scaled.items()]
    matched = config("sizes.units=24", *halves.split(), *more)
    assert quantity(matched, SIZES, by, LENGTHS) == pytest.approx(wanted, rel=0.01)
    assert matched.model[next(half for half, kind in kinds.items() if "transformer" in kind)].heads == 4
