"""The page of trained runs, with attention and without."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import rnnsearch
from rnnsearch.page.app import make_app
from rnnsearch.page.limits import Limits

LIMITS = Limits(max_characters=1000, max_words=100, max_beam_size=8, max_waiting=2, beam_size=4, alternatives=2)
TEXTS = ["The doctor sees the dog.", "😀 שלום", "\0", "a" * 900, "a " * 100, "<unk> </s> ▁", "\u2028 x"]


@pytest.mark.slow
def test_runs_with_and_without_attention(tmp_path: Path) -> None:
    models = {}
    for context in ("additive", "fixed"):
        folder = tmp_path / context
        command = ["train", "data=controlled", "model=tiny", f"model/context={context}", "trainer=cpu", "test=false"]
        sizes = ["budget.updates=4", "validation.every=4", "validation.sentences=8"]
        places = [f"hydra.run.dir={folder}", f"paths.cache={tmp_path / 'cache'}"]
        environment = {**os.environ, "PYTHONPATH": str(Path(rnnsearch.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
        call = [sys.executable, "-m", "rnnsearch", *command, *sizes, *places]
        subprocess.run(call, cwd=tmp_path, env=environment, check=True, timeout=500)
        models[context] = rnnsearch.load(folder, device="cpu")
    with TestClient(make_app(models, LIMITS), base_url="http://localhost") as client:
        for text in TEXTS:
            answer = client.post("/results", data={"text": text})
            assert answer.status_code == 200, text
            additive, fixed = answer.text.split("<section")[1:]
            assert "saliency" not in additive
            assert "Attention weights" not in fixed
        answer = client.post("/results", data={"text": TEXTS[0]})
        assert answer.text.count("Gradient saliency (this model has no attention)") >= 2
        assert answer.text.count("<details>") == 2
