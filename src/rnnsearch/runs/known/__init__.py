"""All runs of a folder: which there are, which of them meet a condition, what two differ in, and their tags.

Imports `config` and below. Begin with listing.py; names.py says what can be asked, conditions.py how.
"""
