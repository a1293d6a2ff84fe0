"""What part a key plays: whether it counts in a run's hash, sets points apart, may be another one on resume.

Keys are dotted; what is said of one holds for all below it. A key that isn't named is one of `Role.RESULT`.
"""

from collections.abc import Mapping
from enum import Enum


class Role(Enum):
    """What a key's value changes."""

    RESULT = "what a run computes"
    MACHINE = "how the machine is used, and what is done besides; other points of a study, equal results"
    SOURCE = "nothing itself: other keys take their value from it, and count in its place"
    CONTINUED = "how a run goes on, and how often it is kept"
    ABOUT = "where things lie, who watches, and why the run is made; nothing that a reader would compare"


ROLES: Mapping[str, Role] = {
    **dict.fromkeys(("study", "member", "tags", "note", "protocol", "sweep", "paths", "logger"), Role.ABOUT),
    **dict.fromkeys(("members", "seeds", "match", "match_to", "tuning"), Role.ABOUT),
    **dict.fromkeys((f"callbacks.{name}" for name in ("samples", "throughput", "gradient_norm")), Role.ABOUT),
    **dict.fromkeys(("progress", "profile", "samples", "tests"), Role.ABOUT),  # the first is a key of earlier versions
    **dict.fromkeys(("data.root", "data.cache", "data.mirrors", "trainer.log_every_n_steps"), Role.ABOUT),
    **dict.fromkeys(("ckpt", "checkpoints", "pause", "skip_limit", "encoding_processes", "trust"), Role.CONTINUED),
    **dict.fromkeys(("sizes", "learning_rate", "trainer.max_steps", "word_dropout"), Role.SOURCE),
    **dict.fromkeys(("init", "init_checkpoint"), Role.SOURCE),  # init_sha256, model and tokenizer count
    **dict.fromkeys((f"model.{key}_size" for key in ("embedding", "hidden", "attention", "readout")), Role.SOURCE),
    **dict.fromkeys(("model.cell", "model.dropout", "model.variational_dropout"), Role.SOURCE),
    **dict.fromkeys(("keep_best", "callbacks.kept_checkpoints", "kernels", "cuda_graphs", "test"), Role.MACHINE),
    **dict.fromkeys(("products", "data_workers", "optimizer.fused"), Role.MACHINE),
    **dict.fromkeys(("trainer.accelerator", "trainer.devices", "trainer.strategy"), Role.MACHINE),
}

# Of a sweep: keys and groups that it acts on itself, which no training of a point gets from it.
SWEEPING = (
    *("members", "seeds", "match", "match_to", "tuning", "jobs", "question", "length_edges", "publish"),
    *("sweep", "study", "ckpt", "runs", "of", "dry", "notify"),
)
ELSEWHERE = ("ckpt", "logger", "paths", "trust")  # where and how a run was watched: another run of it has its own
HYDRA = ("hydra", "defaults")  # by which a config would tell Hydra what to do
TRUST = "trust"  # counts on the command line alone, and is not written down
LIMITS = tuple(f"budget.{key}" for key in ("updates", "tokens", "seconds", "flops"))  # others for a run that goes on
CORRECTED = tuple(  # what the greedy search of validation doesn't read: a run that goes on may get it otherwise
    f"search.{key}"
    for key in (
        *("beam_size", "n_best", "normalization", "length_alpha", "coverage_penalty", "batch_size", "precision"),
        *("temperature", "top_k", "top_p", "seed"),
    )
)
# Keys that came later with a value which changes nothing for most data: at this value, which is also taken for that of
# runs which lack the key, they are not counted, so that points of before keep their hashes and are found again.
UNCOUNTED = {
    **{"tokenizer.normalization": "nfc", "tokenizer.joiners": True, "products": "onednn"},
    **{"tokenizer.learn_from": "kept"},
    **{"model.encoder.reads": "forward", "model.encoder.layer_norm": False},
    **{"model.decoder.layers": 1, "model.decoder.residual": False, "model.decoder.layer_norm": False},
    **{"model.decoder.layer_dropout": None, "model.decoder.initial_memory": "zero"},
    **{"model.context.weights": "softmax", "model.context.temperature": 1.0},
    **{"model.context.heads": 1, "model.context.window": None, "model.context.coverage": False},
    **{"search.precision": "32-true"},
}
READ_WITH = {"convergence": "budget.until"}  # a section that is read, and counted, only where another key is set
MATCHED_SIZES = ("hidden_size", "feed_forward_size")  # of a half, recurrent or a Transformer's: match finds it
HIDDEN_SIZES = (
    "model.hidden_size",
    *(f"model.{half}.{size}" for half in ("encoder", "decoder") for size in MATCHED_SIZES),
)


def keys_of(*roles: Role) -> tuple[str, ...]:
    """The keys that are named with one of these roles."""
    return tuple(key for key, role in ROLES.items() if role in roles)


def within(key: str, names: tuple[str, ...]) -> bool:
    """Whether a dotted key is one of the names, or lies below one."""
    return any(key == name or key.startswith(f"{name}.") for name in names)
