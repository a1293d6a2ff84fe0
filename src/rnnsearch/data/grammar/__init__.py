"""The synchronous grammar of the built-in corpus: English and German sentences with their word alignments.

Imports nothing else of the package. Begin with sentences.py.
"""
