"""COMET in a process of another environment: what is asked and answered, what goes wrong, and, slowly, COMET itself."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.comet_stand_in import stand_in

from rnnsearch.evaluation.comet import Comet, compared, described
from rnnsearch.evaluation.comparison import Chance

ROOT = Path(__file__).parents[2]
REAL = ROOT / ".venv-comet"
CHANCE = Chance(resamples=200, shuffles=10, seed=3)
ROWS = [
    {"source": "ein Hund", "hypothesis": "a dog", "reference": "a dog"},
    {"source": "Haus\u2028 \U0001f600", "hypothesis": "", "reference": "house"},
    {"source": "der Mann sieht ein Haus", "hypothesis": "a man sees a house", "reference": "the man sees a house"},
]


def test_each_sentence_is_asked_for_and_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    comet = stand_in(tmp_path)
    scored = comet.score(ROWS)
    assert scored.scores_N.tolist() == [0.5, 0.0, 1.8]
    assert scored.signature.endswith("|version:9.9")
    (isolated, worker, checkpoint), request, variables = json.loads((tmp_path / "log").read_text())
    assert (isolated, Path(worker).name, checkpoint) == ("-I", "comet_worker.py", str(comet.checkpoint))
    assert request["samples"] == [{"src": r["source"], "mt": r["hypothesis"], "ref": r["reference"]} for r in ROWS]
    assert (request["batch_size"], request["gpus"], request["device"]) == (4, 0, None)
    assert "PYTHONPATH" not in variables
    stated = described(scored, CHANCE)
    assert stated["comet"] == pytest.approx(2.3 / 3)
    assert stated["comet_interval"][0] <= stated["comet"] <= stated["comet_interval"][1]


@pytest.mark.parametrize(("device", "asked"), [("auto", (None, None)), ("cuda", (1, None)), ("cuda:1", (1, 1))])
def test_a_device_is_asked_for(tmp_path: Path, device: str, asked: tuple[int | None, int | None]) -> None:
    stand_in(tmp_path, device=device).score(ROWS)
    request = json.loads((tmp_path / "log").read_text())[1]
    assert (request["gpus"], request["device"]) == asked


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("sys.exit('first\\nno such encoder')", "ended with 1 and said last: no such encoder; look whether"),
        (
            'print(\'{"missing": "No module comet"}\')',
            r"has no COMET \(No module comet\); make comet builds",
        ),
        ("print('[]')", "gave no scores and said last: nothing"),
        ("print('not JSON')", "gave no scores"),
        ('print(\'{"scores": [1.0], "version": "1"}\')', "gave 1 scores for 3 sentences"),
        ('print(\'{"scores": [1.0, 2.0, NaN], "version": "1"}\')', "gave scores that are no numbers"),
    ],
)
def test_what_goes_wrong_is_one_sentence(tmp_path: Path, answer: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as error:
        stand_in(tmp_path, answer).score(ROWS)
    assert "\n" not in str(error.value)


def test_what_is_missing_is_told_before_anything_is_translated(tmp_path: Path) -> None:
    comet = stand_in(tmp_path)
    (tmp_path / "model" / "hparams.yaml").unlink()
    for checkpoint, environment, sentence in (
        (comet.checkpoint, tmp_path, "is no environment of Python with COMET; make comet builds one"),
        (tmp_path / "gone.ckpt", comet.environment, "gone.ckpt does not exist; give a COMET model's model.ckpt"),
        (comet.checkpoint, comet.environment, "hparams.yaml, which says what model it is, does not exist"),
    ):
        with pytest.raises(FileNotFoundError, match=sentence):
            Comet(checkpoint, environment, 1, "cpu")


def test_a_difference_is_paired_by_sentence() -> None:
    generator = np.random.default_rng(2)
    baseline = generator.normal(0.5, 0.2, 100).tolist()
    same = compared([score + 0.1 for score in baseline], baseline, CHANCE)
    assert same.run - same.baseline == pytest.approx(0.1)
    low, high = same.difference.interval.low, same.difference.interval.high
    assert (low, high) == pytest.approx((0.1, 0.1))
    mixed = compared(baseline[::-1], baseline, CHANCE)
    assert mixed.difference.interval.low < 0 < mixed.difference.interval.high
    assert same.p_bootstrap is None


# COMET itself

MAKE = """
import sys, yaml, torch
from pathlib import Path
import pytorch_lightning as ptl
from transformers import BertConfig
from comet.models import RegressionMetric
folder = Path(sys.argv[1])
encoder = folder / "encoder"
encoder.mkdir(parents=True)
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"a dog man sees house the ein hund der mann haus sieht".split()]
(encoder / "vocab.txt").write_text("\\n".join(words) + "\\n")
BertConfig(vocab_size=len(words), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
           max_position_embeddings=64).save_pretrained(encoder)
torch.manual_seed(5)
model = RegressionMetric(encoder_model="BERT", pretrained_model=str(encoder), load_pretrained_weights=False,
                         hidden_sizes=[16, 8], nr_frozen_epochs=0, keep_embeddings_frozen=False)
trainer = ptl.Trainer(logger=False, accelerator="cpu", enable_checkpointing=False)
trainer.strategy.connect(model)
trainer.save_checkpoint(folder / "checkpoints" / "model.ckpt")
(folder / "hparams.yaml").write_text(yaml.safe_dump({"class_identifier": "regression_metric"}))
model.eval()
import json
samples = json.load(sys.stdin)
scores = []
for sample in samples:  # one by one, without COMET's batches and its trainer
    with torch.no_grad():
        scores.append(model(**model.prepare_for_inference([sample])).score.item())
json.dump(scores, open(folder / "expected.json", "w"))
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A COMET model with random weights, and the scores that it gives sentence by sentence."""
    if not (REAL / "bin" / "python").is_file():
        pytest.skip("make comet builds .venv-comet")
    samples: list[dict[str, Any]] = [{"src": r["source"], "mt": r["hypothesis"], "ref": r["reference"]} for r in ROWS]
    command = [str(REAL / "bin" / "python"), "-I", "-c", MAKE, str(tmp_path / "tiny")]
    subprocess.run(command, input=json.dumps(samples).encode(), check=True, capture_output=True)
    return tmp_path / "tiny"


@pytest.mark.slow
def test_comet_scores_as_its_model_does(tiny: Path) -> None:
    scored = Comet(tiny / "checkpoints" / "model.ckpt", REAL, 2, "cpu").score(ROWS)
    assert scored.scores_N.tolist() == pytest.approx(json.loads((tiny / "expected.json").read_text()), abs=1e-5)
    assert len({round(score, 6) for score in scored.scores_N.tolist()}) == len(ROWS)


@pytest.mark.slow
def test_a_checkpoint_that_is_none_is_one_sentence(tiny: Path) -> None:
    (tiny / "checkpoints" / "model.ckpt").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"said last: .*; look whether comet.checkpoint="):
        Comet(tiny / "checkpoints" / "model.ckpt", REAL, 2, "cpu").score(ROWS)
