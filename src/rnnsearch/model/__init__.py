"""The equations: encoder, context, decoder, their cells, and checkpoints of them.

Imports `data` and `kernels`. Begin with mechanism.py, the seam in which compared models differ, then translator.py.
"""
