"""``rnnsearch export``: a study's figures as a table, to standard output."""

from omegaconf import DictConfig

from rnnsearch.config.terminal import say
from rnnsearch.study.export import FORMATS
from rnnsearch.study.folder import read_study
from rnnsearch.sweeps.study_name import study_folder


def run(cfg: DictConfig) -> None:
    """Print one row a run (csv, json) or one a member (latex, markdown).

    Raises:
        FileNotFoundError, ValueError: if there is no such study, or no such format.
    """
    say(FORMATS[cfg.format](read_study(study_folder(cfg), cfg.test_set)), end="")
