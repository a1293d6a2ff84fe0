"""Models without memory: the shapes of the others, without torch's compiler."""

import subprocess
import sys

import torch
from torch import nn

from rnnsearch.model.without_memory import without_memory

TELL = """
import sys
from torch import nn
from rnnsearch.model.without_memory import without_memory
with without_memory():
    nn.Embedding(5, 3), nn.Linear(3, 4)
print("torch._dynamo" in sys.modules)
"""


def test_shapes_are_those_of_a_model_with_memory() -> None:
    with without_memory():
        empty = nn.Sequential(nn.Embedding(5, 3, padding_idx=0), nn.Linear(3, 4))
    full = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 4))
    assert [part.shape for part in empty.parameters()] == [part.shape for part in full.parameters()]
    assert {part.device.type for part in empty.parameters()} == {"meta"}
    assert nn.init.normal_(torch.zeros(9)).abs().sum() > 0  # as ever outside the block
    empty.load_state_dict(full.state_dict(), assign=True)
    assert torch.equal(empty(torch.tensor([1])), full(torch.tensor([1])))


def test_the_compiler_is_not_imported() -> None:
    assert subprocess.run([sys.executable, "-c", TELL], capture_output=True, text=True, check=True).stdout == "False\n"
