"""Finds the folder of a study by its name."""

from pathlib import Path

from omegaconf import DictConfig

from rnnsearch.study.folder import STUDY


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
