"""What train leaves in a run's folder, for a small model with random weights."""

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

from rnnsearch.config.compose import compose
from rnnsearch.data.corpus import Pair
from rnnsearch.data.sentencepiece_tokenizer import SentencePieceTraining
from rnnsearch.data.tokenizer import TokenizerPair
from rnnsearch.data.word_tokenizer import WordTraining
from rnnsearch.model.build import build_translator
from rnnsearch.records.run_record import RunRecord
from rnnsearch.runs import run_folder
from rnnsearch.training.checkpoints import AtomicCheckpoints

WORDS = ("the", "small", "house", "stood", "there", "below")
SIZES = {"embedding_size": 8, "hidden_size": 12, "attention_size": 8, "readout_size": 8, "dropout": 0.0}
SEARCH: Mapping[str, object] = {"beam_size": 3, "max_length_ratio": 0.5, "max_source_length": 40}

NASTY = [
    "a small house",
    "",
    " ",
    "  two  blanks  ",
    "\t",
    "tab\tinside",
    "\x00\x01\x1b[31m control \x7f",
    "form\x0cfeed\x0bvertical",
    "next\x85line\u2028separator\u2029paragraph",
    "\u2028",
    "\x00",
    "ἐν ἀρχῇ ἦν ὁ λόγος 書 ไทย 🙂 e\u0301",
    "\u202eשלום العربية\u202c",
    "👩‍👩‍👧‍👦 🏳️‍🌈",
    "\ufeff mark",
    "▁▅\ue000\ue001",
    "</s> <s> <pad> <unk> <0x0A>",
    "carriage\rreturn",
    "long " * 10_000,
    "x" * 20_000,
    "the end",
]


def tokenizers(kind: str, *, seed: int = 0) -> TokenizerPair:
    """Sub-words, or words of which half are unknown on either side."""
    draw = random.Random(seed)
    text = [" ".join(draw.choices(WORDS, k=6)) for _ in range(50)]
    training = (
        WordTraining(source_size=7, target_size=7)
        if kind == "word"
        else SentencePieceTraining(
            algorithm="bpe", source_size=320, target_size=320, joint=True, character_coverage=1.0, threads=1
        )
    )
    return training.fit(lambda: (Pair(line, line, 1) for line in text), "en", "en")


def write_run(
    folder: Path,
    *,
    kind: str = "sentencepiece",
    context: str = "additive",
    seed: int = 0,
    text: int = 0,
    search: Mapping[str, object] = SEARCH,
    search_option: str = "beam",
    checkpoints: Mapping[str, int] | None = None,
) -> Path:
    """Write a run: tokenizers of text no. ``text``; weights of ``seed`` as ``best``, of others as ``checkpoints``."""
    both = tokenizers(kind, seed=text)
    sizes = [f"model.{key}={value}" for key, value in SIZES.items() if context != "fixed" or key != "attention_size"]
    whole = compose("train", ["data=files", "model=tiny", f"model/context={context}", *sizes])
    OmegaConf.resolve(whole.model)
    config = OmegaConf.create(
        {"model": whole.model, "search": compose("translate", ["run=x", f"search={search_option}"]).search}
    )
    config.search.update(search)
    (folder / "checkpoints").mkdir(parents=True)
    for name, own_seed in {"best": seed, **(checkpoints or {})}.items():
        translator = build_translator(config.model, source_size=both.source.size, target_size=both.target.size)
        generator = torch.Generator().manual_seed(own_seed)
        with torch.no_grad():
            for parameter in translator.parameters():
                parameter.normal_(generator=generator)
        checkpoint = {
            "rnnsearch": run_folder.checkpoint_content(config, both, "small"),
            "state_dict": {f"translator.{key}": value for key, value in translator.state_dict().items()},
        }
        AtomicCheckpoints().save_checkpoint(checkpoint, folder / "checkpoints" / f"{name}.ckpt")
    (folder / "record.json").write_text('{"format": 1}')
    run_folder.save_config(config, folder, RunRecord(folder, {}, writes=False))
    return folder


def write_ancestor(folder: Path, **changes: Any) -> Path:
    """Write a run of words that others may begin from: with a tokenizer in its config, an id and an ancestor."""
    write_run(folder, kind="word", **changes)
    config = OmegaConf.load(folder / "config.yaml")
    tokenizer = OmegaConf.to_container(compose("train", ["tokenizer=word", "tokenizer.source_size=77"]).tokenizer)
    OmegaConf.save({**config, "tokenizer": tokenizer}, folder / "config.yaml")
    record = {"format": 1, "id": "small", "name": folder.name, "ancestors": [{"name": "old"}]}
    (folder / "record.json").write_text(json.dumps(record))
    return folder
