"""Checks combinations of values before data are read, by making the cheap objects once."""

import os
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec

import torch
from omegaconf import DictConfig

from rnnsearch.config import build, trust
from rnnsearch.config.plain_values import plain
from rnnsearch.data.named_tests import check_tests
from rnnsearch.model.build import build_translator
from rnnsearch.model.translator import Translator
from rnnsearch.model.without_memory import without_memory
from rnnsearch.search.beam import BeamSearch
from rnnsearch.training.freezing import freeze

MADE = ("data", "tokenizer", "filters", "batches", "scheduler", "search")  # sections whose constructors only check
SMALL = 300  # words of a vocabulary of unknown size
BYTES = 8  # of a weight and its gradient
ONE_OF = {"early_stopping": build.EARLY_STOPPING, "keep_best": build.KEPT_CHECKPOINTS}  # a key, and its callback
MATCHED = "would scale the model that init=RUN takes as it is; set match=none"
PACKAGES = {"mlflow": "mlflow", "wandb": "wandb", "tensorboard": "tensorboard"}  # of loggers


def check_combinations(config: DictConfig) -> None:
    """Refuse combinations of a training's values that its parts would refuse later.

    Raises:
        ValueError: naming the keys and the remedy.
        HydraException: the same, from a constructor.
    """
    for check, _ in CHECKS:
        check(config)


def _make(config: DictConfig, *, section: str) -> None:
    build.make(config[section])


def _check_named(config: DictConfig, *, section: str) -> None:
    """Refuse an entry of loggers or callbacks that names no constructor, such as a key of one that was not chosen."""
    for name, node in (config.get(section) or {}).items():
        if not isinstance(node, DictConfig) or "_target_" not in node:
            raise ValueError(
                f"{section}.{name} names no _target_, so nothing can be made of it; choose {section}={name} if that is "
                "an option, or leave it out"
            )


def _check_callbacks(config: DictConfig) -> None:
    for key, constructor in ONE_OF.items():
        given = [f"callbacks.{name}" for name in build.chosen_callbacks(config, constructor)]
        if config.get(key):
            given.append(f"{key}={config[key]}")
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} do the same; keep one of them")


def _model(config: DictConfig) -> Translator | None:
    """The model without weights, with vocabularies of the requested sizes.

    None if a class of the user's can't be made like that.
    """
    source_size, target_size = (config.tokenizer.get(f"{side}_size", SMALL) for side in ("source", "target"))
    try:
        with without_memory():
            return build_translator(
                config.model, source_size=source_size, target_size=target_size, kernels="plain", trust=trust.given()
            )
    except ValueError:
        raise
    except Exception:  # whatever a user's own class does on a device without memory
        if all(
            trust.is_known(config.model[half]["_target_"])
            for half in ("encoder", "context", "decoder")
            if half in config.model
        ):
            raise
        return None


def _check_vocabulary(config: DictConfig) -> None:
    if config.model.tied_embeddings == "all" and not config.tokenizer.get("joint", False):
        raise ValueError(
            "model.tied_embeddings=all is one matrix for the words of both languages, so it needs one vocabulary: "
            "set tokenizer=sentencepiece tokenizer.joint=true, or model.tied_embeddings=output"
        )


def _check_model(config: DictConfig) -> None:
    """Refuse a model that can't be made, can't be used by the search, or does not fit into memory."""
    model = _model(config)
    if model is None:
        return
    if config.search.get("coverage_penalty", 0) and not model.decoder.weighs_source:
        raise ValueError(
            f"search.coverage_penalty={config.search.coverage_penalty} needs attention weights, and this model/context "
            "has none; set search.coverage_penalty=0"
        )
    weights = sum(parameter.numel() for parameter in model.parameters())
    room = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if weights * BYTES > room:
        raise ValueError(
            f"a model of {weights:,} weights takes {weights * BYTES / 2**30:,.0f} GiB with its gradients, and this "
            f"machine has {room / 2**30:,.0f} GiB of memory; lower the model's sizes or those of the vocabularies"
        )


def _check_frozen(config: DictConfig) -> None:
    if config.get("freeze") and (model := _model(config)) is not None:
        freeze(model, config.freeze)


def _check_init(config: DictConfig) -> None:
    if config.get("init") is None and config.get("init_sha256") is not None:
        raise ValueError("init_sha256 says which weights init=RUN must have, and no init is given; give both, or none")
    if config.get("init") is not None and config.match != "none":
        raise ValueError(f"match={config.match} {MATCHED}")


def _check_lengths(config: DictConfig) -> None:
    least, most = config.search.get("min_length", 0), config.search.get("max_length")
    if config.search._target_.endswith(f".{BeamSearch.__name__}") and most is not None and least > most:
        raise ValueError(f"search.min_length={least} is above search.max_length={most}; lower it, or raise the other")


def _check_loggers(config: DictConfig) -> None:
    for name, logger in (config.get("logger") or {}).items():
        target = str(logger.get("_target_", "")).lower()
        for word, package in PACKAGES.items():
            if word in target and find_spec(package) is None:
                raise ValueError(
                    f"logger.{name} needs {package}, which is not installed; pip install {package}, or take logger=csv"
                )


def _check_streaming(config: DictConfig) -> None:
    if config.get("streaming") is None:
        return
    if config.trainer.overfit_batches:
        raise ValueError("trainer.overfit_batches repeats the first batches of an epoch; give it streaming=null")
    if str(config.data.get("_target_", "")).endswith(".MixtureCorpus"):
        raise ValueError("streaming takes one corpus, not data=mixture; leave streaming=null, or mix the files")


def _check_tests(config: DictConfig) -> None:
    if config.get("tests"):
        check_tests(plain(config.tests))


def _check_amount(config: DictConfig) -> None:
    first, made = config.filters.get("first"), config.data.get("train_pairs")
    if first is not None and made is not None and first > made:
        raise ValueError(
            f"filters.first={first} is above data.train_pairs={made}, the training pairs that the built-in corpus "
            "makes; raise that, or lower the other"
        )


def _check_graphs(config: DictConfig) -> None:
    if config.cuda_graphs and not torch.cuda.is_available():
        raise ValueError("cuda_graphs=true needs a GPU, and torch sees none here; leave it false")


CHECKS: tuple[tuple[Callable[[DictConfig], object], tuple[str, ...]], ...] = (  # each with the sections that it reads
    *((partial(_make, section=section), (section,)) for section in MADE),
    (lambda config: build.build_greedy(config.search, config.validation.get("search")), ("search", "validation")),
    (partial(build.build_budget, flops_per_token=1.0), ("budget",)),
    *((partial(_check_named, section=section), (section,)) for section in ("logger", "callbacks")),
    (_check_callbacks, ("callbacks", *ONE_OF)),
    (build.build_convergence, ("budget", "convergence", "scheduler", "early_stopping", "callbacks")),
    (_check_vocabulary, ("model", "tokenizer")),
    (_check_model, ("model", "tokenizer", "search")),
    (_check_frozen, ("model", "tokenizer", "freeze")),
    (_check_init, ("init", "init_sha256", "match")),
    (_check_lengths, ("search",)),
    (_check_loggers, ("logger",)),
    (_check_streaming, ("streaming", "trainer", "data")),
    (_check_tests, ("tests",)),
    (_check_amount, ("filters", "data")),
    (_check_graphs, ("cuda_graphs",)),
)
