"""A thousand sentences in float32: batches change no translation, and translate and score agree."""

import json
from pathlib import Path
from typing import Any

import pytest

import rnnsearch
from rnnsearch.evaluation.forcing import force

TIE = 1e-4  # nats a token
CORPUS = "data=controlled data.train_pairs=5000 data.validation_pairs=50 model=tiny trainer=cpu"
BUDGET = "budget.updates=200 validation.every=200 learning_rate=0.008 samples=0 test=false"


@pytest.fixture(scope="module", params=["additive", "fixed"])
def run(request: Any, workshop: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("thousand")
    places = workshop.quoted("paths.cache", folder / "cache"), workshop.quoted("hydra.run.dir", folder / "run")
    words = [*CORPUS.split(), *BUDGET.split(), f"model/context={request.param}", *places]
    assert workshop.main("train", *words) == 0
    return folder / "run"


@pytest.mark.slow
def test_a_thousand_sentences(run: Path) -> None:
    texts = [json.loads(line)["source_text"] for line in (run / "data" / "test.jsonl").read_text().splitlines()]
    assert len(texts) == 1000
    model = rnnsearch.load(run, device="cpu")
    alone, seven, many = (
        [one.hypotheses[0] for one in model.translate(texts, beam_size=5, batch_size=size)] for size in (1, 7, 64)
    )
    for other in (alone, seven):
        different = [(a, b) for a, b in zip(other, many, strict=True) if a.text != b.text]
        assert len(different) <= 2
        assert all(abs(a.score - b.score) <= TIE for a, b in different)
    assert len({one.text for one in many}) > 100

    pieces = {piece: i for i, piece in enumerate(model.system.target.pieces(range(model.system.target.size)))}
    ids = [[pieces[piece] for piece in one.tokens] for one in many]
    sources = [model.system.source_ids(text) for text in texts]
    forced = dict(force(model.system, list(zip(sources, ids, strict=True))))
    assert max(abs(one.log_prob - forced[i].log_prob) for i, one in enumerate(many)) <= 1e-4
