"""All context mechanisms, under the names by which configurations and packages of others know them.

Begin with mechanism.py, the seam in which compared models differ; attention.py makes weights of energies.
"""

from rnnsearch.model.attention import Attention
from rnnsearch.model.constant_context import ConstantContext, Fixed, InitialOnly, Mean, mean_annotation
from rnnsearch.model.dot_product import Dot, DotProduct, General, ScaledDot
from rnnsearch.model.hidden_layer import Additive, HiddenLayer, LocationOnly
from rnnsearch.model.mechanism import Context
from rnnsearch.model.memory import Memory
from rnnsearch.model.positions import even, sinusoids
from rnnsearch.model.slots import Slots

__all__ = [
    "Additive",
    "Attention",
    "ConstantContext",
    "Context",
    "Dot",
    "DotProduct",
    "Fixed",
    "General",
    "HiddenLayer",
    "InitialOnly",
    "LocationOnly",
    "Mean",
    "Memory",
    "ScaledDot",
    "Slots",
    "even",
    "mean_annotation",
    "sinusoids",
]
