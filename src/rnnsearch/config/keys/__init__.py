"""The one table of keys: what each may be (training.py, launchers.py, table.py) and what part it plays (roles.py).

Imports records alone, for the names of metrics. Begin with table.py.
"""
