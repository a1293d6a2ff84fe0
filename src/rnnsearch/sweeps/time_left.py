"""When a running sweep will end, by what its own points have taken so far."""

import heapq
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import fmean

from rnnsearch.sweeps.ledger import Point, State

ENOUGH = 0.02  # of a budget, from which on a running point says how long the whole one takes
TIMED = ("finished", "paused")  # whose time is that of others like them
WAITING = ("waiting", "interrupted")


def seconds_left(points: Sequence[Point], states: Mapping[Path, State], now: datetime) -> float | None:
    """Seconds until the last point ends, if as many go on to run at a time as do now; None while nothing tells it.

    A point takes as long as those of its member that have ended, or as all that have; while none has, as long as the
    running ones promise by their updates. What failed is not tried again.
    """
    running = [point for point in points if states[point.folder].status == "running"]
    waiting = [point for point in points if states[point.folder].status in WAITING]
    if not running:
        return None
    typical = _typical(points, states)
    ends = [_left(point, states[point.folder], typical.get(point.member), now) for point in running]
    promised = [total for point in running if (total := _promised(point, states[point.folder], now)) is not None]
    overall = typical.get(None, fmean(promised) if promised else None)
    slots = [overall if end is None else end for end in ends]
    later = [typical.get(point.member, overall) for point in waiting]
    if None in slots or None in later:
        return None
    free = [seconds for seconds in slots if seconds is not None]
    heapq.heapify(free)
    for seconds in later:
        heapq.heapreplace(free, free[0] + (seconds or 0.0))
    return max(free)


def _typical(points: Sequence[Point], states: Mapping[Path, State]) -> dict[str | None, float]:
    """Mean seconds of the points that have ended, by member; under None those of all."""
    taken: dict[str | None, list[float]] = {}
    for point in points:
        state = states[point.folder]
        if state.status in TIMED and state.seconds is not None:
            taken.setdefault(point.member, []).append(state.seconds)
            taken.setdefault(None, []).append(state.seconds)
    return {member: fmean(seconds) for member, seconds in taken.items()}


def _left(point: Point, state: State, typical: float | None, now: datetime) -> float | None:
    share, total = _share(point, state), typical if typical is not None else _promised(point, state, now)
    if total is None:
        return None
    return total * (1 - share) if share else max(0.0, total - _elapsed(state, now))


def _promised(point: Point, state: State, now: datetime) -> float | None:
    """Seconds that a whole point takes, by the share that it has done."""
    share = _share(point, state)
    return _elapsed(state, now) / share if share > ENOUGH else None


def _share(point: Point, state: State) -> float:
    return min(1.0, state.updates / point.updates) if point.updates else 0.0


def _elapsed(state: State, now: datetime) -> float:
    """Seconds of a running point's training, as far as told: of the attempts before and this one."""
    return max(0.0, (now - datetime.fromisoformat(state.attempts[-1].started)).total_seconds())


def in_words(seconds: float, now: datetime) -> str:
    """``it ends at about 14:32, in 12 min``: by the local clock, with the day where it is another."""
    end = now.astimezone() + timedelta(seconds=seconds)
    day = "" if end.date() == now.astimezone().date() else f"{end:%d %b} "
    return f"it ends at about {day}{end:%H:%M}, in {span(seconds)}"


def span(seconds: float) -> str:
    """A length of time, roughly: ``40 s``, ``12 min``, ``3.5 h``, ``2.1 days``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 36 * 3600 else f"{seconds / 86_400:.1f} days"


def clock() -> datetime:
    """The time now."""
    return datetime.now(UTC)
