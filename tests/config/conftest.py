"""The small conf/ tree in place of the shipped one, and a root logger that each test gets as it was."""

import logging

import pytest
from tests.small_conf import command as command
from tests.small_conf import conf as conf


@pytest.fixture(autouse=True)
def _root_logger():
    """Hydra configures the root logger; the next test gets it back as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
