"""A command's modules, imported in little more than half the time."""

import gc
import importlib
import logging
import sys
from types import ModuleType

SPARED = "scipy.signal"


def module(name: str, *, lightning: bool = False) -> ModuleType:
    """Import a module; what imports make stays, so that the collector of garbage does not go through it meanwhile.

    Args:
        lightning: whether it imports Lightning, of which a part is spared.
    """
    if name in sys.modules:
        return sys.modules[name]
    collecting = gc.isenabled()
    gc.disable()
    try:
        if lightning:
            _lightning()
        return importlib.import_module(name)
    finally:
        gc.freeze()
        if collecting:
            gc.enable()


def _lightning() -> None:
    """Import Lightning without scipy.signal, which is imported by whoever asks for it later.

    Lightning asks for torchmetrics' version by importing it, and torchmetrics imports all of scipy.signal for one name
    that an audio package misses there.
    """
    if "lightning" in sys.modules or SPARED in sys.modules:
        return
    stand_in, handler = ModuleType(SPARED), logging.NullHandler()
    vars(stand_in)["hamming"] = None  # torchmetrics adds that name where it is missing
    sys.modules[SPARED] = stand_in
    # without any handler, Lightning would keep its messages from the logs that are yet to come
    logging.root.addHandler(handler)
    try:
        importlib.import_module("lightning.pytorch")
    finally:
        del sys.modules[SPARED]
        logging.root.removeHandler(handler)
