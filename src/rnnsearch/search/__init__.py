"""Beam search and sampling, which drive a model's ``encode`` and ``step`` and know nothing else of it.

Imports `model` and below. Begin with hypotheses.py, then beam.py.
"""
