"""The three toolkits as users run them: their training commands on one corpus, alike in all that can be made alike.

Batches of 80 sentences, Adam at one rate, the gradient's norm clipped at 1, no dropout, no label smoothing, no moving
average, no validation before the end. Each groups its batches by its own rule.
"""

import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.corpus import SIDES, Corpus
from benchmarks.options import Options
from benchmarks.systems import PRESETS, SINGLE, Sizes
from benchmarks.workers import ROOT, SystemFailed, environment

BATCH = 80
RATE = 1e-3
CLIP = 1.0
SIZES = PRESETS["reference"]
PEER_TOOLS = ("joeynmt", "opennmt")
TOOLS = ("ours", *PEER_TOOLS)


@dataclass(frozen=True)
class Training:
    """A finished training: its folder, clock and tokens after each update, and when its process began."""

    folder: Path
    began: float
    times: list[float]
    tokens: list[int]


def train(name: str, corpus: Corpus, folder: Path, updates: int, options: Options) -> Training:
    """Train a tool, by its name or as a system in float32, in a process of its own into ``folder``, made anew.

    Raises:
        SystemFailed: the tool ended with an error.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    marks, log = folder / "marks.json", folder / "command.log"
    tool = name.removesuffix(SINGLE)
    arguments = COMMANDS[tool](corpus, folder, updates, options)
    if options.dtype == "bfloat16" and name == "ours":
        arguments.append("trainer.precision=bf16-mixed")
    command = [interpreter(tool, options), "-m", "benchmarks.marks", str(marks), tool, *arguments]
    began = time.monotonic()
    with log.open("w") as sink:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, cwd=ROOT, env=environment(options.threads)
        )
    if done.returncode or not marks.is_file():
        said = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
        raise SystemFailed(f"{tool} ended with code {done.returncode}: {said[-1] if said else 'it said nothing'}")
    noted = json.loads(marks.read_text())
    return Training(folder, began, noted["times"], noted["tokens"])


def sizes_on(corpus: Corpus) -> Sizes:
    """The sizes of all models: the built-in corpus allows fewer pieces than asked."""
    return replace(SIZES, vocabulary=corpus.vocabulary)


def interpreter(tool: str, options: Options) -> str:
    """The Python that has the tool."""
    python = options.peers if tool in PEER_TOOLS else sys.executable
    assert python is not None
    return python


def ours(corpus: Corpus, folder: Path, updates: int, options: Options) -> list[str]:
    """Arguments of `rnnsearch`."""
    return [
        "train", *corpus.overrides, "experiment=reference", f"batches.size={BATCH}", f"optimizer.lr={RATE}",
        f"trainer.gradient_clip_val={CLIP}", "scheduler=none", "averaging=none", "label_smoothing=0", "samples=0",
        f"budget.updates={updates}", f"validation.every={updates}", "validation.sentences=10", "test=false",
        f"threads={options.threads}", f"trainer={'gpu' if options.device == 'cuda' else 'cpu'}",
        f'hydra.run.dir="{folder / "run"}"',
    ]  # fmt: skip


def joeynmt(corpus: Corpus, folder: Path, updates: int, options: Options) -> list[str]:
    """Arguments of `joeynmt`; its configuration is written into the folder (JSON is YAML)."""
    side = {"level": "bpe", "tokenizer_type": "sentencepiece", "lowercase": False, "normalize": False}
    data = {
        short: side
        | {"lang": long, "voc_file": str(corpus.words(long)), "tokenizer_cfg": {"model_file": str(corpus.pieces(long))}}
        for short, long in zip(("src", "trg"), SIDES, strict=True)
    }
    embeddings = {"embedding_dim": SIZES.embedding}
    recurrent = {"type": "recurrent", "rnn_type": "gru", "hidden_size": SIZES.hidden, "num_layers": 1, "dropout": 0.0}
    config = {
        "name": "benchmark",
        "model_dir": str(folder / "run"),
        "use_cuda": options.device == "cuda",
        "random_seed": 1,
        "data": {"dataset_type": "plain", **_joeynmt_splits(corpus), **data},
        "model": {
            "encoder": {**recurrent, "bidirectional": True, "embeddings": embeddings},
            "decoder": {**recurrent, "attention": "bahdanau", "init_hidden": "bridge", "embeddings": embeddings},
        },
        "training": {
            "batch_size": BATCH, "batch_type": "sentence", "optimizer": "adam", "learning_rate": RATE,
            "scheduling": "exponential", "decrease_factor": 1.0, "clip_grad_norm": CLIP, "label_smoothing": 0.0,
            "normalization": "tokens", "epochs": 1000, "updates": updates, "logging_freq": updates,
            "validation_freq": updates, "overwrite": True, "print_valid_sents": [],
        },
        "testing": {"batch_size": 64, "batch_type": "sentence", "beam_size": 1, "max_output_length": 30},
    }  # fmt: skip
    path = folder / "config.yaml"
    path.write_text(json.dumps(config, indent=1))
    return ["train", str(path), "--skip-test"]


def _joeynmt_splits(corpus: Corpus) -> dict[str, str]:
    return {name: str(corpus.folder / split) for name, split in (("train", "train"), ("dev", "few"))}


def opennmt(corpus: Corpus, folder: Path, updates: int, options: Options) -> list[str]:
    """Arguments of `onmt_train`; its configuration is written into the folder."""
    config = {
        "save_data": str(folder / "data"), "save_model": str(folder / "model"), "overwrite": True,
        "data": {
            "corpus": _opennmt_pair(corpus, "train"),
            "valid": _opennmt_pair(corpus, "few"),
        },
        "src_vocab": str(corpus.words("source")), "tgt_vocab": str(corpus.words("target")),
        "src_subword_model": str(corpus.pieces("source")), "tgt_subword_model": str(corpus.pieces("target")),
        "src_vocab_size": corpus.vocabulary, "tgt_vocab_size": corpus.vocabulary,
        "encoder_type": "brnn", "decoder_type": "rnn", "rnn_type": "GRU", "enc_layers": 1, "dec_layers": 1,
        "word_vec_size": SIZES.embedding, "hidden_size": SIZES.hidden, "input_feed": 1,
        "global_attention": options.opennmt_attention, "dropout": 0.0, "optim": "adam", "learning_rate": RATE,
        "decay_method": "none", "max_grad_norm": CLIP, "label_smoothing": 0.0, "normalization": "tokens",
        "batch_type": "sents", "batch_size": BATCH, "train_steps": updates, "valid_steps": updates,
        "save_checkpoint_steps": updates, "report_every": max(1, updates), "num_workers": 0, "seed": 1,
    }  # fmt: skip
    if options.device == "cuda":
        config |= {"world_size": 1, "gpu_ranks": [0]}
    path = folder / "config.yaml"
    path.write_text(json.dumps(config, indent=1))
    return ["-config", str(path)]


def _opennmt_pair(corpus: Corpus, split: str) -> dict[str, object]:
    paths = {f"path_{short}": str(corpus.text(split, long)) for short, long in zip(("src", "tgt"), SIDES, strict=True)}
    return {**paths, "transforms": ["sentencepiece"]}


COMMANDS = {"ours": ours, "joeynmt": joeynmt, "opennmt": opennmt}
