"""Encoder, context and decoder as one model, and the seam that search drives: encode, step.

B batch, S source, T target, R read-out, V target vocabulary, N rows of a step.
"""

from typing import Any

from torch import Tensor, nn
from torch.profiler import record_function

from rnnsearch.kernels.log_probabilities import log_probabilities
from rnnsearch.model.cells import choose
from rnnsearch.model.decoder import Decoder, at
from rnnsearch.model.encoder import RecurrentEncoder
from rnnsearch.model.transformer import TransformerDecoder, TransformerEncoder

TIES = ("none", "output", "all")
State = Any  # the decoder's own: what its `start` gives, and its `step` takes and gives
Memory = Any  # the same


class Translator(nn.Module):
    """p(y | x) of an encoder and a decoder.

    Args:
        encoder, decoder: the two halves; the decoder owns the context mechanism.
        tied_embeddings: ``none``; ``output`` (target embedding = output matrix); ``all`` (source embedding too).

    Raises:
        ValueError: if tied matrices differ in shape, or the decoder reads end states that the encoder does not have.
    """

    def __init__(
        self,
        *,
        encoder: RecurrentEncoder | TransformerEncoder,
        decoder: Decoder | TransformerDecoder,
        tied_embeddings: str,
    ) -> None:
        super().__init__()
        reads = getattr(decoder, "reads_ends", None)  # halves of other packages may say nothing of it
        if reads and not getattr(encoder, "has_ends", True):
            raise ValueError(
                f"{reads} reads the encoder's end states, and an encoder that attends to all words at once "
                "has none; set model.decoder.initial_state=mean, and model/context=mean for a constant context"
            )
        if getattr(decoder, "reads_memory", False):
            _let_hand_over(encoder)
        self.encoder = encoder
        self.decoder = decoder
        if choose(tied_embeddings, TIES, "model.tied_embeddings") != "none":
            self._tie(decoder.output.weight, "the output matrix", "model.readout_size")
            decoder.output.weight = decoder.embedding.weight
        if tied_embeddings == "all":
            self._tie(encoder.embedding.weight, "the source embedding", "tokenizer.joint=true and model.embedding_size")
            encoder.embedding.weight = decoder.embedding.weight

    def _tie(self, weight: Tensor, name: str, key: str) -> None:
        if weight.shape != self.decoder.embedding.weight.shape:
            raise ValueError(
                f"tied embeddings need equal shapes, but the target embedding is "
                f"{tuple(self.decoder.embedding.weight.shape)} and {name} {tuple(weight.shape)}; "
                f"make them equal (see {key}), or set model.tied_embeddings=none"
            )

    def forward(
        self, source_BS: Tensor, mask_BS: Tensor, target_in_BT: Tensor, at_B: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Read-outs ``[B, T, R]`` and weights ``[B, T, S]`` (None for constant contexts), previous words given.

        With ``at_B`` those of one step of each sentence alone, T = 1.
        """
        state, memory = self._begin(source_BS, mask_BS)
        with record_function("decoder"):
            if at_B is not None and type(self.decoder).forward in (Decoder.forward, TransformerDecoder.forward):
                readouts_BTR, weights_BTS = self.decoder(target_in_BT, state, memory, at_B)
                return readouts_BTR, weights_BTS
            readouts_BTR, weights_BTS = self.decoder(target_in_BT, state, memory)
        if at_B is not None:  # a decoder of somebody's own knows whole sentences
            return at(at_B, readouts_BTR), None if weights_BTS is None else at(at_B, weights_BTS)
        return readouts_BTR, weights_BTS

    def logits(self, readouts: Tensor) -> Tensor:
        """W_o t_i for read-outs ``[..., R]``: ``[..., V]``."""
        logits: Tensor = self.decoder.output(readouts)
        return logits

    def encode(self, source_BS: Tensor, mask_BS: Tensor) -> tuple[State, Memory]:
        """Initial state and memory of a batch of sentences, for `step`."""
        state, memory = self._begin(source_BS, mask_BS)
        return state, self.decoder.settle(memory)

    def _begin(self, source_BS: Tensor, mask_BS: Tensor) -> tuple[State, Memory]:
        with record_function("encoder"):
            annotations = self.encoder(source_BS, mask_BS)
        with record_function("decoder"):
            return self.decoder.start(annotations)

    def step(self, token_N: Tensor, state: State, memory: Memory, step: int) -> tuple[Tensor, State, Tensor | None]:
        """Log-probabilities of the word after ``token_N`` ``[N, V]``, the next state, weights ``[N, S]`` or None.

        Tokens and state have N = B · K rows for B sentences in ``memory``, the K of a sentence one after another.
        """
        readout_NR, state, weights_NS = self.decoder.step(token_N, state, memory, step)
        return log_probabilities(self.logits(readout_NR)), state, weights_NS


def _let_hand_over(encoder: nn.Module) -> None:
    if not isinstance(encoder, RecurrentEncoder):
        raise ValueError(
            "model.decoder.initial_memory=ends takes over the memory of an LSTM, which "
            f"{type(encoder).__name__} does not have; set initial_memory=zero"
        )
    encoder.hand_over_memory()
