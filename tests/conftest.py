"""Before any test module is read: without a GPU, Triton interprets its kernels, if so told before it is imported."""

import gc
import logging
import os
import signal
import sys
from collections.abc import Iterator
from itertools import islice

import pytest
import torch

from rnnsearch.training import quick_import

signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell ignores in the background
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"

quick_import.module("lightning.pytorch", lightning=True)
gc.disable()  # until all tests are imported


def pytest_collection_finish() -> None:
    """What is loaded by now stays: the collector of garbage need not go through it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)
    gc.enable()


@pytest.fixture(autouse=True)
def _no_handlers_of_earlier_tests() -> None:
    """A library's log handler keeps the stream of the test in which it was made, which is closed after that test."""
    for logger in [logging.root, *logging.root.manager.loggerDict.values()]:
        for handler in [*getattr(logger, "handlers", ())]:  # a place in the hierarchy without a logger has none
            if isinstance(handler, logging.StreamHandler) and getattr(handler.stream, "closed", False):
                logger.removeHandler(handler)


@pytest.fixture(autouse=True)
def _no_modules_of_earlier_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A module that a test wrote and imported would stand for another test's of the same name."""
    before = len(sys.modules)
    yield
    base = str(tmp_path_factory.getbasetemp())
    for name in [*islice(reversed(sys.modules), max(0, len(sys.modules) - before))]:  # the newest are the last
        spec = getattr(sys.modules[name], "__spec__", None)
        if spec and any(str(one).startswith(base) for one in (spec.origin, *(spec.submodule_search_locations or ()))):
            del sys.modules[name]
