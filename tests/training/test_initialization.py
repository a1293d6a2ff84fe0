import re
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from rnnsearch.config.compose import compose
from rnnsearch.config.config_dir import config_dir, groups
from rnnsearch.model.build import build_translator
from rnnsearch.model.context import Mean
from rnnsearch.model.initial_values import BY_NAME
from rnnsearch.model.translator import Translator
from rnnsearch.training.initialization import initialize, role_of

from .translators import translator_of

EMBEDDING, HIDDEN, STATE, ATTENTION, READOUT, VOCABULARY = 48, 40, 56, 60, 48, 90
BIAS = re.compile(r".*bias.*")
MECHANISMS = ("additive", "normed", "location_only", "scaled_dot", "general", "fixed", "mean", "initial_only")


def build(mechanism: str = "additive", *, cell: str = "paper", **changes: str) -> Translator:
    sizes = {"attention": ATTENTION, "embedding": EMBEDDING, "vocabulary": VOCABULARY, "readout_size": READOUT}
    return translator_of(
        mechanism, cell=cell, hidden=HIDDEN, state=STATE, layers=2, input_feeding=True, **sizes, **changes
    )


def recurrent_blocks(translator: Translator) -> list[Tensor]:
    """Every gate's U, found by its shape and place rather than by the rules under test."""
    matrices = []
    for module in translator.modules():
        if isinstance(module, nn.GRU | nn.LSTM | nn.RNN):
            matrices += [module.weight_hh_l0, module.weight_hh_l0_reverse]
        elif hasattr(module, "recurrent"):
            matrices.append(module.recurrent.weight)
    return [block for matrix in matrices for block in matrix.detach().split(matrix.shape[1])]


def named(translator: Translator) -> dict[str, Tensor]:
    return {name: parameter.detach() for name, parameter in translator.named_parameters()}


CELL_GATES = {"paper": 3, "cudnn": 3, "lstm": 4, "elman": 1}


@pytest.mark.parametrize("scheme", ["paper", "modern"])
@pytest.mark.parametrize("cell", list(CELL_GATES))
def test_every_recurrent_gate_is_orthogonal_on_its_own(scheme: str, cell: str) -> None:
    translator = build(cell=cell, query_state="two_step")
    initialize(translator, scheme=scheme, seed=0)
    blocks = recurrent_blocks(translator)
    assert len(blocks) == CELL_GATES[cell] * (2 * 2 + 2)  # two layers, two directions; two decoder cells
    for block in blocks:
        torch.testing.assert_close(block @ block.T, torch.eye(len(block)), atol=1e-5, rtol=0)
    assert all((a - b).abs().max() > 0.01 for a, b in pairwise(blocks) if a.shape == b.shape)


def assert_normal(values: Tensor, deviation: float) -> None:
    """Mean and deviation within 5 standard errors, and tails that a uniform distribution does not have."""
    n = values.numel()
    assert abs(values.mean()) < 5 * deviation / n**0.5
    assert abs(values.std() / deviation - 1) < 5 / (2 * n) ** 0.5
    assert values.abs().max() > 2 * deviation


@pytest.mark.parametrize("cell", list(CELL_GATES))
def test_paper_scheme(cell: str) -> None:
    translator = build(cell=cell, query_state="two_step")
    initialize(translator, scheme="paper", seed=1)
    context = translator.decoder.context
    assert_normal(context.query.weight.detach(), 0.001)
    assert_normal(context.key.weight.detach(), 0.001)
    assert (context.v == 0).all()
    others = 0
    for name, values in named(translator).items():
        if BIAS.fullmatch(name):
            assert (values == 0).all(), name
        elif not re.search(r"recurrent|weight_hh|decoder\.context", name):
            assert_normal(values, 0.01)
            others += 1
    assert others == 2 + 4 + 1 + 1 + 1 + 1 + 3 + 1  # embeddings, encoder W, W_s, input, feed, C, read-out, W_o


@pytest.mark.parametrize("scheme", ["paper", "modern"])
def test_normed_additive_stays_finite(scheme: str) -> None:
    translator = build(mechanism="normed")
    initialize(translator, scheme=scheme, seed=1)
    context = translator.decoder.context
    assert context.v.norm() > 0
    assert context.g.item() == pytest.approx(0.0 if scheme == "paper" else ATTENTION**-0.5)
    source_BS, mask_BS = torch.randint(4, VOCABULARY, (2, 5)), torch.ones(2, 5, dtype=torch.bool)
    readouts_BTR, weights_BTS = translator(source_BS, mask_BS, torch.randint(4, VOCABULARY, (2, 3)))
    readouts_BTR.square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in translator.parameters() if p.grad is not None)
    if scheme == "paper":  # as with v_a = 0, every word looks at all positions alike
        torch.testing.assert_close(weights_BTS, torch.full_like(weights_BTS, 0.2))


@pytest.mark.parametrize("cell", list(CELL_GATES))
def test_modern_biases_are_zero_but_an_lstm_remembers(cell: str) -> None:
    translator = build(cell=cell, query_state="two_step")
    initialize(translator, scheme="modern", seed=2)
    ones = {name: values for name, values in named(translator).items() if BIAS.fullmatch(name) and values.any()}
    if cell != "lstm":
        assert not ones
        return
    assert len(ones) == 2 * 2 + 2  # once a cell: the library's cells have two bias vectors, of which one stays zero
    for values in ones.values():
        i, f, g, o = values.chunk(4)
        assert (f == 1).all()
        assert not torch.cat([i, g, o]).any()


def test_modern_matrices_are_xavier_uniform_gate_by_gate() -> None:
    translator = build(cell="cudnn")
    initialize(translator, scheme="modern", seed=3)
    for values, rows in [
        (translator.encoder.layers[0].rnn.weight_ih_l0, HIDDEN),
        (translator.encoder.layers[1].rnn.weight_ih_l0_reverse, HIDDEN),
        (translator.decoder.input.weight, STATE),
        (translator.decoder.feed.weight, STATE),
        (translator.decoder.transition.into_gates.weight, STATE),
        (translator.decoder.context.query.weight, ATTENTION),
        (translator.decoder.readout.state.weight, READOUT),
        (translator.decoder.output.weight, VOCABULARY),
    ]:
        bound = (6 / (rows + values.shape[1])) ** 0.5
        assert 0.99 * bound < values.abs().max() <= bound
        assert abs(values.std() / (bound / 3**0.5) - 1) < 0.05


@pytest.mark.parametrize("tied", ["none", "output", "all"])
def test_modern_embeddings_also_where_they_are_the_output_matrix(tied: str) -> None:
    translator = build(tied=tied)
    initialize(translator, scheme="modern", seed=4)
    assert_normal(translator.encoder.embedding.weight.detach(), EMBEDDING**-0.5)
    assert_normal(translator.decoder.embedding.weight.detach(), EMBEDDING**-0.5)
    assert (translator.decoder.output.weight is translator.decoder.embedding.weight) == (tied != "none")
    v = translator.decoder.context.v.detach()
    assert abs(v.std() * ATTENTION**0.5 - 1) < 0.5


def test_a_seed_repeats_the_values_and_leaves_the_global_generator_alone() -> None:
    first, second, third = build(), build(), build()
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    initialize(first, scheme="paper", seed=7)
    assert torch.equal(torch.rand(3), expected)
    initialize(second, scheme="paper", seed=7)
    initialize(third, scheme="paper", seed=8)
    for name, values in named(first).items():
        assert torch.equal(values, named(second)[name]), name
    assert not torch.equal(first.encoder.embedding.weight, third.encoder.embedding.weight)


def test_unknown_scheme_and_unknown_parameter_are_refused() -> None:
    with pytest.raises(ValueError, match=r"model\.initialization=kaiming is not known; choose one of paper, modern"):
        initialize(build(), scheme="kaiming")
    with pytest.raises(AssertionError, match=r"decoder\.novel\.weight has the roles \[\]"):
        role_of("decoder.novel.weight")


def test_what_another_package_s_mechanism_has_besides_keeps_its_values() -> None:
    translator = build()
    translator.decoder.context.distance = nn.Parameter(torch.tensor(0.25))
    initialize(translator, scheme="modern", seed=1)
    assert translator.decoder.context.distance.item() == 0.25


@pytest.mark.parametrize("option", sorted(groups(config_dir())["model/context"]))
def test_each_parameter_of_the_shipped_mechanisms_is_filled_by_its_name(option: str) -> None:
    config = compose("train", ["model=tiny", f"model/context={option}", "model.decoder.hidden_size=192"]).model
    context = build_translator(config, source_size=20, target_size=20).decoder.context
    assert {name for name, _ in context.named_parameters()} <= BY_NAME["paper"].keys()


def test_a_mechanism_initialises_itself() -> None:
    class Own(Mean):
        def __init__(self, **sizes: int) -> None:
            super().__init__(**sizes)
            self.key = nn.Linear(3, 4)

        def initialize(self, scheme: str, generator: torch.Generator | None) -> None:
            nn.init.constant_(self.key.weight, {"paper": 1.0, "modern": 2.0}[scheme])
            nn.init.uniform_(self.key.bias, generator=generator)

    translator, same = build(mechanism="mean"), build(mechanism="mean")
    for one in (translator, same):
        one.decoder.context = Own(annotation_size=2 * HIDDEN, state_size=STATE)
        initialize(one, scheme="modern", seed=5)
    assert (translator.decoder.context.key.weight == 2).all()
    assert torch.equal(translator.decoder.context.key.bias, same.decoder.context.key.bias)


# Every parameter as commit 672d201 filled it, in one pass over their names

MATRICES = r".*\.input\.weight|.*weight_ih_l0.*|.*\.feed\.weight|.*\.into_gates\.weight"


def fill(values: Tensor, name: str, scheme: str, size: int, normed: bool, generator: torch.Generator) -> None:
    def normal(deviation: float) -> None:
        values.normal_(0.0, deviation, generator=generator)

    blocks = values.chunk(len(values) // size) if values.dim() and len(values) >= size else [values]
    if re.fullmatch(r".*recurrent\.weight|.*weight_hh_l0.*", name):
        for block in blocks:
            nn.init.orthogonal_(block, generator=generator)
    elif name == "decoder.context.v":
        normal(ATTENTION**-0.5) if scheme == "modern" else normal(0.01) if normed else values.zero_()
    elif name == "decoder.context.g":
        values.zero_() if scheme == "paper" else None
    elif BIAS.fullmatch(name):
        values.zero_()
        if scheme == "modern" and len(values) == 4 * size and "bias_hh" not in name:
            blocks[1].fill_(1.0)
    elif "embedding" in name:
        normal(0.01 if scheme == "paper" else EMBEDDING**-0.5)
    elif scheme == "paper":
        normal(0.001 if re.fullmatch(r".*\.(query|key)\.weight", name) else 0.01)
    else:
        for block in blocks if re.fullmatch(MATRICES, name) else [values]:
            nn.init.xavier_uniform_(block, generator=generator)


@pytest.mark.parametrize("scheme", ["paper", "modern"])
@pytest.mark.parametrize(
    "changes", [{"mechanism": m} for m in MECHANISMS] + [{"cell": "lstm", "tied": "all"}, {"query_state": "two_step"}]
)
def test_a_seed_gives_the_values_that_it_always_gave(scheme: str, changes: dict[str, str]) -> None:
    translator, expected = build(**changes), build(**changes)
    initialize(translator, scheme=scheme, seed=9)
    generator, normed = torch.Generator().manual_seed(9), changes.get("mechanism") == "normed"
    with torch.no_grad():
        for name, values in expected.named_parameters():
            fill(values, name, scheme, HIDDEN if name.startswith("encoder") else STATE, normed, generator)
    for name, values in named(expected).items():
        assert torch.equal(named(translator)[name], values), name


@pytest.mark.parametrize("scheme", ["paper", "modern"])
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_transformer_s_parameters(scheme: str, norm: str) -> None:
    words = ["data=controlled", "model=transformer", f"model.encoder.norm={norm}", f"model.decoder.norm={norm}"]
    model = compose("train", [*words, "model.encoder.feed_forward_size=200"]).model
    translator = build_translator(model, source_size=VOCABULARY, target_size=VOCABULARY)
    for parameter in translator.parameters():
        nn.init.constant_(parameter, 7.0) if parameter.dim() > 1 else None
    initialize(translator, scheme=scheme, seed=0)
    for name, values in named(translator).items():
        if "norm.weight" in name:
            assert (values == 1).all()
        elif name.endswith("bias"):
            assert (values == 0).all()
        elif "embedding" in name or name == "decoder.output.weight":  # tied
            assert_normal(values, 96**-0.5 if scheme == "modern" else 0.01)
        elif scheme == "modern":
            bound = (6 / sum(values.shape)) ** 0.5
            assert 0.95 * bound < values.abs().max() <= bound, name
        else:
            assert_normal(values, 0.01)
