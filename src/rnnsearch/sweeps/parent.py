"""A training that belongs to a sweep ends with it: its standard input is a pipe, and a closed pipe tells it to stop."""

import os
import signal
import sys
import threading

TIED = "RNNSEARCH_TIED"  # set in a process whose standard input is a pipe that only its parent's death closes
BOUND = {TIED: "1", "PYTHONSAFEPATH": "1"}  # of a process that ends with this one, and takes no modules from the cwd


def follow_parent() -> None:
    """If the environment asks for it, interrupt this process as SIGTERM does once the parent is gone."""
    if os.environ.get(TIED) and sys.stdin is not None:
        threading.Thread(target=_wait, daemon=True).start()


def _wait() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
