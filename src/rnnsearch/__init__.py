"""Recurrent encoder-decoders with Bahdanau attention: train, compare, translate. In Python: `train`, `load`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnnsearch.api import compare as compare
    from rnnsearch.api import evaluate as evaluate
    from rnnsearch.api import load as load
    from rnnsearch.api import load_study as load_study
    from rnnsearch.api import sweep as sweep
    from rnnsearch.api import train as train

__all__ = ["compare", "evaluate", "load", "load_study", "sweep", "train"]


def __getattr__(name: str) -> Any:
    """A function for Python callers, imported when first asked for: torch takes seconds, much does without."""
    if name == "load":  # which needs no Hydra
        from rnnsearch.evaluation.trained_model import load

        return load
    if name in __all__:
        from rnnsearch import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """What is documented, and nothing that this file needed."""
    return sorted(__all__)
