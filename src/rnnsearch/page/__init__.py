"""The local web page that translates, and the pages of reports, on a port of this machine.

Imports `training`, `study` and below, no Hydra. Begin with app.py.
"""
