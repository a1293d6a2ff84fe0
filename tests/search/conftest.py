"""Fixtures of every search's tests."""

import pytest

from .models import CONTEXTS


@pytest.fixture(params=sorted(CONTEXTS))
def mechanism(request: pytest.FixtureRequest) -> str:
    return str(request.param)
