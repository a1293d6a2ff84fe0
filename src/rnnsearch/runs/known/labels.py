"""Tags and a note of a run, set after its training began: in its record, which nobody else writes meanwhile."""

from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from rnnsearch.records.folders import LOCK, refuse_links
from rnnsearch.records.run_record import RunRecord, read_values


def set_labels(folder: Path, *, tags: Sequence[str] | None, note: str | None) -> tuple[list[str], str | None]:
    """Write tags and a note into a run's record; give those that it has now.

    Args:
        folder: of the run.
        tags: in the place of those that it has; None: as they are.
        note: as tags; empty: none.

    Raises:
        FileNotFoundError, ValueError: if the folder is no run's, its record is damaged, or the run is being trained.
    """
    read_values(folder)
    refuse_links(folder)
    try:
        with FileLock(folder / LOCK, timeout=0):
            values = read_values(folder)
            changes = {
                **({} if tags is None else {"tags": [*tags]}),
                **({} if note is None else {"note": note or None}),
            }
            record = RunRecord(folder, values, writes=True)
            record.write(**changes)
    except Timeout:
        raise ValueError(
            f"{folder} is being trained, and its record written, so tags and a note have to wait; "
            "give them to the next training as tags=[...] note=..."
        ) from None
    return list(record.values.get("tags") or []), record.values.get("note")
