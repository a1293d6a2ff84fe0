"""``rnnsearch page``: a local web page on which trained runs translate what one types."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path

try:
    from rnnsearch.page import app, serving
    from rnnsearch.page.limits import Limits
except ModuleNotFoundError as error:
    if error.name is None or error.name.split(".")[0] not in ("starlette", "uvicorn"):
        raise
    raise ValueError(
        f"the page needs {error.name}, which is not installed; install it with: pip install 'rnnsearch[page]'"
    ) from None

from omegaconf import DictConfig, ListConfig

from rnnsearch.config.compose import compose
from rnnsearch.config.plain_values import plain
from rnnsearch.config.trust import given
from rnnsearch.evaluation.trained_model import TrainedModel, load
from rnnsearch.runs.run_folder import given_folders
from rnnsearch.search.beam import BeamSearch
from rnnsearch.search.settings import CommonSettings

logger = logging.getLogger(__name__)


def run(cfg: DictConfig) -> None:
    """Serve the page until an interrupt."""
    limits = Limits(**{field.name: cfg[field.name] for field in fields(Limits)})
    folders = given_folders(cfg.run)
    names, more = short_names(folders), more_hosts(cfg.allowed_hosts)
    with serving.listen(str(cfg.host), cfg.port) as listener:
        models = {name: _loaded(folder, cfg) for name, folder in zip(names, folders, strict=True)}
        hosts = [*serving.hosts(listener, str(cfg.host)), *more]
        if not serving.is_loopback(listener):
            logger.warning(
                "host=%s: whoever reaches this machine can use the page, as %s; 'allowed_hosts=[NAME]' adds names",
                cfg.host,
                ", ".join(hosts),
            )
        logger.info("the page is at %s (Ctrl-C ends it)", serving.address(listener))
        with suppress(KeyboardInterrupt):
            serving.make_server(app.make_app(models, limits, hosts=hosts)).run(sockets=[listener])
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


def more_hosts(allowed: str | ListConfig) -> list[str]:
    """The names that ``allowed_hosts`` adds: one, or a list.

    Raises:
        ValueError: for a star that is not alone or the first part of a name.
    """
    names = [str(name) for name in allowed] if isinstance(allowed, ListConfig) else [str(allowed)]
    for name in names:
        if name != "*" and "*" in name.removeprefix("*."):
            raise ValueError(f"allowed_hosts={names}: {name!r} is no name; give whole ones, '*.host.org' or '*'")
    return names


def _loaded(folder: Path, cfg: DictConfig) -> TrainedModel:
    """A run's model, after a look at whether its search takes the beam."""
    model = searching_by_beam(load(folder, checkpoint=cfg.checkpoint, device=cfg.device, trust=given()))
    model.search(beam_size=cfg.beam_size, n_best=1)
    return model


def searching_by_beam(model: TrainedModel) -> TrainedModel:
    """The model with a beam search, since that is what the form asks for; within the bounds of its own search."""
    if model.kind is BeamSearch:
        return model
    own = {key: value for key, value in model.settings.items() if key in CommonSettings.__annotations__}
    usual = plain(compose("translate", ["run=x", "search=beam"]).search)
    del usual["_target_"]
    logger.info("%s was trained with search=sampling; here it searches by beam", model.name)
    return replace(model, kind=BeamSearch, settings={**usual, **own})
