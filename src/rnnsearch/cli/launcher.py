"""The launcher for one machine."""

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher

from rnnsearch.sweep.supervisor import supervise


class LocalLauncher(Launcher):
    """Trains a few points at a time."""

    def __init__(self, *, jobs: int | None) -> None:
        self.jobs = jobs or len(os.sched_getaffinity(0))

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        stop = threading.Event()

        def one(overrides: Sequence[str]) -> None:
            values = dict(o.partition("=")[::2] for o in overrides)
            folder = Path(values["hydra.sweep.dir"].strip('"')) / values["hydra.sweep.subdir"].strip('"')
            if not stop.is_set():
                supervise(folder, environment={"OMP_NUM_THREADS": "1"}, stop=stop)

        with ThreadPoolExecutor(self.jobs) as pool:
            futures = [pool.submit(one, overrides) for overrides in job_overrides]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                stop.set()
                raise
        return []
