"""The model's matrix products: torch's `nn.Linear`, by whichever library is the faster one here; and their parts."""

from torch import Tensor, nn

from rnnsearch.kernels import products


class Linear(nn.Linear):
    """W x + b."""

    def forward(self, input: Tensor) -> Tensor:
        return products.linear(input, self.weight, self.bias)


def by_part(values_X: Tensor, parts: int) -> Tensor:
    """The last axis in so many equal parts, one after the other: ``[..., parts, X / parts]``."""
    return values_X.reshape(*values_X.shape[:-1], parts, values_X.shape[-1] // parts)
