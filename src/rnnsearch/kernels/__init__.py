"""Functions of tensors, without modules or parameters: recurrences, attention steps, products, the loss.

Imports nothing else of the package. Begin with cells.py and attention.py, the plain steps; choice.py picks the fast.
"""
