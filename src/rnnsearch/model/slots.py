"""A few vectors made of the source before the first word is written, between one vector and attention.

B batch, S source, E annotation and context, H query (decoder state), N = B · Q queries of a step, K slots, P of φ.
"""

import torch
from torch import Tensor

from rnnsearch.model.cells import choose
from rnnsearch.model.encoder import Annotations
from rnnsearch.model.linear import Linear
from rnnsearch.model.mechanism import Context
from rnnsearch.model.memory import Memory
from rnnsearch.model.positions import even, sinusoids


class Slots(Context):
    """K vectors C_k = Σ_j a_jk h_j, made once from the source and weighed at each step: c_i = Σ_k β_ik C_k.

    β_i = softmax(W_β s), and a is made of scores W [h_j ; φ(j)], φ sinusoids (Britz, Guan and Luong 2017, arXiv
    1707.00110). A rung between one vector and attention: what a step may choose from is there before the first word is
    written. Weights are α_ij = Σ_k β_ik a_jk, which give the same context by one sum over positions.

    Args:
        slots: K.
        position_size: of φ.
        normalized: ``positions``: a_jk = softmax over j, each slot a weighted mean; ``slots``: softmax over k at each
            position, divided by the source's length, as in the paper; weights then sum to less than 1.

    Raises:
        ValueError: for fewer than 1 slot, or an odd size of positions.
    """

    constant = False

    def __init__(
        self, *, annotation_size: int, state_size: int, slots: int, position_size: int, normalized: str
    ) -> None:
        super().__init__()
        if slots < 1:
            raise ValueError(f"model.context.slots={slots}: there is at least 1 slot; 1 is one weighted mean")
        self.size = annotation_size
        self.position_size = even(position_size)
        self.normalized = choose(normalized, ("positions", "slots"), "model.context.normalized")
        self.sums_to_one = normalized == "positions"
        self.query = Linear(state_size, slots, bias=False)  # W_β
        self.key = Linear(annotation_size + position_size, slots, bias=False)  # W

    def energy_cost(self) -> float | None:
        return 2.0 * self.key.out_features

    def remember(self, annotations: Annotations) -> Memory:
        return Memory(annotations.mask_BS, annotations.states_BSE, self._shares(annotations))

    def weigh(self, query_NH: Tensor, memory: Memory, step: int) -> Tensor | None:
        assert memory.keys_BSA is not None
        query_BQH = query_NH.view(len(memory.mask_BS), -1, query_NH.shape[1])
        chosen_BQK: Tensor = self.query(query_BQH).softmax(-1)
        weights_BQS = chosen_BQK.to(memory.keys_BSA.dtype) @ memory.keys_BSA.mT
        return weights_BQS.flatten(0, 1)

    def _shares(self, annotations: Annotations) -> Tensor:
        """a, ``[B, S, K]``, zero at padding."""
        states_BSE, mask_BS1 = annotations.states_BSE, annotations.mask_BS.unsqueeze(-1)
        positions_S = torch.arange(states_BSE.shape[1], device=states_BSE.device)
        places_SP = sinusoids(positions_S, self.position_size, states_BSE.dtype)
        placed_BSX = torch.cat([states_BSE, places_SP.expand(len(states_BSE), -1, -1)], dim=-1)
        scores_BSK: Tensor = self.key(placed_BSX).to(self.query.weight.dtype)
        if self.normalized == "positions":
            return scores_BSK.masked_fill(~mask_BS1, float("-inf")).softmax(1)
        return scores_BSK.softmax(-1) * mask_BS1 / mask_BS1.sum(1, keepdim=True)
