"""log softmax over the vocabulary, for search."""

import torch
from torch import Tensor

from rnnsearch.kernels import compiled


def log_probabilities(logits_NV: Tensor) -> Tensor:
    """log p of each word ``[N, V]``; without gradients in the place of the logits, where a compiled pass serves."""
    if torch.is_grad_enabled() or not compiled.serves(logits_NV) or not logits_NV.is_contiguous():
        return torch.log_softmax(logits_NV, dim=-1)
    compiled.call("log_softmax", *logits_NV.shape, logits_NV.data_ptr())
    return logits_NV
