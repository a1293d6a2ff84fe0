"""The page of trained runs, with attention and without."""

import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.evaluation.test_word_alignment import ADDITIVE, learnt, system

import rnnsearch
from rnnsearch.api import TrainedModel
from rnnsearch.page.app import make_app
from rnnsearch.page.limits import Limits
from rnnsearch.records.visible import visible

LIMITS = Limits(max_characters=1000, max_words=100, max_beam_size=8, max_waiting=2, beam_size=4, alternatives=2)
SEARCH = {"beam_size": 2, "normalization": "none", "max_length_ratio": 0.0, "max_length_offset": 5}
SEARCH |= {"max_source_length": 50, "batch_size": 4, "forbid_unknown": False}
TEXTS = ["The doctor sees the dog.", "😀 שלום", "\0", "a" * 900, "a " * 100, "<unk> </s> ▁", "\u2028 x"]


@pytest.mark.parametrize(
    ("text", "size", "columns"),
    [
        ("经常农民听到房子，它很大。", 280, ["经常", "农民听", "到房", "子", "，", "它很", "大", "。"]),
        ("แมวกินปลา หมาเห็นแมว", 286, ["แมว", "กินป", "ลา", "หมาเ", "ห็น", "แมว"]),
        ("Die kleine Katze schläft.", 290, ["Die", "kleine", "Katze", "schläft."]),
    ],
    ids=["zh", "th", "de"],
)
def test_a_sentence_without_blanks_is_shown_by_its_pieces(text: str, size: int, columns: list[str]) -> None:
    model = TrainedModel("random", system(ADDITIVE, learnt(text, size)), SEARCH)
    with TestClient(make_app({"random": model}, LIMITS), base_url="http://localhost") as client:
        answer = client.post("/results", data={"text": text}).text
    heads = re.findall(r'<th scope="col"[^>]*><span>(.*?)</span>', answer.split("</table>")[0])
    assert heads == columns
    line, written, *_ = re.findall(r'<p class="words.*?</p>', answer, re.DOTALL)
    assert re.sub("<.*?>", "", line).strip() == text  # as it was typed, when one copies it
    best = model.translate([text], beam_size=LIMITS.beam_size, n_best=LIMITS.alternatives + 1)[0].hypotheses[0]
    assert unescape(re.sub("<.*?>", "", written)).split() == visible(best.text).split()
    rows = re.findall(r'<th scope="row"[^>]*><bdi>(.*?)</bdi>', answer.split("</table>")[0])
    assert [*map(unescape, rows)] == [visible(word) for word in best.alignment.drawn.target]


@pytest.mark.slow
def test_runs_with_and_without_attention(tmp_path: Path) -> None:
    models = {}
    for context in ("additive", "fixed"):
        folder = tmp_path / context
        command = ["train", "data=controlled", "model=tiny", f"model/context={context}", "trainer=cpu", "test=false"]
        command += ["data.train_pairs=500", "tokenizer.source_size=400", "tokenizer.target_size=400"]
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
