"""All that stands between YAML and objects: composing, checking, constructing, and errors as sentences.

Imports `training`, `study` and below, and Hydra. Begin with compose.py, then build.py; keys/ is the table of keys.
"""
