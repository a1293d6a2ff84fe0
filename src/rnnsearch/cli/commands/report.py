"""``rnnsearch report``: a study's report, made again from what its runs left."""

from pathlib import Path

from omegaconf import DictConfig

from rnnsearch.config.terminal import say
from rnnsearch.study.publish import publish
from rnnsearch.study.report import write_report
from rnnsearch.sweeps.study_name import check_whole, study_folder


def run(cfg: DictConfig) -> None:
    """Write report.html, .md, .tex and .csv into the study's folder; print the page's path.

    Raises:
        FileNotFoundError, ValueError: if there is no such study, or its files are damaged; if a part of the report
            could not be made.
    """
    folder = study_folder(cfg)
    report = write_report(folder, test=cfg.test_set)
    say(report.page.absolute())
    if cfg.publish:
        publish(folder, Path(cfg.publish))
    check_whole(report)
