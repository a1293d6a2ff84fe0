"""`rnnsearch train` from beginning to end: budgets, options, records, folders, failures."""

import json
import re
import shlex
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from rnnsearch.records.json_files import read_lines
from rnnsearch.training.profiling import PARTS

METRICS = (
    "sentences bleu bleu_signature bleu_interval chrf chrf_signature chrf_interval ter ter_signature nll perplexity "
    "aer aer_saliency alignment attention by_length by_frequency"
)
ROW = "index line source reference hypothesis score at_limit nll tokens source_words gold links links_method "
ROW += "links_saliency attention"
FILES = (
    "record.json config.yaml train.log metrics.csv checkpoints/best.ckpt checkpoints/last.ckpt data/validation.jsonl "
    "data/test.jsonl data/target_words.txt translations.test.jsonl counts.test.json alignments.test.json"
)
KEYS = (
    "format id name study member status error started ended command config_hash seed parameters "
    "parameters_without_embeddings flops_per_token flops_lengths dependent_steps git versions hardware data filters "
    "tokenizer updates tokens_seen skipped_updates seconds training_seconds tokens_per_second peak_memory_bytes "
    "results scoring code files sha256"
)
SHORT = "budget.updates=2 validation.every=2 samples=0"


def test_the_record_is_complete(workshop: Any, trained: Path) -> None:
    record = workshop.record(trained)
    assert set(record) == {*KEYS.split(), "tags", "note"}
    assert (record["status"], record["error"], record["seed"], record["updates"]) == ("finished", None, 1, 12)
    assert record["command"][:2] == ["rnnsearch", "train"]
    assert record["started"] <= record["ended"]
    assert set(record["data"]["checksums"]) == {
        f"{s}.{x}" for s in ("train", "validation", "test") for x in ("source", "target")
    }
    assert all(re.fullmatch("[0-9a-f]{64}", c) for c in record["data"]["checksums"].values())
    assert all(re.fullmatch("[0-9a-f]{64}", record["tokenizer"][side]["checksum"]) for side in ("source", "target"))
    assert record["data"]["pairs"] == {"train": 96, "validation": 12, "test": 10}
    assert record["filters"]["train"]["read"] == 96
    assert record["hardware"]["threads"] == 1
    assert {"torch", "lightning", "python", "rnnsearch"} <= set(record["versions"])
    assert record["peak_memory_bytes"] > 10**7
    results = record["results"]
    assert set(results) == {"curves", "metrics", "weights_sha256"}
    assert {"nll", "perplexity", "bleu", "bleu_signature", "chrf"} <= set(results["metrics"]["validation"])
    assert set(results["metrics"]["test"]) == set(METRICS.split())
    assert [point["update"] for point in results["curves"]["train"]] == [2, 4, 6, 8, 10, 12]
    assert [point["update"] for point in results["curves"]["validation"]] == [4, 8, 12]


def test_tokens_are_those_of_the_target_with_ends_of_sentences(workshop: Any, trained: Path) -> None:
    lines = (workshop.texts / "train.target").read_text().splitlines()
    epoch = sum(len(line.split()) + 1 for line in lines)
    record = workshop.record(trained)
    words = (workshop.texts / "train.source").read_text().split()
    assert record["flops_lengths"] == {"source": round(len(words) / 96 + 1, 3), "target": round(epoch / 96, 3)}
    assert record["tokens_seen"] == 2 * epoch  # 12 updates of 16 of 96 sentences
    assert record["results"]["curves"]["train"][-1]["tokens_seen"] == record["tokens_seen"]
    assert record["tokens_per_second"] >= record["tokens_seen"] / record["seconds"]


def test_the_folder_holds_what_the_readme_says(trained: Path) -> None:
    files = [path for path in trained.rglob("*") if path.is_file() and not path.name.startswith(".")]
    names = {path.relative_to(trained).as_posix() for path in files}
    assert names == set(FILES.split())
    rows = list(read_lines(trained / "translations.test.jsonl"))
    assert [row["index"] for row in rows] == list(range(10))
    assert set(rows[0]) == set(ROW.split())
    samples = json.loads((trained / "alignments.test.json").read_text())
    assert all(len(row) == len(s["source_pieces"]) for s in samples for row in s["weights"])


def test_the_best_checkpoint_is_that_of_the_best_validation(workshop: Any, trained: Path) -> None:
    results = workshop.record(trained)["results"]
    best = max(results["curves"]["validation"], key=lambda point: point["bleu"])
    assert results["metrics"]["validation"].items() >= best.items()
    checkpoint = torch.load(trained / "checkpoints" / "best.ckpt", weights_only=True)
    assert checkpoint["global_step"] == best["update"]
    assert set(checkpoint["rnnsearch"]) == {"format", "model", "run", "tokenizers"}


@pytest.mark.parametrize(
    "words",
    [
        "budget.updates=5",
        pytest.param("trainer.max_steps=5", marks=pytest.mark.slow),
        pytest.param("budget.updates=5 trainer.max_steps=5", marks=pytest.mark.slow),
    ],
)
def test_updates_stop_and_the_last_weights_are_validated(workshop: Any, tmp_path: Path, words: str) -> None:
    assert workshop.train(tmp_path / "run", words + " validation.every=3 samples=0") == 0
    record = workshop.record(tmp_path / "run")
    assert record["updates"] == 5
    assert [point["update"] for point in record["results"]["curves"]["validation"]] == [3, 5]
    assert torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 5


def test_two_different_numbers_of_updates_are_refused(workshop: Any, tmp_path: Path, capsys: Any) -> None:
    assert workshop.train(tmp_path / "run", "budget.updates=5 trainer.max_steps=6") == 1
    assert "trainer.max_steps=6 and budget.updates=5 are two names of one limit" in capsys.readouterr().err
    assert not (tmp_path / "run" / "record.json").exists()


def test_tokens_stop(workshop: Any, tmp_path: Path) -> None:
    assert workshop.train(tmp_path / "run", "budget.updates=null budget.tokens=300 validation.every=100") == 0
    record = workshop.record(tmp_path / "run")
    assert 300 <= record["tokens_seen"] < 300 + 16 * 7
    assert len(record["results"]["curves"]["validation"]) == 1


@pytest.mark.slow
def test_seconds_stop(workshop: Any, tmp_path: Path) -> None:
    assert workshop.train(tmp_path / "run", "budget.updates=null budget.seconds=0.5 validation.every=100000") == 0
    record = workshop.record(tmp_path / "run")
    assert 0.5 <= record["tokens_seen"] / record["tokens_per_second"] < 2
    assert record["updates"] > 5
    assert [point["update"] for point in record["results"]["curves"]["validation"]] == [record["updates"]]


def test_early_stopping(workshop: Any, tmp_path: Path) -> None:
    words = (
        "budget.updates=9 validation.every=1 early_stopping=2 optimizer=sgd optimizer.lr=1e-30 validation.monitor=nll"
    )
    assert workshop.train(tmp_path / "run", words + " samples=0") == 0
    assert workshop.record(tmp_path / "run")["updates"] == 3


def test_the_plateau_lowers_the_rate_on_the_curve(workshop: Any, tmp_path: Path) -> None:
    words = "scheduler=plateau scheduler.patience=1 scheduler.warmup=0 averaging=none optimizer=sgd optimizer.lr=1e-30"
    assert workshop.train(tmp_path / "run", words + " budget.updates=8 validation.every=2 curve_every=1 samples=0") == 0
    header, *lines = (tmp_path / "run" / "metrics.csv").read_text().splitlines()
    column = header.split(",").index("train/learning_rate")
    rates = [float(rate) for line in lines if (rate := line.split(",")[column])]
    assert rates == pytest.approx([1e-30] * 4 + [0.5e-30] * 2 + [0.25e-30] * 2, rel=1e-6) or rates == pytest.approx(
        [1e-30] * 5 + [0.5e-30] * 2 + [0.25e-30], rel=1e-6
    )


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("optimizer=adadelta scheduler=none averaging=none ~logger", marks=pytest.mark.slow),
        pytest.param("optimizer=adamw scheduler=inverse_sqrt batches=paper", marks=pytest.mark.slow),
        pytest.param(
            "optimizer=sgd scheduler=step batches=tokens batches.size=100 trainer=auto", marks=pytest.mark.slow
        ),
        "tokenizer=sentencepiece tokenizer.source_size=300 tokenizer.target_size=300",
        "model/context=fixed model.cell=lstm data_workers=1",
        "model/encoder=transformer model/decoder=transformer model.decoder.heads=2 model.encoder.norm=post",
        pytest.param("model.cell=sru model.decoder.query_state=current", marks=pytest.mark.slow),
        pytest.param("model.cell=lrn model/context=slots model.context.slots=1", marks=pytest.mark.slow),
        pytest.param("model.cell=mingru model.encoder.layers=2 trainer.precision=bf16-mixed", marks=pytest.mark.slow),
        pytest.param("model/encoder=transformer model.decoder.initial_state=mean", marks=pytest.mark.slow),
        pytest.param("model/decoder=transformer kernels=plain", marks=pytest.mark.slow),
        "+debug=fast +experiment=bahdanau2015_rnnsearch30 model.embedding_size=4 model.hidden_size=4 "
        "model.attention_size=4 model.readout_size=4 batches.batch_size=8 budget.updates=2",
        pytest.param("+debug=overfit trainer.overfit_batches=2 validation.monitor=chrf", marks=pytest.mark.slow),
    ],
)
def test_options_train(workshop: Any, tmp_path: Path, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drop = ("batches.size", "scheduler.warmup") if "experiment" in words or "paper" in words else ()
    overrides = [o for o in workshop.overrides(tmp_path / "run", f"{SHORT} {words}") if not o.startswith(drop or "-")]
    if "experiment" in words:
        overrides = [o for o in overrides if o not in ("model=tiny", "tokenizer=word")]
    assert workshop.main("train", *overrides) == 0
    assert workshop.record(tmp_path / "run")["updates"] == 2


@pytest.mark.slow
def test_overfitting_forgets_nothing(workshop: Any, tmp_path: Path) -> None:
    words = "+debug=overfit trainer.overfit_batches=1 budget.updates=150 validation.every=150 curve_every=10 samples=0"
    words += " optimizer.lr=0.02 averaging=none scheduler=none model.hidden_size=32"
    assert workshop.train(tmp_path / "run", words) == 0
    losses = [point["loss"] for point in workshop.record(tmp_path / "run")["results"]["curves"]["train"]]
    assert losses[0] > 1.5
    assert losses[-1] < 0.3


@pytest.mark.slow
def test_lightning_s_profiler_reports(workshop: Any, tmp_path: Path) -> None:
    assert workshop.train(tmp_path / "run", "trainer.profiler=simple " + SHORT) == 0
    assert "Mean duration" in (tmp_path / "run" / "train.log").read_text()


@pytest.mark.slow
def test_a_profile_says_where_the_time_goes(workshop: Any, tmp_path: Path, capsys: Any) -> None:
    words = "+debug=profile profile=2 budget.updates=4 validation.every=4 samples=0"
    assert workshop.train(tmp_path / "run", words) == 0
    trace = json.loads((tmp_path / "run" / "profile" / "trace.json").read_text())["traceEvents"]
    labels = Counter(event["name"] for event in trace if event.get("cat") == "user_annotation")
    assert labels["encoder"] >= 2
    assert labels["Optimizer.step#Adam.step"] == 2
    assert any(event["name"] == "aten::addmm" for event in trace)
    summary = (tmp_path / "run" / "profile" / "summary.txt").read_text()
    assert summary in capsys.readouterr().err
    assert summary.startswith("2 updates, ")
    assert len(summary.splitlines()) < 30
    rows = {row[0]: (float(row[1]), float(row[2])) for row in re.findall(r"(?m)^(.+?) +([\d.]+) +([\d.]+)%", summary)}
    parts = {name: rows[name] for name in PARTS}
    assert all(seconds > 0 for seconds, _ in parts.values())
    assert sum(share for _, share in parts.values()) == pytest.approx(100, abs=0.5)
    assert float(summary.split(" in ")[1].split(" s ")[0]) == pytest.approx(
        sum(seconds for seconds, _ in parts.values()), abs=0.002
    )


def test_a_profile_that_never_began_is_told(workshop: Any, tmp_path: Path, capsys: Any) -> None:
    assert workshop.train(tmp_path / "run", "profile=2 " + SHORT) == 0
    assert "no profile: training ended within the 2 updates that warm up" in capsys.readouterr().err
    assert not (tmp_path / "run" / "profile").exists()


def test_a_corpus_without_a_test_split(workshop: Any, tmp_path: Path) -> None:
    overrides = [o for o in workshop.overrides(tmp_path / "run", SHORT) if not o.startswith("data.test")]
    assert workshop.main("train", *overrides) == 0
    assert set(workshop.record(tmp_path / "run")["results"]["metrics"]) == {"validation"}
    assert not list((tmp_path / "run").glob("translations*"))


def test_a_folder_with_a_record_is_left_as_it_is(workshop: Any, trained: Path, capsys: Any) -> None:
    before = workshop.snapshot(trained)
    times = {path: path.stat().st_mtime_ns for path in trained.rglob("*")}
    assert workshop.train(trained, SHORT) == 1
    assert "holds a run already; give another hydra.run.dir, or ckpt=last" in capsys.readouterr().err
    assert workshop.snapshot(trained) == before
    assert {path: path.stat().st_mtime_ns for path in trained.rglob("*")} == times


WRONG = [
    ("seed=null", "seed=null: give a whole number from 0 to"),
    ("seed=-1", "seed=-1: give a whole number from 0 to"),
    ("seed=x", "seed=x: give a whole number from 0 to"),
    ("validation.monitor=ter", "validation.monitor=ter: choose one of bleu, chrf, nll"),
    ("validation.every=0", "validation.every=0: give a whole number, 1 or more"),
    ("profile=0", "profile=0: give a whole number from 1 to 100000, or null"),
    ("curve_every=0", "curve_every=0: give a whole number, 1 or more"),
    ("trainer.precision=64-true", "trainer.precision=64-true: choose one of 32-true"),
    ("budget.updates=null", "no budget is given"),
    ("budget.updates=0", "budget.updates=0: give a whole number, 1 or more, or null"),
    ("trainer.max_steps=0", "trainer.max_steps=0: give a whole number, 1 or more, or -1, or null"),
    ("budget.updates=2.5", "budget.updates=2.5: give a whole number, 1 or more, or null"),
    ("budget.tokens=-1", "budget.tokens=-1: give a whole number, 1 or more, or null"),
    ("budget.seconds=nan", "budget.seconds=nan: give a number above 0, or null"),
    ("budget.flops=1e999", "budget.flops=inf: give a number above 0, or null"),
    ("budget.flops=much", "budget.flops=much: give a number above 0, or null"),
    ("averaging.decay=1.5", "averaging.decay=1.5: give a number above 0, below 1"),
    ("optimizer.lr=abc", "optimizer.lr=abc: give a number above 0"),
]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("ckpt=best", "ckpt=best: choose last, or null"),
        ("trainer.max_steps=-1", "no budget is given"),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in WRONG),  # quickly: config/test_value_checks.py
    ],
)
def test_wrong_values_get_a_sentence(workshop: Any, tmp_path: Path, capsys: Any, words: str, sentence: str) -> None:
    assert workshop.train(tmp_path / "run", words) in (1, 2)
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error


def test_a_run_that_diverges_says_when_and_what_to_try(workshop: Any, tmp_path: Path, capsys: Any) -> None:
    words = "optimizer=sgd optimizer.lr=1e38 scheduler=none averaging=none budget.updates=20 curve_every=5"
    assert workshop.train(tmp_path / "run", words) == 1
    error = capsys.readouterr().err
    assert "rnnsearch train: the loss became infinite at update 2, validation's too at 4; there was no" in error
    assert "Traceback" not in error
    record = workshop.record(tmp_path / "run")
    assert (record["status"], record["error"]["type"], record["error"]["update"]) == ("failed", "Diverged", 2)
    assert record["ended"]
    retry = record["error"]["retry"]
    assert f"with half the rate: {retry}" in error
    program, *words = shlex.split(retry)
    assert program == "rnnsearch"
    assert words[-2:] == ["optimizer.lr=5e+37", f"hydra.run.dir={tmp_path}/run-lr5e+37"]
    assert [word for word in words if word.startswith("optimizer")] == ["optimizer=sgd", "optimizer.lr=5e+37"]
    assert workshop.main(*words, "optimizer.lr=0.1") == 0  # a shell and Hydra take it


def test_a_model_that_is_worse_than_chance_is_told(workshop: Any, tmp_path: Path, capsys: Any) -> None:
    words = "optimizer.lr=1e4 scheduler=none averaging=none trainer.gradient_clip_val=null budget.updates=4"
    assert workshop.train(tmp_path / "run", words) == 0
    error = capsys.readouterr().err
    nll = workshop.record(tmp_path / "run")["results"]["metrics"]["validation"]["nll"]
    assert f"the model is worse than chance: validation's negative log-likelihood is {nll:.4g} nats a token" in error


@pytest.mark.slow
def test_paths_with_odd_characters(workshop: Any, tmp_path: Path) -> None:
    odd = tmp_path / "a b,c=é'x\"y [1] {2} #3"
    overrides = [*workshop.corpus(odd / "data"), workshop.quoted("paths.cache", odd / "cache")]
    overrides += [o for o in workshop.overrides(odd / "run", SHORT) if not o.startswith(("data", "paths"))]
    assert workshop.main("train", *overrides) == 0
    assert workshop.record(odd / "run")["status"] == "finished"
    assert workshop.main("evaluate", workshop.quoted("run", odd / "run")) == 0


def test_the_last_interval_of_the_training_curve_is_kept(workshop: Any, tmp_path: Path) -> None:
    assert workshop.train(tmp_path / "run", "budget.updates=3 validation.every=3 samples=0 curve_every=2") == 0
    curve = workshop.record(tmp_path / "run")["results"]["curves"]["train"]
    assert [point["update"] for point in curve] == [2, 3]


OF_VALUES = """
from rnnsearch.model.context import General

class OfValues(General):
    def energies(self, query_BKH, memory, step):
        energies_BKS = super().energies(query_BKH, memory, step)
        return energies_BKS / max(1.0, energies_BKS.abs().max().item())
"""


@pytest.mark.slow
def test_a_context_whose_operations_nobody_can_count(
    workshop: Any, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    (tmp_path / "values_of_mine.py").write_text(OF_VALUES)
    (tmp_path / "conf" / "model" / "context").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "context" / "mine.yaml").write_text("_target_: values_of_mine.OfValues\n")
    monkeypatch.syspath_prepend(tmp_path)
    words = ("trust=[values_of_mine]", f"--config-dir={tmp_path / 'conf'}", "model/context=mine")
    sentence = "the operations of OfValues can't be counted"
    assert workshop.train(tmp_path / "run", f"{SHORT} test=false", *words) == 0
    assert sentence in capsys.readouterr().err
    record = workshop.record(tmp_path / "run")
    assert (record["flops_per_token"], record["status"]) == (None, "finished")
    assert workshop.train(tmp_path / "refused", f"{SHORT} test=false budget.flops=1e9", *words) == 1
    assert sentence in capsys.readouterr().err.splitlines()[-1]
    assert workshop.record(tmp_path / "refused")["status"] == "failed"
