"""Pictures: functions that take data and return a matplotlib figure, for reports and for dashboards alike.

Imports `evaluation` and below, and no torch. Begin with style.py.
"""
