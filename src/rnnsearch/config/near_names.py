"""Which names a misspelt one most likely meant."""

import difflib
from collections.abc import Callable, Iterable, Sequence


def nearest(name: str, names: Iterable[str], count: int = 3) -> list[str]:
    """The names that `name` most likely meant, best first; none where nothing is near.

    Looked for in this order: a like name under the same parent, the same last part elsewhere (`max_steps` finds
    `trainer.max_steps`), a like name anywhere, a like last part anywhere.
    """
    known = [full for full in dict.fromkeys(names) if not _tail(full).startswith("_")]
    siblings = [full for full in known if _parent(full) == _parent(name)]
    return (
        _close(name, siblings, _tail, count, 0.6)
        or _close(name, [full for full in known if _tail(full) == _tail(name)], str, count, 0.0)
        or _close(name, known, str, count, 0.7)
        or _close(name, known, _tail, count, 0.75)
    )


def _close(name: str, names: Sequence[str], part: Callable[[str], str], count: int, cutoff: float) -> list[str]:
    """The names whose `part` is like that of `name`, but none much worse than the best."""
    ratios = {full: difflib.SequenceMatcher(None, part(full), part(name)).ratio() for full in names}
    best = max(ratios.values(), default=0.0)
    near = [full for full in names if ratios[full] >= max(cutoff, best - 0.1)]
    return sorted(near, key=lambda full: -ratios[full])[:count]


def _tail(name: str) -> str:
    return name.rpartition(".")[2]


def _parent(name: str) -> str:
    return name.rpartition(".")[0]
