"""``rnnsearch page``: a local web page on which trained runs translate what one types."""

import logging
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from rnnsearch.api import TrainedModel, load
from rnnsearch.cli.runs import given_folders

try:
    from rnnsearch.page import app, serving
    from rnnsearch.page.limits import Limits
except ModuleNotFoundError as error:
    if error.name is None or error.name.split(".")[0] not in ("starlette", "uvicorn"):
        raise
    raise ValueError(
        f"the page needs {error.name}, which is not installed; install it with: pip install 'rnnsearch[page]'"
    ) from None

logger = logging.getLogger(__name__)


def run(cfg: DictConfig) -> None:
    """Serve the page until an interrupt."""
    limits = Limits(
        max_characters=cfg.max_characters,
        max_words=cfg.max_words,
        max_beam_size=cfg.max_beam_size,
        max_waiting=cfg.max_waiting,
        beam_size=cfg.beam_size,
        alternatives=cfg.alternatives,
    )
    folders = given_folders(cfg.run)
    names = short_names(folders)
    with serving.listen(cfg.host, cfg.port) as listener:
        models = {name: _loaded(folder, cfg) for name, folder in zip(names, folders, strict=True)}
        hosts = [*serving.hosts(listener, cfg.host), *map(str, cfg.allowed_hosts)]
        if not serving.is_loopback(listener):
            logger.warning(
                "host=%s: whoever reaches this machine can use the page, as %s; 'allowed_hosts=[NAME]' adds names",
                cfg.host,
                ", ".join(hosts),
            )
        logger.info("the page is at %s (Ctrl-C ends it)", serving.address(listener))
        try:
            serving.make_server(app.make_app(models, limits, hosts=hosts)).run(sockets=[listener])
        except KeyboardInterrupt:
            logger.info("ended")


def short_names(folders: Sequence[Path]) -> list[str]:
    """The folders' own names, or their whole paths where names are the same.

    Raises:
        ValueError: there is none, or one is given twice.
    """
    if not folders or len({folder.resolve() for folder in folders}) < len(folders):
        raise ValueError(f"run={[str(folder) for folder in folders]}: give the folder of a run, or different ones")
    names = [folder.resolve().name for folder in folders]
    return [name if names.count(name) == 1 else str(folder) for name, folder in zip(names, folders, strict=True)]


def _loaded(folder: Path, cfg: DictConfig) -> TrainedModel:
    """A run's model, after a look at whether its search takes a beam."""
    model = load(folder, checkpoint=cfg.checkpoint, device=cfg.device)
    model.search(beam_size=cfg.beam_size, n_best=1)
    return model
