"""Models whose translations and alignments are known: the words in capitals, in reverse order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from rnnsearch.page.app import make_app
from rnnsearch.page.limits import Limits
from rnnsearch.search.beam import BeamSearch

LIMITS = {
    "max_characters": 100,
    "max_words": 8,
    "max_beam_size": 6,
    "max_waiting": 2,
    "beam_size": 4,
    "alternatives": 3,
}


@dataclass
class FakeModel:
    """Remembers what it was asked; the n-th alternative ends in n times "!"."""

    kind = BeamSearch
    method: str = "attention"
    weight: float = 0.75
    before: Callable[[], Any] = lambda: None
    asked: list[dict[str, Any]] = field(default_factory=list)

    def translate(self, texts: Sequence[str], **settings: Any) -> list[SimpleNamespace]:
        self.asked.append({"texts": list(texts), **settings})
        self.before()
        return [SimpleNamespace(hypotheses=[self.hypothesis(t, n) for n in range(settings["n_best"])]) for t in texts]

    def search(self, **_: Any) -> None:
        """Takes any search."""

    def hypothesis(self, text: str, number: int) -> SimpleNamespace:
        source = text.split(" ")
        target = [word.upper() for word in reversed(source)]
        target[-1] += "!" * number
        weights_TS = np.fliplr(np.eye(len(source))) * self.weight
        links = frozenset((len(source) - 1 - i, i) for i in range(len(source)))
        alignment = SimpleNamespace(
            source=source, target=target, weights_TS=weights_TS, links=links, method=self.method
        )
        alignment.drawn = alignment
        return SimpleNamespace(text=" ".join(target), score=-0.5 - number, log_prob=-1.25 - number, alignment=alignment)


@pytest.fixture
def limits() -> Limits:
    return Limits(**LIMITS)


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def client(model: FakeModel, limits: Limits) -> TestClient:
    """The page of one model."""
    return TestClient(make_app({"one": model}, limits), base_url="http://127.0.0.1:7860", raise_server_exceptions=False)
