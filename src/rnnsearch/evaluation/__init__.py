"""Translating, scoring and aligning with a trained model, and how sure the scores are.

Imports `search` and below. Begin with splits.py; trained_model.py is what Python callers get; corpus_scores.py,
significance.py and error_model.py need no torch.
"""
