"""Modules that keep their weights: which they are, and that all others are trained as if nothing were frozen."""

import functools
from typing import Any

import pytest
import torch
from torch import Tensor

from rnnsearch.data.batching import collate
from rnnsearch.model.translator import Translator
from rnnsearch.training.averaging import moving_average
from rnnsearch.training.freezing import freeze, frozen_numbers, modules_with_weights
from rnnsearch.training.results import sizes

from .test_cuda_graphs import Rerunning
from .test_module import fit, module, rows, translator
from .translators import translator_of

FROZEN = (["encoder"], ["context"], ["decoder"], ["decoder.output"], ["encoder.embedding", "decoder.transition"])


def frozen(names: list[str], **design: Any) -> Translator:
    model = translator(**design)
    freeze(model, names)
    return model


def still(model: Translator) -> set[str]:
    return {name for name, parameter in model.named_parameters() if not parameter.requires_grad}


def test_a_module_is_frozen_with_all_below_it() -> None:
    names = [name for name, _ in translator().named_parameters()]
    assert still(frozen(["encoder"])) == {name for name in names if name.startswith("encoder.")}
    assert still(frozen(["context"])) == {name for name in names if name.startswith("decoder.context.")} != set()
    both = still(frozen(["decoder.context", "decoder.output"]))
    assert both == {name for name in names if name.startswith(("decoder.context.", "decoder.output."))}
    assert still(frozen([])) == set()


def test_a_matrix_that_two_modules_share_is_frozen_with_either() -> None:
    size = {"embedding": 4, "vocabulary": 9, "hidden": 4, "state": 4, "readout_size": 4, "cell": "cudnn"}
    model = translator_of("additive", attention=4, tied="all", **size)
    whole = sizes(model)["parameters"]
    freeze(model, ["encoder.embedding"])
    assert not model.decoder.output.weight.requires_grad
    assert model.decoder.output.bias.requires_grad
    assert frozen_numbers(model) == 4 * 9
    assert sizes(model)["parameters"] == whole - 4 * 9


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["encodr"], r"freeze=\[encodr\]: .* no module of that name that has weights; did you mean encoder or"),
        (["encoder.dropout"], "no module of that name that has weights"),
        (["x"], "it has context, encoder, encoder.embedding"),
        (["encoder", "decoder"], r"freeze=\[encoder,decoder\] leaves nothing to be trained"),
    ],
)
def test_other_names_and_everything_are_refused(names: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        frozen(names)


def test_a_context_without_weights_is_none_to_freeze() -> None:
    assert "context" in modules_with_weights(translator())
    assert "context" not in modules_with_weights(translator(context="InitialOnly"))


def gradients(model: Translator, *, replay: bool = False) -> dict[str, Tensor | None]:
    model.double() if replay else model.float()
    trained = module(model, smoothing=0.1)
    trained.replayed = Rerunning(model) if replay else None
    trained.log_likelihood_loss(collate(rows(7)), 0.1).backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("names", FROZEN, ids=str)
@pytest.mark.parametrize(
    ("cell", "kernels"),
    [*((cell, "fused") for cell in ("cudnn", "paper", "lstm")), ("cudnn", "portable"), ("cudnn", "plain")],
)
def test_the_others_gradients_are_as_if_nothing_were_frozen(names: list[str], cell: str, kernels: str) -> None:
    """Bit for bit: each kernel leaves out what nobody asks for, and computes the rest as before."""
    design = {"cell": cell, "kernels": kernels}
    whole, found = gradients(translator(**design)), gradients(frozen(names, **design))
    left = still(frozen(names, **design))
    assert left
    for name, gradient in found.items():
        expected = None if name in left else whole[name]
        assert (gradient is None) == (expected is None), name
        assert gradient is None or torch.equal(gradient, expected), name


@pytest.mark.parametrize("context", ["Fixed", "Mean", "General", "InitialOnly"])
@pytest.mark.parametrize("names", [["encoder"], ["decoder.readout"]], ids=str)
def test_so_with_other_contexts(names: list[str], context: str) -> None:
    whole, found = gradients(translator(context=context)), gradients(frozen(names, context=context))
    assert all(gradient is None or torch.equal(gradient, whole[name]) for name, gradient in found.items())
    assert {name for name, gradient in found.items() if gradient is None} >= still(frozen(names, context=context))


@pytest.mark.parametrize("names", [["encoder"], ["context"], ["decoder"]], ids=str)
def test_so_where_launches_are_replayed(names: list[str]) -> None:
    whole, found = gradients(translator().double()), gradients(frozen(names), replay=True)
    for name, gradient in found.items():
        assert (gradient is None) == (name in still(frozen(names))), name
        assert gradient is None or torch.allclose(gradient.float(), whole[name].float(), rtol=1e-4, atol=1e-6), name


def test_neither_steps_nor_decay_nor_averages_touch_them() -> None:
    model = frozen(["encoder", "decoder.output"])
    with torch.no_grad():
        model.encoder.embedding.weight[0] = -0.0  # which an average of itself would make 0.0
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimizer = functools.partial(torch.optim.AdamW, lr=0.1, weight_decay=0.5)
    trained = module(model, updates=4, optimizer=optimizer)
    trainer = fit(trained, [collate(rows(6))], more=moving_average(decay=0.9))
    assert sum(len(group["params"]) for group in trainer.optimizers[0].param_groups) == len(before) - len(still(model))
    for name, parameter in model.named_parameters():  # after training, the average
        same = parameter.detach().numpy().tobytes() == before[name].numpy().tobytes()
        assert same == (name in still(model)), name
