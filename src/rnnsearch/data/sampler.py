"""The place in the training batches: epoch after epoch, and each process's share of a batch."""

from collections.abc import Callable, Iterator, Mapping

from torch.utils.data import Sampler

from rnnsearch.data.batching import Lengths, Plan, Planner


class BatchSampler(Sampler[list[int]]):
    """The batches of epoch after epoch, with a place that can be saved.

    It does not move by being read: `delivered` is called for each batch handed out, so that batches which worker
    processes fetch ahead do not count. Iterating gives what is left of the epoch. Of several processes (`replicas`)
    each takes a share of every batch, so that all make the same number of steps, with the batches of one process.
    Pairs are dealt out in turn: where a batch is sorted by length, shares are about equally long. One may be empty.
    With `anew`, which gives the lengths of an epoch, each epoch has its own.
    It has no `set_epoch`: Lightning would call that, with an epoch behind ours after a restart at an epoch's end.
    """

    def __init__(
        self,
        planner: Planner,
        source_lengths: Lengths,
        target_lengths: Lengths,
        *,
        seed: int,
        rank: int = 0,
        replicas: int = 1,
        stay: bool = False,
        anew: Callable[[int], tuple[Lengths, Lengths]] | None = None,
    ) -> None:
        """Start at the first batch of epoch 0; with `stay`, give that epoch again and again (for overfitting)."""
        self._planner, self._seed, self._stay = planner, seed, stay
        self._lengths, self._anew = (source_lengths, target_lengths), anew
        self._rank, self._replicas = rank, replicas
        self._epoch = self._position = 0
        self._drawn: tuple[int, Plan] | None = None

    @property
    def epoch(self) -> int:
        """Epochs finished so far."""
        return self._epoch

    @property
    def position(self) -> int:
        """Batches of this epoch handed out so far."""
        return self._position

    def plan(self) -> Plan:
        """The batches of the present epoch, all processes' shares together."""
        if self._drawn is None or self._drawn[0] != self._epoch:
            if self._anew is not None:
                self._lengths = self._anew(self._epoch)
            self._drawn = (self._epoch, self._planner.plan(*self._lengths, seed=self._seed, epoch=self._epoch))
        return self._drawn[1]

    def __len__(self) -> int:
        """Number of batches in the present epoch, those handed out included."""
        return len(self.plan())

    def __iter__(self) -> Iterator[list[int]]:
        """This process's rows of each batch left in the present epoch. Raises ValueError for one beyond its end."""
        if not self._stay and self._position >= len(self.plan()):
            raise ValueError(
                f"the corpus has no batch {self._position + 1} of epoch {self._epoch + 1}, where this run stopped; "
                "give it the corpus that it began with"
            )
        left = self.plan()[0 if self._stay else self._position :]
        return (rows[self._rank :: self._replicas] for rows in left)

    def delivered(self, index: int = 0) -> int:
        """Count one batch as handed out, the `index`-th since iterating; the last of an epoch begins the next epoch.

        Returns:
            The target tokens of the batch, ends of sentences included, of all processes' shares.
        """
        batch = self.plan()[index if self._stay else self._position]  # first, since it may take an epoch's lengths
        tokens = int(self._lengths[1][batch].sum())
        if not self._stay:
            self._position += 1
            if self._position >= len(self.plan()):
                self.seek(self._epoch + 1)
        return tokens

    def seek(self, epoch: int, position: int = 0) -> None:
        """Go to a place."""
        self._epoch, self._position = epoch, position

    def state_dict(self) -> dict[str, int]:
        """The place, as plain numbers."""
        return {"epoch": self._epoch, "position": self._position, "seed": self._seed}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go to a saved place.

        Raises:
            ValueError: the place was saved under another seed, so that the order would be another.
        """
        if state["seed"] != self._seed:
            raise ValueError(f"the data order was saved under seed={state['seed']}, not {self._seed}; keep the seed")
        self.seek(state["epoch"], state["position"])
