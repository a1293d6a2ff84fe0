"""Parallel corpora of the Hugging Face Hub, or in any folder that the `datasets` library reads."""

import hashlib
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rnnsearch.data.corpus import SPLITS, DirectedCorpus, Pair
from rnnsearch.data.exclusive import enough_space
from rnnsearch.data.files import text_at

logger = logging.getLogger(__name__)

COMMIT = re.compile(r"[0-9a-f]{40}")


class HubCorpus(DirectedCorpus):
    """A data set by `path` (of the Hub, or a local folder), `configuration` and `revision`, with two text fields.

    `train_split` and its fellows are names of the data set's splits, slices such as train[:1%] allowed; a dot in a
    field leads into a record, such as translation.de. Needs no network where the data set is local or cached.
    With `streaming` rows of whole splits are read from the Hub, or the folder, as they are asked for, and never kept.
    """

    def __init__(
        self,
        *,
        path: str | None,
        configuration: str | None,
        revision: str | None,
        train_split: str | None,
        validation_split: str | None,
        test_split: str | None,
        source_field: str,
        target_field: str,
        source_language: str | None,
        target_language: str | None,
        reverse: bool,
        name: str,
        cache: str,
        streaming: int | None = None,
    ) -> None:
        super().__init__(name=name, source_language=source_language, target_language=target_language, reverse=reverse)
        self._path = path
        self._configuration = configuration
        self._revision = revision
        by_split = zip(SPLITS, (train_split, validation_split, test_split), strict=True)
        self._splits = {split: name for split, name in by_split if name is not None}
        self._fields = {"source": source_field, "target": target_field}
        self._cache = Path(cache).expanduser() / "hub"
        self._streaming = bool(streaming)
        self._loaded: dict[str, Any] = {}

    def splits(self) -> tuple[str, ...]:
        """The splits for which one of the data set's is named."""
        return tuple(self._splits)

    def prepare(self) -> None:
        """Load every split, downloading what the cache lacks. Raises ValueError where that fails."""
        super().prepare()
        if self._streaming and not self._is_local() and not COMMIT.fullmatch(self._revision or ""):
            raise ValueError(
                f"data.revision={self._revision}: a data set that is streamed from the Hub is known by its commit, "
                "40 hexadecimal digits that its page shows under Files and versions; give them"
            )
        for split, name in self._splits.items():
            if self._streaming and set(name) & set("[+"):
                raise ValueError(
                    f"data.{split}_split={name}: only whole splits are streamed; name one, or set streaming=null"
                )
            self._rows(split)

    def stored_pairs(self, split: str) -> Iterator[Pair]:
        """The pairs of a split; `line` is the row, from 1."""
        for number, row in enumerate(self._rows(split), start=1):
            where = f"data.path={self._path}: row {number} of {self._splits[split]}"
            source, target = (text_at(row, field, where) for field in self._fields.values())
            yield Pair(source=source, target=target, line=number)

    def checksums(self) -> dict[str, str]:
        """SHA-256 of the pairs as read, under keys such as train.pairs: data sets have no files of their own.

        Of pairs that are streamed from the Hub it is that of what names them: data set, commit, split and fields.
        """
        if self._streaming and not self._is_local():
            return {f"{split}.commit": self._checksum_of_commit(split) for split in self.splits()}
        return {f"{split}.pairs": self._checksum_of_pairs(split) for split in self.splits()}

    def _checksum_of_pairs(self, split: str) -> str:
        digest = hashlib.sha256()
        for pair in self.pairs(split):
            digest.update(json.dumps([pair.source, pair.target]).encode() + b"\n")
        return digest.hexdigest()

    def _checksum_of_commit(self, split: str) -> str:
        named = [self._path, self._configuration, self._revision, self._splits[split], self._fields, self.sides()]
        return hashlib.sha256(json.dumps(named).encode()).hexdigest()

    def _rows(self, split: str) -> Any:
        if split not in self._loaded:
            self._loaded[split] = self._load(self._splits[split])
        return self._loaded[split]

    def _is_local(self) -> bool:
        return Path(self._given_path()).expanduser().is_dir()

    def _given_path(self) -> str:
        if not self._path:
            raise ValueError("data.path is not set; give the name of a data set of the Hub, or a folder")
        return self._path

    def _load(self, split: str) -> Any:
        path = str(Path(self._given_path()).expanduser()) if self._is_local() else self._given_path()
        import datasets  # heavy

        logger.info("loading %s, split %s", path, split)
        cache = {"streaming": True} if self._streaming else {"cache_dir": str(self._cache)}
        try:
            with enough_space(self._cache):
                return datasets.load_dataset(path, self._configuration, split=split, revision=self._revision, **cache)
        except (ValueError, OSError, datasets.exceptions.DatasetsError) as error:
            reason = " ".join(str(error).split())
            raise ValueError(
                f"data.path={path}, split {split}, could not be loaded ({reason}); "
                "check data.path, data.configuration, data.revision, the names of the splits, and the network"
            ) from error

    def setting(self, split: str) -> str:
        """How a split is given, as part of a sentence."""
        return f"set data.{split}_split to one of the data set's splits"
