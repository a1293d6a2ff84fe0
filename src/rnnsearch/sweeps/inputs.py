"""What a study is trained on: the same data, code and ancestor for all its points, known by content, not by path."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from rnnsearch.config.build import make
from rnnsearch.config.identity import config_hash
from rnnsearch.config.plain_values import plain
from rnnsearch.data import contradictions
from rnnsearch.data.corpus import Corpus, DirectedCorpus
from rnnsearch.records.run_config import CONFIG
from rnnsearch.records.run_record import RECORD, Record
from rnnsearch.runs import own_code
from rnnsearch.sweeps import ledger

logger = logging.getLogger(__name__)

TRIALS = "trials"  # the folder of short tuning trials of earlier versions
NAMED = 3  # changed files named in a message


class Inputs:
    """The data that the points of a command use."""

    def __init__(self) -> None:
        self._asked: dict[str, DictConfig] = {}
        self._corpora: dict[str, Corpus] = {}
        self._checksums: dict[str, dict[str, str]] = {}
        self._ancestors: dict[tuple[str, str], str] = {}  # SHA-256 of weights, by folder and checkpoint
        self._code: dict[str, str] = {}  # as it is now
        self._warned: set[str] = set()

    def ask(self, values: Mapping[str, Any]) -> None:
        """Note the data of a training, and the run that it begins from, by the values of its config."""
        if values.get("init") is not None:
            self._ancestors[values["init"], values["init_checkpoint"]] = values["init_sha256"]
        if (key := _key(values["data"])) not in self._asked:
            self._asked[key] = OmegaConf.create(dict(values))

    def require_test(self) -> None:
        """Refuse data without a test split if one is asked for.

        Raises:
            ValueError: naming the keys.
        """
        for key, config in self._asked.items():
            if config.test and "test" not in self._corpus(key).splits():
                corpus = self._corpus(key)
                how = corpus.setting("test") if isinstance(corpus, DirectedCorpus) else "give it one"
                raise ValueError(
                    f"the corpus {corpus.name} has no test split, on which models are compared; {how}, or set "
                    "test=false to compare them by validation alone"
                )

    def check(self, study: Path, *, waiting: bool) -> None:
        """Refuse to go on with a study whose points saw other data or code than are there now.

        Files are read once per command, and only if there is a point to compare with. If no point is ``waiting`` for
        its training, missing data are no reason to refuse.

        Raises:
            FileNotFoundError, ValueError: naming what changed, and how many points used the earlier content.
        """
        done: Counter[str] = Counter()
        begun: Counter[str] = Counter()
        for folder, record in _earlier(study):
            counts = done if record.status in ledger.DONE else begun
            counts.update(
                [
                    *self._changed_code(record),
                    *self._changed_ancestor(folder),
                    *self._changed_data(folder, record, waiting=waiting),
                ]
            )
        names = sorted(done | begun)
        if names:
            raise ValueError(_sentence(names, max(done.values(), default=0), max(begun.values(), default=0), study))

    def warn(self) -> None:
        """Warn of data that contradict the question; data that are not on this machine are left to the points."""
        for key in self._asked.keys() - self._warned:
            self._warned.add(key)
            config = self._asked[key]
            try:
                checksums = self._present(key, waiting=True)
            except (OSError, ValueError):
                continue
            assert checksums is not None
            most = contradictions.STREAMED if config.get("streaming") else None
            cache = Path(config.paths.cache)
            findings = contradictions.examined(self._corpus(key), cache, checksums=checksums, most=most)
            for sentence in contradictions.warnings(findings):
                logger.warning("%s", sentence)

    def _changed_code(self, record: Record) -> Iterator[str]:
        was = record.code
        self._code |= own_code.now(was.keys() - self._code.keys())
        yield from (name for name in was if self._code.get(name, was[name]) != was[name])

    def _changed_ancestor(self, folder: Path) -> Iterator[str]:
        """The run that an earlier point began from, if a point at hand begins from other weights of the same place."""
        from rnnsearch.runs.run_folder import read_config

        if not self._ancestors or not (folder / CONFIG).is_file():
            return
        config = read_config(folder)
        place = (str(config.get("init")), str(config.get("init_checkpoint")))
        if self._ancestors.get(place, config.get("init_sha256")) != config.get("init_sha256"):
            yield f"{place[0]} (init, {place[1]})"

    def _changed_data(self, folder: Path, record: Record, *, waiting: bool) -> Iterator[str]:
        """The changed data of an earlier point whose config of the data is that of a point at hand."""
        from rnnsearch.runs.run_folder import read_config

        was = record.data.checksums
        known = [key for key in self._asked if self._present(key, waiting=waiting) is not None]
        if any(self._checksums[key] == was for key in known) or not (folder / CONFIG).is_file():
            return
        key = _key(plain(read_config(folder)).get("data", {}))
        if key in known:
            now = self._checksums[key]
            for name in was.keys() | now.keys():
                if was.get(name) != now.get(name):
                    yield _named(name, self._asked[key].data)

    def _present(self, key: str, *, waiting: bool) -> dict[str, str] | None:
        """The present checksums of the data."""
        if key not in self._checksums:
            corpus = self._corpus(key)
            try:
                corpus.prepare()
                self._checksums[key] = corpus.checksums()
            except (OSError, ValueError) as error:
                if waiting:
                    raise
                logger.warning("the data can't be compared with those of the finished points: %s", error)
                return None
        return self._checksums[key]

    def _corpus(self, key: str) -> Corpus:
        if key not in self._corpora:
            self._corpora[key] = make(self._asked[key].data)
        return self._corpora[key]


def _earlier(study: Path) -> Iterator[tuple[Path, Record]]:
    """Folders and records of points that are done or would go on from a checkpoint."""
    for path in (*sorted(study.glob(f"*/{RECORD}")), *sorted(study.glob(f"{TRIALS}/*/{RECORD}"))):
        record = ledger.read_run(path.parent)
        if record.data.checksums and (
            record.status in ledger.DONE or any((path.parent / "checkpoints").glob("*.ckpt"))
        ):
            yield path.parent, record


def _key(data: Mapping[str, Any]) -> str:
    """A hash of a config's data, without where they are kept and without null keys."""
    return config_hash({"data": data})


def _named(name: str, data: DictConfig) -> str:
    """A checksum's name as the user knows it: the file in the config, or the key."""
    parent, _, side = name.partition("[")[0].rpartition(".")
    if data.get("reverse"):  # checksums name the sides after reversal
        side = {"source": "target", "target": "source"}.get(side, side)
    for place in (f"{parent}.{side}", parent):
        file = OmegaConf.select(data, place)
        if isinstance(file, str):
            return f"{file} (data.{place})"
    return f"data.{name}"


def _sentence(names: list[str], done: int, begun: int, study: Path) -> str:
    """The sentence that says what changed since how many points of a study used it, and what to do."""
    counted = [f"{count} {state}" for count, state in ((done, "finished"), (begun, "begun")) if count]
    points = f"{' and '.join(counted)} point{'s' if done + begun > 1 else ''} of {study.name}"
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    begin_anew = "" if done else ", remove the folder of what was begun"
    are, it, was = (
        ("is not the file", "it", "it was") if len(names) == 1 else ("are not the files", "them", "they were")
    )
    return (
        f"{', '.join(names[:NAMED])}{more} {are} of {points}: the content changed since; put {it} back as {was}"
        f"{begin_anew}, or take another study=NAME"
    )
