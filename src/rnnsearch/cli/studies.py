"""Finds the folder of a study by its name."""

from pathlib import Path

from omegaconf import DictConfig

from rnnsearch.study.folder import STUDY
from rnnsearch.study.report import Written


def study_folder(cfg: DictConfig) -> Path:
    """The folder of ``study`` in ``paths.output``.

    Raises:
        FileNotFoundError: if there is none; the sentence lists those that there are.
    """
    output = Path(cfg.paths.output)
    folder = output / str(cfg.study)
    if (folder / STUDY).is_file():
        return folder
    there = sorted(path.parent.name for path in output.glob(f"*/{STUDY}"))
    listed = f"; it has {', '.join(there)}" if there else ", nor any other; rnnsearch sweep makes one"
    raise FileNotFoundError(f"{output} has no study {cfg.study}{listed}")


def check_whole(report: Written) -> None:
    """Let a command fail whose report lacks something; what that is has been said.

    Raises:
        ValueError: if a part of the report could not be made.
    """
    if report.left_out:
        parts = "a part" if len(report.left_out) == 1 else f"{len(report.left_out)} parts"
        raise ValueError(f"{report.page} lacks {parts} that could not be made; a sentence in its place says why")
