"""The run that a training begins from (``init=RUN``): its model, vocabularies and weights in place of the config's.

The checksum of the weights stands in the config beside the run's place. So the same run elsewhere is the same ancestor,
another one in its place is not, and a training that has begun goes on when its ancestor is gone.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from omegaconf import DictConfig, open_dict

from rnnsearch.config import trust
from rnnsearch.config.compose import compose_training
from rnnsearch.config.overrides import key_of
from rnnsearch.config.plain_values import plain
from rnnsearch.records.run_config import CONFIG
from rnnsearch.records.run_record import RECORD, check_file, read_record

if TYPE_CHECKING:  # torch takes seconds to import, and most compositions have no ancestor
    from torch import Tensor

    from rnnsearch.data.tokenizer import TokenizerPair

SECTIONS = ("model", "tokenizer")  # of a config, which are the ancestor's
BESIDE = (*SECTIONS, "sizes")  # what would be another model or vocabulary

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Ancestor:
    """What a config takes from the run that its training begins from.

    Attributes:
        folder: of the run, absolute.
        checkpoint: its name.
        weights_sha256: of the checkpoint's weights.
        sections: `SECTIONS` of the run's config.
    """

    folder: Path
    checkpoint: str
    weights_sha256: str
    sections: Values

    @property
    def settings(self) -> dict[str, Any]:
        """What a config that begins from it has under these keys."""
        return {**self.sections, "init": str(self.folder), "init_sha256": self.weights_sha256}

    def settle(self, config: DictConfig) -> None:
        """Put it into a training's config."""
        with open_dict(config):
            for key, value in self.settings.items():
                config[key] = value


@dataclass(frozen=True)
class Beginning:
    """What a training begins with.

    Attributes:
        ancestor: the run that it comes from.
        weights: of its model, by name.
        tokenizers: its vocabularies.
        descent: `rnnsearch.records.run_record.Ancestor`, for the record: this one and its own ancestors.
    """

    ancestor: Ancestor
    weights: "Mapping[str, Tensor]"
    tokenizers: "TokenizerPair"
    descent: list[dict[str, str]]


def read_beginning(folder: Path, checkpoint: str) -> Beginning:
    """A run as others begin from it; nothing that its files hold is executed.

    Args:
        folder: of the run.
        checkpoint: as `rnnsearch.evaluation.trained_model.load` takes it.

    Raises:
        OSError, ValueError: if it is no run's folder, or its config or checkpoint is missing, damaged or foreign.
    """
    from rnnsearch.model.checkpoint import load_translator
    from rnnsearch.model.weights_digest import weights_sha256
    from rnnsearch.runs.run_folder import read_config

    record = read_record(folder)
    config = plain(read_config(check_file(folder, record, CONFIG).parent))
    if not all(isinstance(config.get(name), Mapping) for name in SECTIONS):
        raise ValueError(f"{folder / CONFIG} has no sections model and tokenizer; take the folder of a whole run")
    translator, tokenizers = load_translator(folder, checkpoint, trust.given())
    sha256 = weights_sha256(translator)
    own = {"id": record.id, "name": record.name, "checkpoint": checkpoint, "weights_sha256": sha256}
    return Beginning(
        ancestor=Ancestor(folder.absolute(), checkpoint, sha256, {name: config[name] for name in SECTIONS}),
        weights=translator.state_dict(),
        tokenizers=tokenizers,
        descent=[own, *map(msgspec.structs.asdict, record.ancestors)],
    )


def begin(config: DictConfig, words: Sequence[str], folder: Path) -> Beginning | None:
    """Put the run that ``init`` names into a training's config.

    A run that goes on from a checkpoint of its own needs its ancestor no more: its config says what it was.

    Args:
        config: of the training.
        words: its overrides.
        folder: of the training's own run.

    Returns:
        What the training begins with, unless it goes on; None without ``init``, too.

    Raises:
        ValueError: if the ancestor can't be read, has other weights than ``init_sha256`` says, or has another model
            or vocabulary given beside it.
    """
    if config.get("init") is None:
        return None
    _refuse_beside(config.init, words)
    if config.ckpt is not None and _needs_none(folder) and (known := ancestor_of(folder, config)) is not None:
        known.settle(config)
        return None
    beginning = _named(config)
    beginning.ancestor.settle(config)
    return beginning


def _needs_none(folder: Path) -> bool:
    """Whether the run in a folder has weights of its own to go on from, or is finished."""
    if any((folder / "checkpoints").glob("*.ckpt")):
        return True
    return (folder / RECORD).is_file() and read_record(folder).status == "finished"


def ancestor_of(folder: Path, values: Values) -> Ancestor | None:
    """The ancestor that a config's ``values`` name, as the run in ``folder`` knows it; None if it began otherwise.

    Raises:
        ValueError: if the run's config can't be read.
    """
    from rnnsearch.runs.run_folder import read_config

    if not (folder / CONFIG).is_file():
        return None
    config = plain(read_config(folder))
    sha256 = config.get("init_sha256")
    asked = (Path(values["init"]).absolute(), values["init_checkpoint"], values["init_sha256"] or sha256)
    if sha256 is None or (Path(str(config.get("init"))), config.get("init_checkpoint"), sha256) != asked:
        return None
    return Ancestor(*asked, {name: config[name] for name in SECTIONS})


def composed(overrides: Sequence[str], config_dirs: Sequence[Path | str] = (), *, name: str = "train") -> DictConfig:
    """The configuration of a training, as `compose_training`, with the ancestor that ``init`` names.

    Raises:
        ValueError: as `begin`.
    """
    config = compose_training(overrides, config_dirs, name=name)
    if (ancestor := Ancestors().of(config, overrides)) is not None:
        ancestor.settle(config)
    return config


class Ancestors:
    """The runs that some trainings begin from; each is read once.

    Args:
        begun: gives the folders of runs that may have begun from one that is gone since, or has other weights by now.
    """

    def __init__(self, begun: Callable[[], Iterable[Path]] = tuple) -> None:
        self._begun = begun
        self._known: dict[tuple[Path, str, str | None], Ancestor] = {}

    def of(self, values: Values, words: Sequence[str]) -> Ancestor | None:
        """The run that a config, composed of ``words``, begins from.

        Raises:
            ValueError: as `begin`.
        """
        if values.get("init") is None:
            return None
        _refuse_beside(values["init"], words)
        key = (Path(values["init"]).absolute(), values["init_checkpoint"], values["init_sha256"])
        if key not in self._known:
            self._known[key] = self._found(values)
        return self._known[key]

    def _found(self, values: Values) -> Ancestor:
        try:
            return _named(values).ancestor
        except ValueError:
            for folder in self._begun():
                if (known := ancestor_of(folder, values)) is not None:
                    return known
            raise


def _named(values: Values) -> Beginning:
    """The run that a config names, with the weights that it says."""
    init, sha256 = values["init"], values["init_sha256"]
    try:
        beginning = read_beginning(Path(init), values["init_checkpoint"])
    except (OSError, ValueError) as error:
        raise ValueError(f"init={init}: {error}") from None
    if sha256 not in (None, is_now := beginning.ancestor.weights_sha256):
        raise ValueError(
            f"init={init}: its weights changed since (SHA-256 {is_now}, and init_sha256 says {sha256}); put the run "
            "back as it was, or begin anew without init_sha256"
        )
    return beginning


def _refuse_beside(init: str, words: Sequence[str]) -> None:
    """Refuse overrides that choose another model or vocabulary than the ancestor's."""
    others = [word for word in words if re.split("[./@]", key_of(word))[0] in BESIDE]
    if others:
        raise ValueError(
            f"init={init} brings that run's model and vocabularies, so {', '.join(others)} can't be given beside it; "
            "leave out the one or the other"
        )
