"""Loaders: encoded rows to batches, in the order of a sampler or the longest first."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from datasets import Dataset
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from rnnsearch.data.batching import Batch, BatchSampler, Row, collate


class EncodedRows(TorchDataset[Row]):
    """The ids of an encoded split, with the row numbers that `Batch.index_B` carries."""

    def __init__(self, dataset: Dataset) -> None:
        self._ids = dataset.select_columns(["source", "target"])

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: int) -> Row:
        """One row."""
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> list[Row]:
        """The rows of a batch, read at once."""
        if not indices:
            return []
        columns = self._ids[indices]
        rows = zip(indices, columns["source"], columns["target"], strict=True)
        return [Row(index=index, source=source, target=target) for index, source, target in rows]


class TrainingLoader(DataLoader[Row]):
    """A loader that tells its sampler which batches it has handed out; see `BatchSampler`."""

    def __init__(self, rows: EncodedRows, sampler: BatchSampler, *, workers: int, pin_memory: bool) -> None:
        super().__init__(rows, batch_sampler=sampler, collate_fn=collate, num_workers=workers, pin_memory=pin_memory)
        self._places = sampler

    # torch declares its own iterator class as the result; Lightning and we need an iterator only
    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        """The batches left in the present epoch."""
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

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        """The batches left in the present epoch, then those of the next ones."""
        while True:
            yield from super().__iter__()

    def __len__(self) -> int:
        """More batches than any training sees: without a number Lightning would fetch one ahead."""
        return 2**40


def evaluation_loader(
    rows: EncodedRows, plan: Sequence[list[int]], *, workers: int, pin_memory: bool
) -> DataLoader[Row]:
    """The batches of a plan, in its order."""
    return DataLoader(rows, batch_sampler=plan, collate_fn=collate, num_workers=workers, pin_memory=pin_memory)
