"""Sentences to padded batches, and which sentences go together in which order.

Shapes: B batch, S source positions, T target positions, N real target tokens. Masks are made here, once: True is a real
token. The order of batches is a function of lengths, seed and epoch alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Protocol, TypedDict, overload

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rnnsearch.data.tokenizer import BOS, EOS, PAD

Lengths = npt.NDArray[np.int64]


class Plan(Sequence[list[int]]):
    """The rows of each batch, in order, as arrays: 8 bytes a pair and 16 a batch, whatever the number of pairs.

    Batch b holds rows[starts[b] : stops[b]]. A slice of a plan is a plan that shares the rows.
    """

    def __init__(self, rows: Lengths, starts: Lengths, stops: Lengths) -> None:
        self.rows, self.starts, self.stops = rows, starts, stops

    @classmethod
    def cut(cls, rows: Lengths, stops: Lengths) -> "Plan":
        """Batches that follow each other in `rows` and end before `stops`."""
        return cls(rows, np.concatenate([np.zeros(min(1, len(stops)), np.int64), stops[:-1]]), stops)

    def take(self, batches: Lengths) -> "Plan":
        """The batches of these numbers, in this order."""
        return Plan(self.rows, self.starts[batches], self.stops[batches])

    def __len__(self) -> int:
        """Number of batches."""
        return len(self.starts)

    @overload
    def __getitem__(self, place: int) -> list[int]: ...
    @overload
    def __getitem__(self, place: slice) -> "Plan": ...
    def __getitem__(self, place: int | slice) -> "list[int] | Plan":
        """The rows of one batch, or some of the batches."""
        if isinstance(place, slice):
            return Plan(self.rows, self.starts[place], self.stops[place])
        rows: list[int] = self.rows[self.starts[place] : self.stops[place]].tolist()
        return rows

    def __eq__(self, other: object) -> bool:
        """Whether the same rows go together in the same order."""
        return isinstance(other, Sequence) and list(self) == list(other)

    def __repr__(self) -> str:
        """That of lists."""
        return repr(list(self))


class Row(TypedDict):
    """One encoded pair: its row in the split and its ids without begin or end of sentence."""

    index: int
    source: Sequence[int] | npt.NDArray[np.int32]
    target: Sequence[int] | npt.NDArray[np.int32]


@dataclass(frozen=True)
class Batch:
    """Padded sentence pairs. The end of sentence is a real token of the source and of the target read out.

    ``real_N`` numbers the real target tokens in a flattened (B, T), so that a device needs not count them. Of several
    processes each has a share of a batch; ``all_tokens`` counts the target tokens of all shares. A share may be empty:
    one pair without words, which no loss counts, but which a gradient of zeros goes through.
    """

    source_BS: Tensor
    source_mask_BS: Tensor
    target_in_BT: Tensor
    target_out_BT: Tensor
    target_mask_BT: Tensor
    real_N: Tensor
    index_B: Tensor
    all_tokens: int

    @property
    def target_tokens(self) -> int:
        """Number of real target tokens of this share, ends of sentences included."""
        return len(self.real_N)

    def __len__(self) -> int:
        """Number of sentence pairs."""
        return len(self.index_B)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Batch":
        """The same batch on another device."""
        return replace(self, **{k: v.to(device, non_blocking=non_blocking) for k, v in self._tensors().items()})

    def pin_memory(self) -> "Batch":
        """The same batch in page-locked memory."""
        return replace(self, **{name: tensor.pin_memory() for name, tensor in self._tensors().items()})

    def _tensors(self) -> dict[str, Any]:
        return {f.name: value for f in fields(self) if isinstance(value := getattr(self, f.name), Tensor)}


def pad(sequences: Sequence[Sequence[int] | npt.NDArray[np.int32]], *, ends: int = 1) -> tuple[Tensor, Tensor]:
    """Ids, each sequence followed by so many ends of sentence and padded at the end to the longest, and their mask.

    The mask of real ones is bool, the ids are int64, both (B, longest).
    """
    lengths = np.fromiter(map(len, sequences), np.int64, len(sequences))
    places = np.arange(lengths.max() + ends)
    ids_BL = np.full((len(lengths), len(places)), PAD)
    ids_BL[places < lengths[:, None] + ends] = EOS
    ids_BL[places < lengths[:, None]] = np.concatenate([np.asarray(ids, np.int64) for ids in sequences])
    return torch.from_numpy(ids_BL), torch.from_numpy(places < lengths[:, None] + ends)


def collate(rows: Sequence[Row]) -> Batch:
    """A batch of encoded pairs, in their order."""
    if not rows:
        nothing = torch.zeros(0, dtype=torch.int64)
        return replace(collate([Row(index=0, source=[], target=[])]), real_N=nothing, index_B=nothing, all_tokens=0)
    source_BS, source_mask_BS = pad([row["source"] for row in rows])
    target_out_BT, target_mask_BT = pad([row["target"] for row in rows])
    begin_B1 = torch.full((len(rows), 1), BOS)
    target_in_BT = torch.cat([begin_B1, target_out_BT[:, :-1]], 1).masked_fill_(~target_mask_BT, PAD)
    real_N = target_mask_BT.flatten().nonzero().squeeze(1)
    index_B = torch.tensor([row["index"] for row in rows])
    return Batch(source_BS, source_mask_BS, target_in_BT, target_out_BT, target_mask_BT, real_N, index_B, len(real_N))


class Planner(Protocol):
    """How pairs are grouped; each file of conf/batches is one constructor call of a class like this.

    Lengths are those of the padded rows: the end of sentence included.
    """

    def plan(self, source_lengths: Lengths, target_lengths: Lengths, *, seed: int, epoch: int) -> Plan:
        """Rows of each batch, in training order; every row once; a function of the arguments alone."""
        ...


@dataclass(frozen=True, kw_only=True)
class BucketBatches:
    """Batches of pairs of like length, in shuffled order.

    The shuffled pairs are taken in pools of about `pool` batches; a pool is sorted by the length of the longer side,
    then of the shorter, and cut; then all batches of the epoch are shuffled. `size` counts sentences, or positions of
    the longer side with padding and end of sentence (sentences × longest). A pair longer than that is a batch alone.
    """

    unit: Literal["sentences", "tokens"]
    size: int
    pool: int

    def __post_init__(self) -> None:
        if self.unit not in ("sentences", "tokens"):
            raise ValueError(f"batches.unit={self.unit}: allowed are sentences and tokens")
        _require_positive("batches", size=self.size, pool=self.pool)

    def plan(self, source_lengths: Lengths, target_lengths: Lengths, *, seed: int, epoch: int) -> Plan:
        """Rows of each batch of an epoch."""
        random = _generator(seed, epoch)
        shorter, longer = np.minimum(source_lengths, target_lengths), np.maximum(source_lengths, target_lengths)
        order = random.permutation(len(longer))
        cut, stops = order.copy(), [np.empty(0, np.int64)]
        size = self._pairs_a_pool(longer)
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            cut[start : start + size] = rows[np.lexsort((shorter[rows], longer[rows]))]
            stops.append(start + self._cut(longer[cut[start : start + size]]))
        plan = Plan.cut(cut, np.concatenate(stops))
        return plan.take(random.permutation(len(plan)))

    def _pairs_a_pool(self, longer: Lengths) -> int:
        if self.unit == "sentences":
            return self.size * self.pool
        return max(1, round(self.size * self.pool / max(1.0, float(longer.mean()) if len(longer) else 1.0)))

    def _cut(self, longer: Lengths) -> Lengths:
        """Where the batches of a pool end, of pairs whose longer sides are in rising order."""
        if self.unit == "sentences":
            return _stops(len(longer), self.size)
        stops, start = [], 0
        for place, longest in enumerate(longer.tolist()):
            if place > start and (place + 1 - start) * longest > self.size:
                stops.append(place)
                start = place
        return np.array([*stops, len(longer)], np.int64)


@dataclass(frozen=True, kw_only=True)
class PaperBatches:
    """The paper's batches (A.2.3): `pool` × `batch_size` shuffled pairs are sorted by length and cut, shortest first.

    Length is that of the longer side, as in the authors' program (GroundHog). Only the pairs are shuffled, not the
    batches of a pool.
    """

    batch_size: int
    pool: int

    def __post_init__(self) -> None:
        _require_positive("batches", batch_size=self.batch_size, pool=self.pool)

    def plan(self, source_lengths: Lengths, target_lengths: Lengths, *, seed: int, epoch: int) -> Plan:
        """Rows of each batch of an epoch."""
        longer = np.maximum(source_lengths, target_lengths)
        order = _generator(seed, epoch).permutation(len(longer))
        size, stops = self.pool * self.batch_size, [np.empty(0, np.int64)]
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            order[start : start + size] = rows[np.argsort(longer[rows], kind="stable")]
            stops.append(start + _stops(len(rows), self.batch_size))
        return Plan.cut(order, np.concatenate(stops))


def longest_first(lengths: Lengths, size: int) -> Plan:
    """Rows of batches of `size`, the longest sentences first: for evaluation, where order does not matter."""
    return Plan.cut(np.argsort(-lengths, kind="stable"), _stops(len(lengths), size))


def padding_share(plan: Plan, source_lengths: Lengths, target_lengths: Lengths) -> float:
    """The share of padding among all positions of both sides, between 0 and 1."""
    real = padded = 0
    for rows in plan:
        for lengths in (source_lengths[rows], target_lengths[rows]):
            real += int(lengths.sum())
            padded += len(rows) * int(lengths.max())
    return 1 - real / padded if padded else 0.0


def mean_lengths(lengths: tuple[Lengths, Lengths], *, weights: npt.NDArray[np.float64] | None) -> tuple[float, float]:
    """Means of the source and the target lengths, to three places; ``weights`` of the rows, or all alike."""
    source, target = (round(float(np.average(side, weights=weights)), 3) for side in lengths)
    return source, target


def _generator(seed: int, epoch: int) -> np.random.Generator:
    """Random numbers that depend on seed and epoch alone (counter-based, Salmon et al. 2011)."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, epoch))))


def _stops(count: int, size: int) -> Lengths:
    """Where batches of `size` out of `count` rows end; the last may be shorter."""
    return np.minimum(np.arange(size, count + size, size), count)


def _require_positive(group: str, **values: int) -> None:
    for key, value in values.items():
        if value < 1:
            raise ValueError(f"{group}.{key}={value}: must be at least 1")
