"""One point of a sweep, where a launcher runs it: on this machine or another, in whatever process it chose."""

import os
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from rnnsearch.config.trust import given
from rnnsearch.sweeps.search_trial import train_point


def run(cfg: DictConfig) -> None:
    """Train the point of this job's folder. A failure is noted there and stops no other job."""
    hydra = HydraConfig.get()
    threads = {} if "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": str(_cores(hydra.launcher))}
    train_point(Path(hydra.runtime.output_dir), environment=threads, trust=given())


def _cores(launcher: DictConfig) -> int:
    """The cores that a launcher's config gives a job; 1 by default."""
    remote = OmegaConf.select(launcher, "ray.remote.num_cpus")
    return int(remote or launcher.get("cpus_per_task") or 1)
