"""The record of one run, read by whatever comes after it: reports, resumed and repeated trainings.

A field added to `Record`, or to one of its parts, is written and read under its name; a field that is null, or that an
earlier version did not write, has its default. The record holds the digests of the files beside it.
docs/run_folder.md describes it to users.
"""

import secrets
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from rnnsearch.records.json_files import file_digests, file_sha256, read_object, write_object
from rnnsearch.records.nested import value_at, without_nulls

FORMAT = 1
RECORD = "record.json"
STORIES = ".failure-of-process-*.json"  # left by any process but the first when it fails
JOB = "job.json"  # in the folder of a sweep's point: what was asked for, and the outcome of each attempt
FILES = "files"  # the key in a record of the digests of the files beside it
DEEPEST = 3  # levels of parts within each other: results, metrics, test
MEND = "put a copy back, or train into a new folder"


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a run failed; if it diverged, also at which update, and a command that may do better."""

    type: str = ""
    message: str = ""
    traceback: str = ""
    update: int | None = None
    retry: str | None = None

    def as_values(self) -> dict[str, Any]:
        """Plain values, without those that are unknown."""
        return {key: value for key, value in msgspec.structs.asdict(self).items() if value is not None}


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """The checkout that trained: its commit, and whether it had changes."""

    commit: str = ""
    dirty: bool = False


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """What was trained on.

    Attributes:
        checksums: SHA-256 of each file, in hexadecimal.
        pairs: of each split, after filters.
        taken_out: pairs of validation and test that were taken out of the training pairs.
        contradictions: by split, how many pairs have each fault; `rnnsearch.data.contradictions` says which there are.
        longest_source: words of the longest source sentence that was trained on.
        length_units: of source and target: words, or characters where a script has no blanks.
    """

    name: str = ""
    source_language: str = ""
    target_language: str = ""
    checksums: dict[str, str] = {}
    pairs: dict[str, int] = {}
    taken_out: dict[str, int] = {}
    contradictions: dict[str, dict[str, int]] = {}
    longest_source: int | None = None
    length_units: dict[str, str] = {}


class Vocabulary(msgspec.Struct, frozen=True, kw_only=True):
    """A tokenizer: SHA-256 of its state, and its number of pieces."""

    checksum: str = ""
    size: int = 0


class Tokenizers(msgspec.Struct, frozen=True, kw_only=True):
    """The tokenizers of both languages, and notes on how they were made."""

    source: Vocabulary | None = None
    target: Vocabulary | None = None
    notes: dict[str, Any] = {}

    @property
    def checksums(self) -> dict[str, str]:
        """SHA-256 by side."""
        sides = {"source": self.source, "target": self.target}
        return {side: vocabulary.checksum for side, vocabulary in sides.items() if vocabulary is not None}


class Ancestor(msgspec.Struct, frozen=True, kw_only=True):
    """A run that another one began from: its id and name, the checkpoint taken, and SHA-256 of its weights."""

    id: str = ""
    name: str = ""
    checkpoint: str = ""
    weights_sha256: str = ""


class Curves(msgspec.Struct, frozen=True, kw_only=True):
    """Measurements by updates: ``train`` has the loss (nats a token), ``validation`` nll, perplexity, bleu and chrf."""

    train: list[dict[str, Any]] = []
    validation: list[dict[str, Any]] = []


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    """Of the best checkpoint by split; `rnnsearch.records.metrics` names what a split has."""

    validation: dict[str, Any] = {}
    test: dict[str, Any] = {}


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """What the same seed reproduces on the same machine."""

    curves: Curves = Curves()
    metrics: Metrics = Metrics()
    weights_sha256: str | None = None


class PausedAt(msgspec.Struct, frozen=True, kw_only=True):
    """Where a training was left: after so many updates, and this share of its budget."""

    update: int
    share: float


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The record of a run, as far as it has come.

    Attributes:
        status: running, finished, failed, interrupted, pruned or paused; "not started" where there is no record.
        started, ended: UTC.
        tags, note: what the user calls it, and says of it; they change no result.
        config_hash: `rnnsearch.config.identity.config_hash` of its config.
        code: SHA-256 of the user's own code and files, by name.
        ancestors: the run whose weights training began from (``init``), and those before it, the nearest first.
        parameters, parameters_without_embeddings: trainable numbers.
        flops_per_token: operations a target token of training, at the lengths of ``flops_lengths``.
        dependent_steps: `rnnsearch.training.dependent_steps` of a sentence pair of those lengths.
        scoring: `rnnsearch.evaluation.scoring.Scoring`.
        tests: SHA-256 of the files of each named test set, by side; `rnnsearch.records.test_sets` has the results.
        updates: of the weights.
        tokens_seen: target tokens.
        seconds: in training and validation.
        training_seconds: in training alone.
        converged: of a run until convergence, whether it ended by converging; None for others.
        decay_from: updates of such a run when its rate began to fall.
        pauses: where it was left to go on later.
        files: SHA-256 of the files beside the record, by name.
        corrected: settings that were changed when the run was resumed: key -> was, is.
        evaluation_of: where nothing was trained: the run (its name and id), checkpoint and split that were evaluated.
    """

    format: int = FORMAT
    id: str = ""
    name: str = ""
    study: str | None = None
    member: str | None = None
    status: str = "not started"
    error: Failure | None = None
    started: str | None = None
    ended: str | None = None
    command: list[str] = []
    tags: list[str] = []
    note: str | None = None
    config_hash: str = ""
    seed: int = 0
    git: Commit | None = None
    versions: dict[str, str] = {}
    code: dict[str, str] = {}
    ancestors: list[Ancestor] = []
    hardware: dict[str, Any] = {}
    parameters: int | None = None
    parameters_without_embeddings: int | None = None
    flops_per_token: float | None = None
    flops_lengths: dict[str, float] = {}
    dependent_steps: dict[str, float] = {}
    filters: dict[str, Any] = {}
    tokenizer: Tokenizers = Tokenizers()
    data: Data = Data()
    scoring: dict[str, Any] = {}
    tests: dict[str, dict[str, str]] = {}
    updates: int | None = None
    converged: bool | None = None
    decay_from: int | None = None
    skipped_updates: int = 0
    tokens_seen: int | None = None
    seconds: float | None = None
    training_seconds: float | None = None
    tokens_per_second: float | None = None
    peak_memory_bytes: int | None = None
    pauses: list[PausedAt] = []
    results: Results = Results()
    files: dict[str, str] = {}
    corrected: dict[str, Any] = {}
    evaluation_of: dict[str, str] = {}

    @property
    def is_there(self) -> bool:
        """Whether it is a real record, not `NO_RECORD`."""
        return self != NO_RECORD

    @property
    def trained_seconds(self) -> float | None:
        """Seconds of training, or of the whole run in records from before training was timed alone."""
        return self.seconds if self.training_seconds is None else self.training_seconds


NO_RECORD = Record()
NO_RESULTS = Results()


def now() -> str:
    """The time (UTC) as records have it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def new_id() -> str:
    """A name for a run: UTC time and random letters, unique even when two start in one second; only [A-Za-z0-9._-]."""
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime()) + "-" + secrets.token_hex(3)


def check_file(folder: Path, record: Record, name: str) -> Path:
    """A file of a run's folder, checked to be as the run left it; records of earlier versions hold no digests.

    Raises:
        ValueError: if it has changed since.
    """
    path, noted = folder / name, record.files.get(name)
    if noted is not None and path.is_file() and file_sha256(path) != noted:
        raise ValueError(
            f"{path} is not the file that the run left (its sha256 in {RECORD} is another), so it is damaged or "
            "was changed; put the run's own back"
        )
    return path


def read_record(folder: Path, *, needs: Iterable[str] = ()) -> Record:
    """The record of a run's folder, which must have all of the dotted keys in ``needs``.

    Raises:
        FileNotFoundError: if the folder is not a run's.
        ValueError: if the record is damaged, has another structure, or was written in a later format.
    """
    return _read(folder, needs)[1]


def read_values(folder: Path, *, needs: Iterable[str] = ()) -> dict[str, Any]:
    """The contents of the record in a run's folder, checked as `read_record` does."""
    return _read(folder, needs)[0]


def _read(folder: Path, needs: Iterable[str]) -> tuple[dict[str, Any], Record]:
    path = folder / RECORD
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds no {RECORD}, so it is not a run's folder; give one that train made")
    try:
        values = read_object(path)
    except ValueError as error:
        raise ValueError(f"{error}; {MEND}") from None
    record = record_of(values, path)
    for key in needs:
        if value_at(values, key) is None:
            raise ValueError(f"{path} is damaged: it lacks {key}; {MEND}")
    return values, record


def record_of(values: Mapping[str, Any], path: Path) -> Record:
    """The record that plain values describe; keys that are no fields are ignored.

    Args:
        values: of a JSON file.
        path: of that, for sentences.

    Raises:
        ValueError: for another format or structure.
    """
    if values.get("format") != FORMAT:
        raise ValueError(f"{path} is not a record of format {FORMAT}; read it with the version that wrote it")
    try:
        return msgspec.convert(without_nulls(values, DEEPEST), Record)
    except msgspec.ValidationError as error:
        key = str(error).partition(" - at `$.")[2].partition("[")[0].rstrip("`")
        what = f"it holds something else than a run writes under {key}" if key else "it is no record of a run"
        raise ValueError(f"{path} is damaged: {what}; {MEND}") from None


class RunRecord:
    """Writes the record of one run whenever it changes, from one of the run's processes."""

    def __init__(self, folder: Path, values: Mapping[str, Any], *, writes: bool) -> None:
        self.path = folder / RECORD
        self.writes = writes
        self.values: dict[str, Any] = {"format": FORMAT, **values}

    def write(self, **changes: Any) -> None:
        """Change some fields and replace the file."""
        assert set(changes) <= set(Record.__struct_fields__), sorted(changes)
        values = self.values | changes
        if self.writes:
            write_object(self.path, values)
        self.values = values

    def write_digests(self, *names: str) -> None:
        """Record the digests of files that were just written beside the record."""
        if self.writes:
            self.write(**{FILES: {**self.values.get(FILES, {}), **file_digests(self.path.parent, names)}})
