"""The table of keys: what each key of each command may be."""

import re
from collections.abc import Mapping
from functools import cache

from rnnsearch.config.keys.kinds import Choice, Either, Kind, Listed, Number, OrNull, Text, Whole
from rnnsearch.config.keys.roles import Role, keys_of
from rnnsearch.config.keys.training import (
    COUNT,
    FEW,
    FLAG,
    OPTIONAL_PATH,
    PATH,
    PATHS,
    SEARCH,
    SEED,
    SWEEPING,
    TAGS,
    TEXT,
    TRAINER,
    TRAINING,
)

CONDITIONS = ("learned", "uniform", "permuted", "erased", "diagonal", "other_run")
LINKING = ("intersection", "union", "grow_diag")
NAME = Text("a name")
RUN = Either((Text("a run's folder"), Listed(PATH, example="[A,B]", least=1, distinct=True)))
OPTIONAL_RUN = OrNull(RUN)
PORT = Whole(0, 65_535)

TRAINED: Mapping[str, Kind] = {  # of a command that takes trained runs
    "run": RUN,
    "checkpoint": NAME,
    "device": Text(
        "one of auto, cpu, cuda, or one GPU of several", pattern=r"auto|cpu|cuda(:\d{1,4})?", example="cuda:1"
    ),
    "trust": TRAINING["trust"],
}
ALIGNMENTS: Mapping[str, Kind] = {
    "alignments.method": Choice(("auto", "attention", "saliency")),
    "alignments.threshold": OrNull(Number(above=0, most=1)),
    "alignments.max_length": COUNT,
    "alignments.layer": OrNull(Whole(1, 64)),
    "alignments.head": OrNull(Whole(1, 1024)),
}

OPTIONS = (  # groups whose options have the keys that their constructors take
    *("data", "filters", "tokenizer", "batches", "model.encoder", "model.context", "model.decoder"),
    *("optimizer", "scheduler", "averaging", "search", "trainer"),
)
LIBRARIES = (  # keys that a constructor of another package has its own default for
    "optimizer.lr",
    *(key for key in TRAINER if key not in ("trainer.num_nodes", "trainer.log_every_n_steps")),
)

TABLE: Mapping[str, Mapping[str, Kind]] = {  # command -> key -> what it may be
    "train": TRAINING,
    **{command: {**TRAINING, **SWEEPING} for command in ("sweep", "compare")},
    "translate": {
        **TRAINED,
        **SEARCH,
        **ALIGNMENTS,
        "threads": OrNull(FEW),
        "format": Choice(("text", "tsv", "jsonl")),
        "prefixes": OPTIONAL_PATH,
        "replace_unknown": FLAG,
        "lexicon": OPTIONAL_PATH,
        "strict": FLAG,
        "alignments.output": OPTIONAL_PATH,
        "alignments.method": Choice(("auto", "attention", "saliency", "none")),
    },
    "evaluate": {
        **TRAINED,
        **SEARCH,
        **ALIGNMENTS,
        "baseline": OPTIONAL_RUN,
        "split": NAME,
        "source": OPTIONAL_PATH,
        "target": OPTIONAL_PATH,
        "name": OrNull(NAME),
        "folder": OPTIONAL_PATH,
        "study": OrNull(NAME),
        "member": OrNull(TEXT),
        "translations": OPTIONAL_PATH,
        "alignments.gold": OPTIONAL_PATH,
        "alignments.one_indexed": FLAG,
        "alignments.reverse_run": OPTIONAL_RUN,
        "alignments.symmetrize": OrNull(Choice(LINKING)),
        "attention": Either((Choice((*CONDITIONS, "all")), Listed(Choice(CONDITIONS), least=1, distinct=True))),
        "attention_run": OrNull(Text("a run's folder")),
        "attention_seed": SEED,
        "attention_layer": OrNull(Whole(1, 64)),
        "attention_head": OrNull(Whole(1, 1024)),
        "attention_figure": OPTIONAL_PATH,
        "agreement.saliency": FLAG,
        "agreement.runs": OPTIONAL_RUN,
        "agreement.sentences": COUNT,
        "comet.checkpoint": OPTIONAL_PATH,
        "comet.environment": OPTIONAL_PATH,
        "comet.batch_size": COUNT,
        "significance.resamples": Whole(2, 10_000_000),
        "significance.shuffles": Whole(1, 10_000_000),
        "significance.seed": Whole(1, 2**32 - 1),
    },
    "score": {
        **TRAINED,
        "source": OPTIONAL_PATH,
        "target": OPTIONAL_PATH,
        "tokens": FLAG,
        "hypotheses": OPTIONAL_PATH,
        "normalization": Choice(("none", "average")),
        "pieces": Choice(("text", "own")),
        "precision": SEARCH["search.precision"],
        "strict": FLAG,
    },
    "contrast": {
        **TRAINED,
        "source": OPTIONAL_PATH,
        "right": OPTIONAL_PATH,
        "wrong": OPTIONAL_PATH,
        "phenomenon": OPTIONAL_PATH,
        "name": OrNull(NAME),
        "normalization": Choice(("none", "average")),
        "strict": FLAG,
    },
    "align": {
        **TRAINED,
        **ALIGNMENTS,
        "source": PATH,
        "target": PATH,
        "format": Choice(("text", "jsonl")),
        "reverse_run": OPTIONAL_RUN,
        "symmetrize": OrNull(Choice(LINKING)),
        "strict": FLAG,
    },
    "page": {
        **TRAINED,
        "host": TEXT,
        "port": PORT,
        "allowed_hosts": Either((Listed(NAME, example="['my.host.org']"), NAME)),
        "beam_size": Whole(1, 1000),
        "alternatives": Whole(1, 1000),
        "max_beam_size": Whole(1, 1000),
        "max_characters": COUNT,
        "max_words": COUNT,
        "max_waiting": Whole(0, 100_000),
    },
    "dashboard": {**PATHS, "port": PORT, "open": FLAG},
    "status": {**PATHS, "study": NAME, "format": Choice(("table", "json")), "rows": OrNull(COUNT)},
    "runs": {
        **PATHS,
        "where": OrNull(Text("a condition", example='"bleu>30 and model/context=additive"')),
        "sort": OrNull(NAME),
        "diff": OrNull(Listed(PATH, example="[A,B]", least=2, most=2, distinct=True)),
        "run": OPTIONAL_RUN,
        "tags": OrNull(TAGS),
        "note": OrNull(Text(empty=True)),
        "columns": Listed(NAME, example="[parameters,model.cell]"),
        "format": Choice(("table", "csv", "json", "jsonl")),
        "rows": OrNull(COUNT),
    },
    "report": {**PATHS, "study": NAME, "test_set": NAME, "publish": OPTIONAL_PATH},
    "export": {**PATHS, "study": NAME, "test_set": NAME, "format": Choice(("csv", "json", "latex", "markdown"))},
    "reproduce": {**PATHS, "run": Text("a run's folder"), "init": OPTIONAL_PATH, "trust": TRAINING["trust"]},
}


def kind_of(key: str, command: str) -> Kind | None:
    """What a dotted key of a command may be; None if the table lacks it."""
    return TABLE[command].get(key_in_table(key))


def key_in_table(key: str) -> str:
    """The table's name for a key: members of a mixture have the keys of a corpus."""
    return re.sub(r"^data\.members\.[^.]+\.", "data.", key)


@cache
def holds_keys(key: str, command: str) -> bool:
    """Whether a dotted name is a section or group rather than a key."""
    return re.sub(r"^data\.members\.[^.]+", "data", key) in _sections(command)


@cache
def _sections(command: str) -> frozenset[str]:
    keys = (key.split(".") for key in TABLE[command])
    return frozenset(".".join(names[:count]) for names in keys for count in range(1, len(names)))


def required_keys(command: str) -> tuple[str, ...]:
    """Groups and keys that a command needs; what an option needs besides is for its constructor to check."""
    chosen = tuple(group for group in OPTIONS if holds_keys(group, command))
    targets = tuple(f"{group}._target_" for group in chosen)
    optional = ("logger.", "callbacks.", *(f"{group}." for group in chosen))
    short = keys_of(Role.SOURCE)  # which only other keys refer to
    libraries = tuple(key for key in LIBRARIES if key in TABLE[command])
    own = (key for key in TABLE[command] if not key.startswith(optional) and key not in short)
    return (*chosen, *targets, *libraries, *own)


@cache
def text_keys(command: str) -> frozenset[str]:
    """The keys of a command whose values are text, whatever they look like, lists of text, or perhaps a count."""
    return frozenset(key for key, kind in TABLE[command].items() if is_text_alone(kind) or is_text_or_count(kind))


def is_text_alone(kind: Kind) -> bool:
    """Whether values of a kind are always text, whatever they look like, or lists of text."""
    if isinstance(kind, OrNull):
        return is_text_alone(kind.kind)
    if isinstance(kind, Listed):
        return is_text_alone(kind.of)
    if isinstance(kind, Either):
        return all(map(is_text_alone, kind.kinds))
    return isinstance(kind, Text)


def is_text_or_count(kind: Kind | None) -> bool:
    """Whether values of a kind are counts, or else text whatever it looks like: 500 or val.tsv."""
    if isinstance(kind, OrNull):
        return is_text_or_count(kind.kind)
    return isinstance(kind, Either) and {type(one) for one in kind.kinds} == {Whole, Text}


def takes_text(kind: Kind) -> bool:
    """Whether a kind allows any text, even one that looks like a number."""
    if isinstance(kind, OrNull):
        return takes_text(kind.kind)
    if isinstance(kind, Either):
        return any(map(takes_text, kind.kinds))
    return isinstance(kind, Text) and not kind.pattern
