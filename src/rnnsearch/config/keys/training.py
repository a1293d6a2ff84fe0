"""The keys of ``rnnsearch train``, ``sweep`` and ``compare``, with all options of their groups: what each may be.

A key that several options of a group share means the same in all of them. ``data.members.NAME.`` goes before the keys
of a corpus in a mixture. Bounds are generous: they refuse what no machine could hold, or what would never end.
"""

from collections.abc import Mapping

from rnnsearch.config.keys.kinds import (
    Anything,
    Choice,
    CountOrShare,
    Either,
    Flag,
    Kind,
    Listed,
    Made,
    Named,
    Number,
    OrNull,
    Text,
    Whole,
)
from rnnsearch.records.metrics import MONITORED, PLANNED

SEED = Whole(0, 2**32 - 1)
COUNT = Whole(1)
FEW = Whole(1, 1024)  # processes, threads, devices, layers
SIZE = Whole(1, 65_536)  # of a layer
POSITIVE = Number(above=0)
NOT_NEGATIVE = Number(least=0)
SHARE = Number(least=0, most=1)
RATE = Number(least=0, below=1)
FLAG = Flag()
TEXT = Text()
PATH = Text("a path")
OPTIONAL_TEXT = OrNull(TEXT)
OPTIONAL_PATH = OrNull(PATH)
OVERRIDES = Listed(Text("an override", example='"model/context=dot"'), example='["model/context=dot"]')
TAGS = Listed(Text("a tag of at most 64 letters", pattern=r"\S(.{0,62}\S)?"), example="[paper,first]", distinct=True)
VOCABULARY = Whole(5, 1_000_000)
MATCH = Choice(("none", "parameters", "flops"))
LIBRARIES = ("onednn", "torch")
FILE_OR_NUMBER = OrNull(Either((COUNT, PATH)))
COLUMN = Either((Whole(0, 1_000_000), Text("a name of the header")))

OWN: Mapping[str, Kind] = {
    "seed": SEED,
    "study": OrNull(Text("a name")),
    "member": OPTIONAL_TEXT,
    "tags": OrNull(TAGS),
    "note": OPTIONAL_TEXT,
    "members": OrNull(Named(OVERRIDES, "at least two names")),
    "seeds": OrNull(Listed(SEED, example="[0,1,2]", least=1, distinct=True)),
    "match": MATCH,
    "match_to": OrNull(Text("a member")),
    "tuning.factors": Listed(Number(above=0, bound=1e41), example="[0.5,1,2]", distinct=True),
    "tuning.extensions": Whole(0, 100),
    "tuning.grid": Named(Anything(), "keys and the list of values that each takes"),
    "tuning.judged_at": Listed(Number(above=0, most=1), example="[0.25,0.75]", least=1, rising=True),
    "tuning.keep": Listed(COUNT, example="[2,1]", least=1),
    "tuning.warmups": NOT_NEGATIVE,
    "tuning.seed": OrNull(SEED),
    "init": OPTIONAL_PATH,
    "init_checkpoint": Text("a name"),
    "init_sha256": OrNull(Text("a SHA-256 in hexadecimal", pattern="[0-9a-f]{64}")),
    "freeze": OrNull(Listed(Text("a module"), example="[encoder]", least=1, distinct=True)),
    "ckpt": OrNull(Choice(("last",))),
    "budget.updates": OrNull(COUNT),
    "budget.tokens": OrNull(Whole(1, 10**18)),
    "budget.seconds": OrNull(POSITIVE),
    "budget.flops": OrNull(Number(above=0, bound=1e30)),
    "budget.until": OrNull(Choice(("converged",))),
    "convergence.patience": COUNT,
    "convergence.least": NOT_NEGATIVE,
    "convergence.decay": Number(above=0, most=10),
    "sizes.units": SIZE,
    "sizes.dropout": RATE,
    "learning_rate": POSITIVE,
    "label_smoothing": RATE,
    **{f"word_dropout.{side}": OrNull(RATE) for side in ("source", "target")},
    "validation.every": COUNT,
    "validation.sentences": OrNull(COUNT),
    "validation.search": OrNull(Named(Anything(), "settings of the search, such as max_length_ratio")),
    "validation.batch_size": Whole(1, 1_000_000),
    "validation.monitor": Choice(MONITORED),
    "validation.bleu_tokenizer": OrNull(Choice(("13a", "intl", "zh", "char", "none", "ja-mecab", "ko-mecab"))),
    "pause.share": OrNull(Number(above=0, most=1)),
    "pause.updates": OrNull(COUNT),
    "early_stopping": OrNull(COUNT),
    "checkpoints.every": OrNull(COUNT),
    "checkpoints.minutes": OrNull(POSITIVE),
    "skip_limit": COUNT,
    "skip_above": OrNull(POSITIVE),
    "keep_best": Whole(0, 10_000),
    "curve_every": COUNT,
    "samples": Whole(0, 10_000),
    "profile": OrNull(Whole(1, 100_000)),
    "data_workers": Whole(0, 1024),
    "encoding_processes": OrNull(FEW),
    "streaming": OrNull(Whole(1000, step=1000)),
    "kernels": Choice(("fused", "portable", "plain")),
    "products": Either((Choice(("auto", *LIBRARIES)), Named(Choice(LIBRARIES), "kinds of product, {rows: torch}"))),
    "cuda_graphs": FLAG,
    "threads": OrNull(FEW),
    "trust": Listed(Text("a package"), example="[mypackage]"),
    "test": FLAG,
    "tests": Named(Named(PATH, "source and target"), "names of test sets, each with two files"),
    **{f"protocol.{key}": OPTIONAL_TEXT for key in ("question", "expectation", "varies", "held_equal", "baseline")},
    "protocol.metric": Choice(PLANNED),
    "protocol.comparisons": OrNull(Listed(Listed(Text("a label"), least=2, most=2), example="[[system, baseline]]")),
    "protocol.equivalence": OrNull(POSITIVE),
    "sweep.grid": Named(Anything(), "keys or groups and what each takes"),
    "sweep.points": OrNull(Listed(Listed(Text("an override"), least=1), example='[["model.hidden_size=64"]]')),
    "sweep.search": OrNull(Named(Anything(), "the settings of a search, as sweep=optuna_tpe has them")),
    "sweep.search.trials": Whole(1, 1_000_000),
    "sweep.search.metric": Choice(MONITORED),
    "sweep.search.sampler": Choice(("tpe", "random")),
    "sweep.search.startup": Whole(0),
    "sweep.search.pruner": Choice(("none", "median", "hyperband")),
    "sweep.search.warmup": Whole(0),
    "sweep.search.storage": Choice(("journal", "sqlite")),
    "sweep.search.seed": SEED,
    "sweep.wandb": OPTIONAL_PATH,
}

PATHS: Mapping[str, Kind] = {"paths.output": PATH, "paths.cache": PATH}

LANGUAGES: Mapping[str, Kind] = {
    "data.source_language": OrNull(Text("a language", example="en")),
    "data.target_language": OrNull(Text("a language", example="de")),
}
LENGTHS: Mapping[str, Kind] = {
    "min_length": Whole(3, 200),
    "max_length": Whole(3, 200),
    "mean_length": OrNull(Number(least=3, most=200)),
}
SPLITS = ("train", "validation", "test")

DATA: Mapping[str, Kind] = {
    "data.name": TEXT,
    **LANGUAGES,
    "data.reverse": FLAG,
    "data.corpus_seed": Whole(0, 2**63 - 1),  # controlled
    "data.train_pairs": Whole(0),
    "data.validation_pairs": Whole(0),
    "data.test_pairs": Whole(0),
    **{f"data.{key}": kind for key, kind in LENGTHS.items()},
    **{f"data.test_{key}": kind for key, kind in LENGTHS.items()},
    "data.train": OPTIONAL_PATH,  # tsv, csv, jsonl, tmx
    **{f"data.{split}": FILE_OR_NUMBER for split in SPLITS[1:]},
    **{f"data.{split}.{side}": OPTIONAL_PATH for split in SPLITS for side in ("source", "target")},  # files
    "data.source_column": COLUMN,
    "data.target_column": COLUMN,
    "data.header": FLAG,
    "data.delimiter": Text("one character", pattern='[^\\r\\n"]', example=";"),  # csv
    "data.source_field": TEXT,
    "data.target_field": TEXT,
    "data.path": OPTIONAL_TEXT,  # hub
    "data.configuration": OPTIONAL_TEXT,
    "data.revision": OPTIONAL_TEXT,
    **{f"data.{split}_split": OPTIONAL_TEXT for split in SPLITS},
    "data.streaming": OWN["streaming"],
    "data.cache": PATH,  # downloads
    "data.root": OPTIONAL_PATH,
    "data.mirrors": Listed(Text("an address"), least=1),
    "data.members": Named(Anything(), "the corpora of a mixture by their names"),
    "data.weights": Named(Number(above=0, most=1e6), "the names of members with their weights"),
}

TEXTS: Mapping[str, Kind] = {
    "filters.max_length": OrNull(COUNT),
    "filters.max_length_ratio": OrNull(Number(least=1)),
    "filters.drop_duplicates": FLAG,
    "filters.unit": Choice(("words", "tokens")),
    "filters.first": OrNull(COUNT),
    "tokenizer.algorithm": Choice(("bpe", "unigram")),
    "tokenizer.source_size": VOCABULARY,
    "tokenizer.target_size": VOCABULARY,
    "tokenizer.joint": FLAG,
    "tokenizer.character_coverage": Number(least=0.98, most=1),  # SentencePiece's own bounds
    "tokenizer.threads": FEW,
    "tokenizer.normalization": Choice(("nfc", "nfkc", "none")),
    "tokenizer.joiners": FLAG,
    "tokenizer.sampling": OrNull(Number(above=0, most=1)),
    "tokenizer.learn_from": Choice(("kept", "all")),
    "batches.unit": Choice(("sentences", "tokens")),
    "batches.size": Whole(1, 10_000_000),
    "batches.batch_size": Whole(1, 10_000_000),
    "batches.pool": Whole(1, 1_000_000),
}

CELL = Choice(("paper", "cudnn", "lstm", "elman", "mingru", "sru", "lrn"))
MODEL: Mapping[str, Kind] = {
    **{f"model.{key}_size": SIZE for key in ("embedding", "hidden", "attention", "readout")},
    "model.cell": CELL,
    "model.dropout": RATE,
    "model.variational_dropout": FLAG,
    "model.tied_embeddings": Choice(("none", "output", "all")),
    "model.initialization": Choice(("paper", "modern")),
    **{f"model.{half}.{key}_size": SIZE for half in ("encoder", "decoder") for key in ("embedding", "hidden")},
    **{f"model.{half}.cell": CELL for half in ("encoder", "decoder")},
    **{f"model.{half}.embedding_dropout": RATE for half in ("encoder", "decoder")},
    **{f"model.{half}.variational_dropout": FLAG for half in ("encoder", "decoder")},
    **{f"model.{half}.layers": Whole(1, 64) for half in ("encoder", "decoder")},
    **{f"model.{half}.heads": Whole(1, 1024) for half in ("encoder", "decoder")},
    **{f"model.{half}.feed_forward_size": SIZE for half in ("encoder", "decoder")},
    **{f"model.{half}.norm": Choice(("pre", "post")) for half in ("encoder", "decoder")},
    **{f"model.{half}.{kind}_dropout": RATE for half in ("encoder", "decoder") for kind in ("residual", "attention")},
    "model.encoder.bidirectional": FLAG,
    "model.encoder.reads": Choice(("forward", "backward")),
    **{f"model.{half}.{key}": FLAG for half in ("encoder", "decoder") for key in ("residual", "layer_norm")},
    **{f"model.{half}.word_dropout": OrNull(RATE) for half in ("encoder", "decoder")},
    "model.encoder.layer_dropout": RATE,
    "model.decoder.layer_dropout": OrNull(RATE),
    "model.decoder.query_state": Choice(("previous", "current", "two_step")),
    "model.decoder.readout_state": Choice(("before", "after")),
    "model.decoder.readout": Choice(("maxout", "tanh", "linear")),
    "model.decoder.readout_size": SIZE,
    "model.decoder.input_feeding": FLAG,
    "model.decoder.initial_state": Choice(("backward", "ends", "mean", "context", "zero")),
    "model.decoder.initial_memory": Choice(("zero", "ends")),
    "model.decoder.readout_dropout": RATE,
    "model.context.attention_size": SIZE,
    "model.context.normed": FLAG,
    "model.context.position_size": Whole(2, 65_536, step=2),
    "model.context.weights": Choice(("softmax", "sparsemax", "entmax15")),
    "model.context.temperature": Number(above=0, most=1000),
    "model.context.heads": Whole(1, 1024),
    "model.context.window": OrNull(Whole(1, 65_536)),
    "model.context.coverage": FLAG,
    "model.context.slots": Whole(1, 65_536),
    "model.context.normalized": Choice(("positions", "slots")),
}

OPTIMIZATION: Mapping[str, Kind] = {
    "optimizer.lr": Number(above=0, bound=1e38),  # what is too high for a model shows: its training diverges
    "optimizer.betas": Listed(RATE, example="[0.9,0.999]", least=2, most=2),
    "optimizer.eps": Number(above=0, most=1),
    "optimizer.rho": RATE,
    "optimizer.momentum": RATE,
    "optimizer.weight_decay": Number(least=0, bound=1e4),
    "optimizer.fused": OrNull(FLAG),
    "scheduler.warmup": Whole(0),
    "scheduler.final": SHARE,
    "scheduler.every": COUNT,
    "scheduler.gamma": Number(above=0, most=1),
    "scheduler.shrink": Number(above=0, most=1),
    "scheduler.patience": COUNT,
    "averaging.decay": Number(above=0, below=1),
    "averaging.first": COUNT,
    "averaging.every": COUNT,
}

SEARCH: Mapping[str, Kind] = {
    "search.beam_size": Whole(1, 1000),
    "search.n_best": Whole(1, 1000),
    "search.normalization": Choice(("none", "average", "gnmt")),
    "search.length_alpha": Number(least=0, most=100),
    "search.coverage_penalty": Number(least=0, bound=1e6),
    "search.min_length": Whole(0, 1_000_000),
    "search.min_length_ratio": Number(least=0, most=1000),
    "search.min_length_offset": Whole(0, 1_000_000),
    "search.max_length": OrNull(Whole(0, 1_000_000)),
    "search.max_length_ratio": Number(least=0, most=1000),
    "search.max_length_offset": Whole(0, 1_000_000),
    "search.max_source_length": Whole(1, 1_000_000),
    "search.batch_size": Whole(1, 1_000_000),
    "search.forbid_unknown": FLAG,
    "search.no_repeat_ngram": Whole(0, 1_000_000),
    "search.precision": Choice(("32-true", "bf16-mixed")),
    "search.temperature": POSITIVE,
    "search.top_k": Whole(0),
    "search.top_p": Number(above=0, most=1),
    "search.seed": Whole(0, 2**63 - 1),
}

STRATEGIES = (
    *("auto", "ddp", "ddp_find_unused_parameters_true", "ddp_find_unused_parameters_false"),
    *("fsdp", "fsdp_cpu_offload"),
)
TRAINER: Mapping[str, Kind] = {
    "trainer.accelerator": Choice(("auto", "cpu", "gpu", "cuda", "mps")),
    "trainer.devices": Either(
        (
            FEW,
            Whole(-1, -1),
            Listed(Whole(0, 1024), example="[0,1]", least=1, distinct=True),
            Text("text", pattern=r"auto|-1|\d+(,\d+)*,?", example="auto"),
        )
    ),
    "trainer.num_nodes": Whole(1, 100_000),
    "trainer.strategy": Either((Choice(STRATEGIES), Made())),
    "trainer.precision": Choice(("32-true", "16-mixed", "bf16-mixed")),
    "trainer.max_steps": OrNull(Either((COUNT, Whole(-1, -1)))),
    "trainer.accumulate_grad_batches": COUNT,
    "trainer.gradient_clip_val": OrNull(NOT_NEGATIVE),
    "trainer.limit_val_batches": OrNull(CountOrShare(1)),
    "trainer.overfit_batches": CountOrShare(0),
    "trainer.log_every_n_steps": Whole(0),
    "trainer.detect_anomaly": FLAG,
    "trainer.profiler": OrNull(Choice(("simple", "advanced", "pytorch"))),
}

CALLBACKS: Mapping[str, Kind] = {
    "callbacks.early_stopping.patience": COUNT,
    "callbacks.kept_checkpoints.count": Whole(1, 10_000),
    **{f"callbacks.{name}.monitor": Choice(MONITORED) for name in ("early_stopping", "kept_checkpoints")},
    "callbacks.samples.count": Whole(1, 10_000),
    **{f"callbacks.{name}.every": COUNT for name in ("throughput", "gradient_norm")},
}
LOGGER: Mapping[str, Kind] = {
    **{f"logger.{kind}.name": OrNull(Text(empty=True)) for kind in ("csv", "tensorboard")},
    **{f"logger.{kind}.version": OrNull(Either((Whole(0), Text(empty=True)))) for kind in ("csv", "tensorboard")},
    "logger.wandb.project": TEXT,
    **{f"logger.wandb.{key}": OPTIONAL_TEXT for key in ("entity", "group", "name", "run_id")},
    "logger.wandb.offline": OrNull(FLAG),
    "logger.mlflow.tracking_uri": TEXT,
    "logger.mlflow.experiment": OPTIONAL_TEXT,
    "logger.mlflow.name": OPTIONAL_TEXT,
}

SWEEPING: Mapping[str, Kind] = {
    "jobs": OrNull(FEW),
    "question": OPTIONAL_TEXT,
    "length_edges": OrNull(Listed(COUNT, example="[10,20,30]", least=1, rising=True)),
    "publish": OPTIONAL_PATH,
    "runs": OrNull(Listed(PATH, example="[RUN_A,RUN_B]", least=1, distinct=True)),
    "of": OrNull(Text("a study's name")),
    "checkpoint": Text("a checkpoint's name"),
    "split": Text("a split's name"),
    "source": OPTIONAL_PATH,
    "target": OPTIONAL_PATH,
    "dry": FLAG,
    "notify": OrNull(Text("a command")),
}

TRAINING: Mapping[str, Kind] = {
    **OWN, **PATHS, **DATA, **TEXTS, **MODEL, **OPTIMIZATION, **SEARCH, **TRAINER, **CALLBACKS, **LOGGER,
}  # fmt: skip
