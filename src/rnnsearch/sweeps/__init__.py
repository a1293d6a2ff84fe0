"""Many runs as one study: what is asked for, points and their ledger, tuning, search, launching, resuming.

Imports `runs` and below. Begin with durable_sweeper.py, which calls the rest in order; ledger.py is its memory;
dry_run.py lists what it would train.
"""
