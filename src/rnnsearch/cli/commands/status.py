"""``rnnsearch status``: how far each point of a study is."""

import json
from dataclasses import asdict

from omegaconf import DictConfig

from rnnsearch.config.terminal import say
from rnnsearch.sweeps import ledger, live_table
from rnnsearch.sweeps.study_name import study_folder


def run(cfg: DictConfig) -> None:
    """Print the points of a study with their states, as a table or as JSON lines.

    Raises:
        FileNotFoundError: if there is no such study.
    """
    points = ledger.read_points(study_folder(cfg, begun=True))
    if cfg.format == "table":
        live_table.show(points, rows=cfg.rows)
        return
    for point, state in zip(points, live_table.states_of(points).values(), strict=True):
        place = {"folder": point.folder.name, "member": point.member, "seed": point.seed}
        say(json.dumps({**place, **asdict(state)}, ensure_ascii=False))
