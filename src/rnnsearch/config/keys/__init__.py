"""The one table of keys: what each may be (training.py, launchers.py, table.py) and what part it plays (roles.py).

Imports nothing else of the package. Begin with table.py.
"""
