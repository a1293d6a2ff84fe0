"""What runs and studies leave behind: JSON files that are replaced in one step, the record of a run, its config.

Imports nothing of the package, nor torch, nor Hydra, so that whatever reads results starts at once. Begin with
run_record.py.
"""
