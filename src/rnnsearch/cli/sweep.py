"""One point of a sweep, where a launcher runs it: on this machine or another, in whatever process it chose."""

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from rnnsearch.sweep.supervisor import supervise


def run(cfg: DictConfig) -> None:
    """Train the point of this job's folder. That it failed is noted there, and stops no other job."""
    supervise(Path(HydraConfig.get().runtime.output_dir))
