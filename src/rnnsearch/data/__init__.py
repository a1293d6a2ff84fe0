"""Corpora, tokenizers, batches: from lines of text to padded tensors.

Imports `records`. Begin with corpus.py, then datamodule.py; grammar/ makes the built-in corpus.
"""
