"""Training pairs read anew each epoch, window by window, for a corpus whose encoding has no room on the disk."""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from itertools import islice

import pyarrow as pa

from rnnsearch.data.arrow_cache import lengths
from rnnsearch.data.batching import Batch, Lengths, Plan, Planner, Row, collate
from rnnsearch.data.corpus import Pair
from rnnsearch.data.encode_pairs import ROWS_A_BATCH, Advance
from rnnsearch.data.loaders import ENDLESS, EncodedRows

Key = tuple[int, int]
"""Epoch, and window of it, from 0."""
GONE = ", where this run stopped; give it the corpus that it began with"
Encode = Callable[[Iterator[Pair], int], Generator[pa.RecordBatch, None, None]]
"""Encodes pairs as an epoch, from 0, has them."""


def check_window(pairs: object) -> None:
    """Raises ValueError for a number of pairs that is none of thousands."""
    if type(pairs) is not int or pairs < ROWS_A_BATCH or pairs % ROWS_A_BATCH:
        raise ValueError(f"streaming={pairs}: give thousands of pairs, such as 100000, or null")


class StreamingLoader:
    """Batches of window after window, epoch after epoch, with a place that can be saved.

    A window is so many pairs as the corpus gives them. It is encoded into memory and batched like a whole split; while
    its batches are handed out, the next one is encoded at the same pace. Of several processes (`replicas`) each reads
    and encodes all pairs, and takes its share of every batch. `Batch.index_B` holds the lines of the pairs.
    """

    def __init__(
        self,
        pairs: Callable[[], Iterator[Pair]],
        encode: Encode,
        planner: Planner,
        *,
        window: int,
        seed: int,
        rank: int = 0,
        replicas: int = 1,
        pin_memory: bool = False,
        progress: Callable[[str], AbstractContextManager[Advance]],
    ) -> None:
        """`pairs` reads the corpus from its start. Raises ValueError as `check_window`."""
        check_window(window)
        self._pairs, self._encode, self._planner = pairs, encode, planner
        self._size, self._seed = window, seed
        self._rank, self._replicas, self._pin_memory = rank, replicas, pin_memory
        self._progress = progress
        self._epoch = self._window = self._position = 0

    def __len__(self) -> int:
        """More batches than any training sees, as of every loader without an end."""
        return ENDLESS

    def __iter__(self) -> Iterator[Batch]:
        """The batches from the present place on."""
        chunks = self._size // ROWS_A_BATCH
        with closing(self._chunks()) as read:
            ahead = _Ahead(read)
            window = self._first_window(ahead, chunks)
            while True:
                rows, target_lengths, plan = self._planned(pa.Table.from_batches(window))
                if self._position >= len(plan):
                    raise ValueError(f"window {self._window + 1} of the corpus has no batch {self._position + 1}{GONE}")
                upcoming, window = ahead.begin(), []
                for place in range(self._position, len(plan)):
                    window.extend(ahead.take(chunks * (place + 1) // len(plan) - len(window)))
                    self._position = place + 1
                    if self._position == len(plan):
                        (self._epoch, self._window), self._position = upcoming, 0
                    yield self._batch(rows, plan[place], target_lengths)

    def _chunks(self) -> Generator[tuple[Key, pa.RecordBatch], None, None]:
        """What the corpus holds from the present window on, epoch after epoch, encoded as it is asked for."""
        epoch, window, chunks = self._epoch, self._window, self._size // ROWS_A_BATCH
        while True:
            seen = 0
            with closing(self._encode(islice(self._pairs(), window * self._size, None), epoch)) as encoded:
                for seen, chunk in enumerate(encoded, start=1):
                    yield (epoch, window + (seen - 1) // chunks), chunk
            if not seen:
                raise ValueError(f"the corpus has no pair {window * self._size + 1:,}{GONE}")
            epoch, window = epoch + 1, 0

    def _first_window(self, ahead: "_Ahead", chunks: int) -> list[pa.RecordBatch]:
        """Encoded before there is a batch to train on: this alone takes a while."""
        window: list[pa.RecordBatch] = []
        with self._progress(f"encoding {self._size:,} pairs") as advance:
            ahead.begin()
            while len(window) < chunks and (taken := ahead.take(1)):
                window += taken
                advance(taken[0].num_rows)
        return window

    def _planned(self, table: pa.Table) -> tuple["_StreamedRows", Lengths, Plan]:
        source, target = lengths(table)
        epoch = self._epoch + (self._window << 32)  # each window has an order of its own; the first, that of a split
        return _StreamedRows(table), target, self._planner.plan(source, target, seed=self._seed, epoch=epoch)

    def _batch(self, rows: "_StreamedRows", batch: list[int], target_lengths: Lengths) -> Batch:
        share = collate(rows.__getitems__(batch[self._rank :: self._replicas]))
        whole = replace(share, all_tokens=int(target_lengths[batch].sum()))
        return whole.pin_memory() if self._pin_memory else whole

    def state_dict(self) -> dict[str, int]:
        """The place, as plain numbers."""
        place = {"epoch": self._epoch, "window": self._window, "position": self._position}
        return {**place, "pairs": self._size, "seed": self._seed}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go to a saved place.

        Raises:
            ValueError: the place was saved under another seed or size of windows, so that the order would be another.
        """
        for key, here in (("seed", self._seed), ("pairs", self._size)):
            if state.get(key) != here:
                raise ValueError(f"the data order was saved with {key} {state.get(key)}, not {here}; keep it")
        self._epoch, self._window, self._position = state["epoch"], state["window"], state["position"]


class _Ahead:
    """Reads chunks of one window at a time."""

    def __init__(self, chunks: Iterator[tuple[Key, pa.RecordBatch]]) -> None:
        self._chunks = chunks
        self._held: tuple[Key, pa.RecordBatch] | None = None
        self._window: Key = (-1, -1)

    def begin(self) -> Key:
        """Go to the next window."""
        self._held = self._held or next(self._chunks)
        self._window = self._held[0]
        return self._window

    def take(self, count: int) -> list[pa.RecordBatch]:
        """The next chunks of the window, so many or, where it ends, fewer."""
        taken: list[pa.RecordBatch] = []
        while len(taken) < count:
            self._held = self._held or next(self._chunks)
            if self._held[0] != self._window:
                break
            taken.append(self._held[1])
            self._held = None
        return taken


class _StreamedRows(EncodedRows):
    """Rows named by their lines, for their places are lost with the window."""

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table)
        self._lines = table.column("line").to_numpy()

    def __getitems__(self, indices: list[int]) -> list[Row]:
        rows = super().__getitems__(indices)
        for row in rows:
            row["index"] = int(self._lines[row["index"]])
        return rows
