"""Encoded corpora as Arrow files, memory-mapped; what is slow to make is kept in cache folders named by a hash."""

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash
from datasets import Dataset
from datasets.table import Table

from rnnsearch.data.corpus import Pair
from rnnsearch.data.encode_pairs import ROWS_A_BATCH, SCHEMA, Advance, batches
from rnnsearch.data.exclusive import exclusive
from rnnsearch.data.tokenizer import TokenizerPair
from rnnsearch.data.tokenizer_states import load_tokenizer
from rnnsearch.records.json_files import file_sha256

logger = logging.getLogger(__name__)

FORMAT = 3
"""Version of what the cache folders hold: part of every hash."""
MANIFEST = "manifest.json"
ARROW = "pairs.arrow"
NOTES = "notes.json"


def cache_key(values: Mapping[str, object]) -> str:
    """SHA-256, in hexadecimal, of plain values and the format's version."""
    text = json.dumps({"format": FORMAT, **values}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def cached_folder(folder: Path, build: Callable[[Path], None]) -> Path:
    """The folder, made by `build` unless it is there and intact.

    Of several processes one builds and the others wait. A folder is written elsewhere and renamed when complete, with a
    manifest of size and checksum of its files; one that does not agree with its manifest is made anew, with a warning.
    Each process reads them through once.
    """
    if _intact(folder):
        return folder
    with exclusive(folder):
        if _intact(folder):
            return folder
        if folder.exists():
            logger.warning("the cache folder %s is damaged; making it anew", folder)
            shutil.rmtree(folder) if folder.is_dir() else folder.unlink()
        _build_aside(folder, build)
    return folder


def _build_aside(folder: Path, build: Callable[[Path], None]) -> None:
    """Build in a hidden neighbour folder and rename; the caller holds the lock."""
    aside = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    try:
        build(aside)
        statuses = [(path, path.stat()) for path in sorted(aside.iterdir())]
        files = {path.name: {"bytes": s.st_size, "xxh3": _checksum(path, s.st_mtime_ns)} for path, s in statuses}
        _write_json(aside / MANIFEST, files)
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _intact(folder: Path) -> bool:
    """Whether the folder's files are those of its manifest."""
    try:
        files: object = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        paths = {path.name: path for path in folder.iterdir() if path.name != MANIFEST}
        return (
            isinstance(files, dict) and paths.keys() == files.keys() and all(_same(paths[k], files[k]) for k in files)
        )
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError):
        return False


def _same(path: Path, described: object) -> bool:
    """Whether a file is as described; earlier versions described it by its SHA-256."""
    status = path.stat()
    if not isinstance(described, dict) or described.get("bytes") != status.st_size:
        return False
    if "xxh3" not in described:
        return described.get("sha256") == file_sha256(path)
    return bool(described["xxh3"] == _checksum(path, status.st_mtime_ns))


@cache
def _checksum(path: Path, changed_ns: int) -> str:
    """XXH3 (Collet, 2019), in a tenth of SHA-256's time: it has to detect damage, not tampering."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, xxhash.xxh3_128).hexdigest()


def encode_pairs(
    pairs: Iterable[Pair], tokenizers: TokenizerPair, path: Path, *, processes: int = 1, advance: Advance | None = None
) -> int:
    """Write the pairs with their ids to an Arrow file, the same for any number of processes; returns their number."""
    count = 0
    with (
        pa.OSFile(str(path), "wb") as file,
        pa.ipc.new_stream(file, SCHEMA) as writer,
        closing(batches(pairs, tokenizers, processes=processes)) as encoded,
    ):
        for batch in encoded:
            writer.write_batch(batch)
            count += batch.num_rows
            if advance:
                advance(batch.num_rows)
    return count


def open_encoded(folder: Path) -> Dataset:
    """The pairs of a cache folder, memory-mapped."""
    return Dataset.from_file(str(folder / ARROW))


def token_counts(table: pa.Table | Table, column: str) -> npt.NDArray[np.int64]:
    """Number of ids in each row of a column, the end of sentence not included."""
    return np.concatenate([np.asarray(chunk.value_lengths(), np.int64) for chunk in table.column(column).chunks])


def lengths(table: pa.Table | Table) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Tokens of each source and target, the end of sentence included."""
    return token_counts(table, "source") + 1, token_counts(table, "target") + 1


def rows_by_member(dataset: Dataset) -> dict[str, npt.NDArray[np.int64]]:
    """The rows of each member of a mixture, rising."""
    column = dataset.data.column("member").combine_chunks().dictionary_encode()
    codes = column.indices.to_numpy(zero_copy_only=False)
    return {str(name): np.flatnonzero(codes == k) for k, name in enumerate(column.dictionary.to_pylist())}


def texts(dataset: Dataset) -> Iterator[tuple[str, str]]:
    """The raw source and target text of each row, in order."""
    for group in dataset.select_columns(["source_text", "target_text"]).iter(ROWS_A_BATCH):
        yield from zip(group["source_text"], group["target_text"], strict=True)


def pairs(dataset: Dataset) -> Iterator[Pair]:
    """The raw text of each row, in order, with its line and member."""
    columns = ["source_text", "target_text", "line", "member"]
    for group in dataset.select_columns(columns).iter(ROWS_A_BATCH):
        for source, target, line, member in zip(*(group[column] for column in columns), strict=True):
            yield Pair(source=source, target=target, line=line, member=member)


def save_notes(folder: Path, notes: Mapping[str, object]) -> None:
    """Keep plain values in a cache folder."""
    _write_json(folder / NOTES, notes)


def load_notes(folder: Path) -> dict[str, object]:
    """The plain values kept in a cache folder."""
    notes: dict[str, object] = json.loads((folder / NOTES).read_text(encoding="utf-8"))
    return notes


def save_tokenizers(folder: Path, tokenizers: TokenizerPair) -> None:
    """Keep both tokenizers and their notes in a cache folder."""
    _write_json(folder / "source.json", tokenizers.source.state())
    _write_json(folder / "target.json", tokenizers.target.state())
    save_notes(folder, tokenizers.notes)


def load_tokenizers(folder: Path) -> TokenizerPair:
    """The tokenizers kept in a cache folder; the same object twice when they are equal."""
    source, target = (
        load_tokenizer(json.loads((folder / name).read_text(encoding="utf-8")))
        for name in ("source.json", "target.json")
    )
    return TokenizerPair(source, source if source.checksum == target.checksum else target, load_notes(folder))


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True), encoding="utf-8")
