"""Names that moved, and what they are called now: what earlier versions left on people's disks still loads."""

from collections.abc import Mapping
from typing import Any

CONSTRUCTORS = {
    "rnnsearch.training.boards.TensorBoard": "rnnsearch.training.loggers.TensorBoard",
    "rnnsearch.cli.launcher.LocalLauncher": "rnnsearch.sweeps.local_launcher.LocalLauncher",
    "rnnsearch.cli.sweeper.DurableSweeper": "rnnsearch.sweeps.durable_sweeper.DurableSweeper",
    "rnnsearch.sweep.local_launcher.LocalLauncher": "rnnsearch.sweeps.local_launcher.LocalLauncher",
    "rnnsearch.sweep.durable_sweeper.DurableSweeper": "rnnsearch.sweeps.durable_sweeper.DurableSweeper",
    "rnnsearch.cli.stderr.StderrHandler": "rnnsearch.config.terminal.StderrHandler",
}


def renamed(node: Any) -> Any:
    """Plain values of a YAML file with each ``_target_`` under its present name."""
    if isinstance(node, Mapping):
        return {
            key: CONSTRUCTORS.get(value, value)
            if key in ("_target_", "class") and isinstance(value, str)
            else renamed(value)
            for key, value in node.items()
        }
    return [renamed(child) for child in node] if isinstance(node, list) else node
