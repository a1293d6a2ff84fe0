"""The LightningModule and its callbacks, checkpoints, dashboards, and the budgets and costs of training.

Imports `plots` and below. Begin with module.py.
"""
