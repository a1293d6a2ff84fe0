"""Fixtures of every search's tests."""

from collections.abc import Callable

import pytest

from rnnsearch.model.translator import Translator

from .models import CONTEXTS
from .models import random_translator as build


@pytest.fixture(params=sorted(CONTEXTS))
def mechanism(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def random_translator() -> Callable[..., Translator]:
    return build
