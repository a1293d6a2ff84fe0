"""The front for Python: ``rnnsearch.load(path)`` gives a run that translates, scores and aligns, without Hydra."""

from rnnsearch.evaluation.trained_model import Hypothesis, Score, TrainedModel, Translation, load

__all__ = ["Hypothesis", "Score", "TrainedModel", "Translation", "load"]
