"""Recurrent encoder-decoders with Bahdanau attention: train, compare, translate. In Python, begin with `load`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnnsearch.api import load as load

__all__ = ["load"]


def __getattr__(name: str) -> Any:
    """`load`, imported when it is first asked for: torch takes seconds, and most of the package does without."""
    if name == "load":
        from rnnsearch.api import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """What is documented, and nothing that this file needed."""
    return sorted(__all__)
