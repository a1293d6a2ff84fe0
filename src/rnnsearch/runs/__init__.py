"""A run's folder: what is written there from beginning to end, and how a run is resumed or read again.

Imports `config`, `page` and below. Begin with run_folder.py; fitting.py trains, resume.py goes on, and ancestor.py
begins from another run; known/ finds runs of all studies.
"""
