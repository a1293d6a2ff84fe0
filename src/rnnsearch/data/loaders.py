"""Loaders: encoded rows to batches, in the order of a sampler or the longest first."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from datasets.table import Table
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from rnnsearch.data.batching import Batch, Row, collate
from rnnsearch.data.sampler import BatchSampler

Ids = npt.NDArray[np.int32]
ENDLESS = 2**40
"""More batches than any training sees: without a number Lightning would fetch one ahead."""


class EncodedRows(TorchDataset[Row]):
    """The ids of an Arrow table of pairs, with the row numbers that `Batch.index_B` carries.

    Ids are read where the table is, or its file mapped, without copies: two arrays for each Arrow batch and side.
    """

    def __init__(self, table: pa.Table | Table) -> None:
        self.take(table)

    def take(self, table: pa.Table | Table) -> None:
        """Have these rows from now on."""
        self._table = table  # holds the map
        self._firsts = np.cumsum([0, *(chunk.num_rows for chunk in table.to_batches())])
        self._sides = {side: _chunks(table, side) for side in ("source", "target")}

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __getitem__(self, index: int) -> Row:
        """One row."""
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> list[Row]:
        """The rows of a batch, read at once. Raises IndexError for one that is not there."""
        if indices and not 0 <= min(indices) <= max(indices) < len(self):
            raise IndexError(f"rows {min(indices)} to {max(indices)} of {len(self)}")
        chunks = (np.searchsorted(self._firsts, indices, side="right") - 1).tolist()
        places = list(zip(chunks, (np.asarray(indices) - self._firsts[chunks]).tolist(), strict=True))
        source, target = ([_ids(side[chunk], row) for chunk, row in places] for side in self._sides.values())
        return [Row(index=i, source=s, target=t) for i, s, t in zip(indices, source, target, strict=True)]


def _chunks(table: pa.Table | Table, side: str) -> list[tuple[Ids, Ids]]:
    """Offsets and values of each Arrow batch of a column of lists."""
    return [(chunk.offsets.to_numpy(), chunk.values.to_numpy()) for chunk in table.column(side).chunks]


def _ids(chunk: tuple[Ids, Ids], row: int) -> Ids:
    offsets, values = chunk
    return values[offsets[row] : offsets[row + 1]]


class TrainingLoader(DataLoader[Row]):
    """A loader that tells its sampler which batches it has handed out; see `BatchSampler`.

    `anew` gives the rows of each epoch where they are not always the same.
    """

    def __init__(
        self,
        rows: EncodedRows,
        sampler: BatchSampler,
        *,
        workers: int,
        pin_memory: bool,
        anew: Callable[[int], pa.Table] | None = None,
    ) -> None:
        super().__init__(rows, batch_sampler=sampler, collate_fn=collate, num_workers=workers, pin_memory=pin_memory)
        self._places, self._rows, self._anew = sampler, rows, anew

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]  # torch declares its own class of iterators
        """The batches left in the present epoch."""
        if self._anew is not None:  # before workers begin, which take a copy of the rows
            self._rows.take(self._anew(self._places.epoch))
        for index, batch in enumerate(super().__iter__()):
            yield replace(batch, all_tokens=self._places.delivered(index))

    def state_dict(self) -> dict[str, int]:
        """The place, for Lightning's loop: without it Lightning takes a restart in mid-epoch to repeat batches."""
        return self._places.state_dict()

    def load_state_dict(self, state_dict: Mapping[str, int]) -> None:
        """Go to a saved place."""
        self._places.load_state_dict(state_dict)


class EndlessLoader(TrainingLoader):
    """Gives epoch after epoch, so that Lightning, which knows nothing of their ends, cuts no update short at one.

    A place within an update's batches, or between an epoch and the next, is then like any other to go on from.
    """

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]  # as above
        """The batches left in the present epoch, then those of the next ones."""
        while True:
            yield from super().__iter__()

    def __len__(self) -> int:
        """More batches than any training sees."""
        return ENDLESS


def evaluation_loader(
    rows: EncodedRows, plan: Sequence[list[int]], *, workers: int, pin_memory: bool
) -> DataLoader[Row]:
    """The batches of a plan, in its order."""
    return DataLoader(rows, batch_sampler=plan, collate_fn=collate, num_workers=workers, pin_memory=pin_memory)
