"""What quick imports leave behind: the modules as they are without them."""

import gc
import subprocess
import sys

import pytest

from rnnsearch.training import quick_import

TELL = """
import gc, logging, sys
from rnnsearch.training import quick_import
quick_import.module("lightning.pytorch.trainer.states", lightning=True)
assert "scipy.signal" not in sys.modules
assert gc.isenabled()
assert not logging.root.handlers
assert logging.getLogger("lightning.pytorch").propagate
from scipy import signal
print(len(signal.find_peaks([0, 1, 0, 2, 0])[0]), signal.windows.hann(3)[1], hasattr(signal, "hamming"))
"""


@pytest.mark.slow
def test_what_was_spared_is_whole_when_it_is_asked_for() -> None:
    done = subprocess.run([sys.executable, "-c", TELL], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "1.0", "False"]


def test_a_module_that_is_missing() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"rnnsearch\.nothing"):
        quick_import.module("rnnsearch.nothing")
    assert gc.isenabled()
