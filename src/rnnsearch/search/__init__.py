"""Beam search and sampling, which drive a model's ``encode`` and ``step`` and know nothing else of it.

Imports `model` and below. Begin with hypotheses.py, then beam.py. replaced_attention.py is a model with
other attention weights than the learnt ones, attention_conditions.py which.
"""
