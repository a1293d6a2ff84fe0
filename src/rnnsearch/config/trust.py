"""What a configuration may construct: what the shipped one names, and what the command line trusts."""

import importlib.util
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from rnnsearch.config.config_dir import config_dir

# Besides the shipped YAML: classes that only compute, or write where the code tells them to.
NAMED = (
    *(
        f"torch.optim.{name}"
        for name in ["Adadelta", "Adagrad", "Adam", "Adamax", "AdamW", "NAdam", "RAdam", "RMSprop", "SGD"]
    ),
    "lightning.pytorch.Trainer",
    *(f"lightning.pytorch.loggers.{name}" for name in ("CSVLogger", "TensorBoardLogger")),
    *(f"lightning.pytorch.strategies.{name}" for name in ("DDPStrategy", "FSDPStrategy", "SingleDeviceStrategy")),
    "rnnsearch.config.terminal.StderrHandler",  # of the log
)
NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
OURS = {"rnnsearch", "torch", "lightning", "hydra", "omegaconf"}

_trusted: ContextVar[tuple[str, ...]] = ContextVar("trusted", default=())


@cache
def shipped(group: str = "") -> frozenset[str]:
    """Every ``_target_`` of the shipped YAML, or of one group; except Hydra's plugins, which Hydra makes itself."""
    below = (config_dir() / group).rglob("*.yaml")
    files = (path for path in below if path.relative_to(config_dir()).parts[0] != "hydra")
    by_file = (re.findall(r"^\s*_target_: *([\w.]+)", path.read_text(encoding="utf-8"), re.MULTILINE) for path in files)
    return frozenset(target for targets in by_file for target in targets)


def whitelist() -> list[str]:
    """What Hydra may construct now."""
    return [*sorted({*shipped(), *NAMED}), *(pattern for name in given() for pattern in (name, f"{name}.*"))]


def is_known(target: object) -> bool:
    """Whether a configuration may construct a ``_target_`` without ``trust``."""
    return isinstance(target, str) and (target in shipped() or target in NAMED)


def may_construct(target: str) -> bool:
    """Whether a configuration may name this constructor now."""
    return is_known(target) or any(target == name or target.startswith(f"{name}.") for name in given())


def is_logger(target: str) -> bool:
    """Whether it is the constructor of a logger, which writes where its arguments say."""
    return target in shipped("logger") or target.startswith("lightning.pytorch.loggers.")


def given() -> tuple[str, ...]:
    """The packages that this command's ``trust=`` names."""
    return _trusted.get()


@contextmanager
def trusting(packages: Sequence[str]) -> Iterator[None]:
    """Trust these packages inside the block."""
    token = _trusted.set(tuple(packages))
    try:
        yield
    finally:
        _trusted.reset(token)


def asked_for(arguments: Iterable[str]) -> tuple[str, ...]:
    """The packages of the last ``trust=[mypackage]`` among a command's words.

    Raises:
        ValueError: for anything but a package's name.
    """
    values = [value for key, _, value in (word.lstrip("+").partition("=") for word in arguments) if key == "trust"]
    listed = values[-1].strip().removeprefix("[").removesuffix("]") if values else ""
    names = tuple(name.strip(" \"'") for name in listed.split(",") if name.strip())
    for name in names:
        if not NAME.fullmatch(name):
            raise ValueError(f"trust={values[-1]}: {name!r} is no package; write trust=[mypackage], or trust=[one,two]")
    return names


def check(listed: object, names: Sequence[str]) -> None:
    """Refuse trust that a file asks for: only the command line can give it.

    Raises:
        ValueError: if a config's ``trust`` is not what the command line says.
    """
    stands = [*map(str, listed)] if isinstance(listed, Iterable) and not isinstance(listed, str) else [listed]
    if stands != list(names):
        raise ValueError(
            f"trust={stands} stands in a YAML file; only the command line can trust a package: trust=[mypackage]"
        )


def own_configs(names: Sequence[str]) -> Path | None:
    """The folder ``conf`` of the first trusted package that has one.

    Raises:
        ValueError: for a package that does not exist.
    """
    for name in names:
        try:
            spec = importlib.util.find_spec(name)
        except ModuleNotFoundError:
            spec = None
        if spec is None:
            raise ValueError(f"trust=[{name}]: there is no such package; install it, or put its folder on PYTHONPATH")
        for place in spec.submodule_search_locations or ():
            if (Path(place) / "conf").is_dir():
                return Path(place) / "conf"
    return None


def refusal(target: str) -> str:
    """The sentence for a ``_target_`` that may not be constructed."""
    package = target.partition(".")[0]
    is_theirs = NAME.fullmatch(target) and package not in OURS and package not in sys.stdlib_module_names
    way = f"trust=[{package}]" if is_theirs else "trust=[mypackage]"
    return (
        f"{target} may not be constructed by a configuration: only what rnnsearch's own YAML names is; "
        f"for classes of a package of yours, whose code you trust, add {way} to the command"
    )
