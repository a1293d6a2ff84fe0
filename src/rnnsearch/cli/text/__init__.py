"""Lines in and out of commands: streams read in blocks, pairs of files, formats of output, warnings counted once.

Imports `evaluation` and below, and config's progress bar. Begin with streaming.py.
"""
