"""The front for Python: ``rnnsearch.load(path)`` gives a run that translates, scores and aligns, without Hydra."""

from rnnsearch.evaluation.trained_model import Hypothesis, Score, TrainedModel, Translation, load
from rnnsearch.records.run_record import Record, read_record

__all__ = ["Hypothesis", "Record", "Score", "TrainedModel", "Translation", "load", "read_record"]
