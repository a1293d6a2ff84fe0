import pytest
import torch
from torch import Tensor, nn

from rnnsearch.kernels.row_order import order
from rnnsearch.model.encoder import LibraryLayer, PlainLayer, RecurrentEncoder, run_fused

INPUT, HIDDEN = 4, 3


def plain_like(library: LibraryLayer, cell: str) -> PlainLayer:
    """The own loop over the library's weights."""
    plain = PlainLayer(cell=cell, input_size=INPUT, hidden_size=HIDDEN, bidirectional=True).double()
    with torch.no_grad():
        for direction, end in zip(plain.directions, ("l0", "l0_reverse"), strict=True):
            own, inner = (getattr(library.rnn, f"bias_{side}_{end}").clone() for side in ("ih", "hh"))
            if cell == "cudnn":
                direction.cell.candidate_bias.copy_(inner[2 * HIDDEN :])
                inner[2 * HIDDEN :] = 0
            direction.input.weight.copy_(getattr(library.rnn, f"weight_ih_{end}"))
            direction.input.bias.copy_(own + inner)
            direction.cell.recurrent.weight.copy_(getattr(library.rnn, f"weight_hh_{end}"))
    return plain


@pytest.mark.parametrize("cell", ["cudnn", "lstm", "elman"])
def test_the_library_computes_what_our_own_loop_does(cell: str) -> None:
    torch.manual_seed(0)
    library = LibraryLayer(cell=cell, input_size=INPUT, hidden_size=HIDDEN, bidirectional=True).double()
    for parameter in library.parameters():
        nn.init.normal_(parameter)
    plain = plain_like(library, cell)
    inputs_BSM = torch.randn(3, 6, INPUT, dtype=torch.float64, requires_grad=True)
    mask_BS = torch.arange(6) < torch.tensor([[4], [6], [1]])
    results: list[tuple[Tensor, ...]] = []
    for layer in (library, plain):
        states_BSE = layer(inputs_BSM, mask_BS)
        (gradient,) = torch.autograd.grad(states_BSE.sin().sum(), inputs_BSM)
        results.append((states_BSE, gradient))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=0)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", ["cudnn", "lstm"])
def test_the_library_needs_no_packing(cell: str, bidirectional: bool) -> None:
    """The way a GPU takes, where nothing may look at lengths; here with a batch that is not sorted."""
    torch.manual_seed(0)
    layer = LibraryLayer(cell=cell, input_size=INPUT, hidden_size=HIDDEN, bidirectional=bidirectional).double()
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    inputs_BSM = torch.randn(4, 6, INPUT, dtype=torch.float64, requires_grad=True)
    mask_BS = torch.arange(6) < torch.tensor([[4], [6], [1], [6]])
    straight = order(mask_BS, directions=1 + bidirectional, falling=False)
    results = []
    for states_BSE in (layer(inputs_BSM, mask_BS), layer.in_order(inputs_BSM, straight)):
        gradients = torch.autograd.grad(states_BSE.sin().sum(), [inputs_BSM, *layer.parameters()])
        results.append((states_BSE, *gradients))
    for packed, unpacked in zip(*results, strict=True):
        torch.testing.assert_close(unpacked, packed, atol=1e-12, rtol=0)


@pytest.mark.parametrize("cell", ["paper", "cudnn", "lstm"])
def test_sentences_that_do_not_drop_out_change_nothing(cell: str) -> None:
    torch.manual_seed(0)
    layer = (PlainLayer if cell == "paper" else LibraryLayer)(
        cell=cell, input_size=INPUT, hidden_size=HIDDEN, bidirectional=True
    ).double()
    inputs_BSM = torch.randn(4, 6, INPUT, dtype=torch.float64, requires_grad=True)
    mask_BS = torch.arange(6) < torch.tensor([[4], [6], [1], [6]])
    results = []
    for falling in (True, False):
        taken = order(mask_BS, directions=2, falling=falling)
        states_BSE = run_fused(layer, inputs_BSM, taken, compiled=False)
        gradients = torch.autograd.grad(states_BSE.sin().sum(), [inputs_BSM, *layer.parameters()])
        results.append((states_BSE, *gradients))
    for dropping, staying in zip(*results, strict=True):
        torch.testing.assert_close(staying, dropping, atol=1e-12, rtol=0)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", ["paper", "cudnn", "lstm", "elman"])
def test_annotations_are_zero_on_padding_and_end_where_the_sentence_ends(cell: str, layers: int) -> None:
    torch.manual_seed(0)
    encoder = RecurrentEncoder(
        vocabulary_size=9,
        embedding_size=INPUT,
        hidden_size=HIDDEN,
        cell=cell,
        layers=layers,
        bidirectional=True,
        residual=layers > 1,
        embedding_dropout=0.0,
        layer_dropout=0.0,
        variational_dropout=False,
        kernels="plain",
    )
    lengths_B = torch.tensor([2, 5, 1])
    mask_BS = torch.arange(5) < lengths_B.unsqueeze(1)
    annotations = encoder(torch.randint(4, 9, (3, 5)), mask_BS)
    states_BSE = annotations.states_BSE
    assert not states_BSE[~mask_BS].any()
    assert states_BSE[mask_BS].abs().min() > 0
    torch.testing.assert_close(annotations.last_forward_BH, states_BSE[torch.arange(3), lengths_B - 1, :HIDDEN])
    torch.testing.assert_close(annotations.first_backward_BH, states_BSE[:, 0, HIDDEN:])


@pytest.mark.parametrize("variational", [False, True])
def test_dropout_falls_on_the_embedding_and_between_layers_in_training_alone(variational: bool) -> None:
    def encode(*, training: bool, embedding: float, between: float) -> Tensor:
        torch.manual_seed(0)
        encoder = RecurrentEncoder(
            vocabulary_size=9,
            embedding_size=INPUT,
            hidden_size=HIDDEN,
            cell="cudnn",
            layers=2,
            bidirectional=False,
            residual=False,
            embedding_dropout=embedding,
            layer_dropout=between,
            variational_dropout=variational,
            kernels="plain",
        ).train(training)
        source_BS = torch.tensor([[4, 5, 6, 7]])
        return encoder(source_BS, torch.ones_like(source_BS, dtype=torch.bool)).states_BSE

    plain = encode(training=True, embedding=0.0, between=0.0)
    assert torch.equal(encode(training=False, embedding=0.5, between=0.5), plain)
    assert not torch.equal(encode(training=True, embedding=0.5, between=0.0), plain)
    assert not torch.equal(encode(training=True, embedding=0.0, between=0.5), plain)
