"""When a training ends: after so many updates, target tokens, seconds or operations, at the first limit reached."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Limits; None is no limit. Seconds are those of training itself, without validation.

    Operations (``flops``) are those of a target token (`rnnsearch.training.cost`) times target tokens. If they can't be
    counted, ``flops_per_token`` is None, and they are no limit.

    Raises:
        ValueError: if no limit is given, or one is not positive.
    """

    updates: int | None
    tokens: int | None
    seconds: float | None
    flops: float | None
    flops_per_token: float | None

    def __post_init__(self) -> None:
        values = {"updates": self.updates, "tokens": self.tokens, "seconds": self.seconds, "flops": self.flops}
        limits = {key: limit for key, limit in values.items() if limit is not None}
        if not limits:
            raise ValueError(
                "no budget is given, so training would never end; set budget.updates, tokens, seconds or flops"
            )
        assert "flops" not in limits or self.flops_per_token is not None
        for key, limit in limits.items():
            if limit <= 0:
                raise ValueError(f"budget.{key}={limit}: a budget is positive")

    def progress(self, *, updates: int, tokens: int, seconds: float) -> float:
        """The used share; 1 or more when training is to end."""
        flops = tokens * (self.flops_per_token or 0.0)
        used = ((updates, self.updates), (tokens, self.tokens), (seconds, self.seconds), (flops, self.flops))
        return max(done / limit for done, limit in used if limit is not None)
