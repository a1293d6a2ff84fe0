"""Values that somebody may give a key by mistake, each judged here, or by a real command.

``python -m tests.config.wrong_values FOLDER [COUNT [SEED]]`` runs so many of them, or all, as commands: each is a
process of its own, forked from one that has imported everything, so that it takes no seconds to begin.
"""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rnnsearch.cli.help import COMMANDS
from rnnsearch.config.compose import compose, spelled
from rnnsearch.config.config_dir import chosen_groups, config_dir
from rnnsearch.config.errors import explain
from rnnsearch.config.keys.kinds import Named
from rnnsearch.config.keys.table import kind_of
from rnnsearch.config.value_checks import check_values

VALUES = (
    *("no", "on", "true", "null", "~", "none", "nan", "inf", "-inf", "-1", "0", "1", "0.5", "1.5", "1e3", "1e18"),
    *("-1e400", "99999999999999999999", "007", "'3'", "'null'", "abc", "''", "[]", "[1,2]", "[null]", "{a:1}"),
    *("additive", "3 km", "é"),
)
NEEDED = {  # what a command must be given besides
    "translate": ["run=x"], "evaluate": ["run=x"], "score": ["run=x"], "contrast": ["run=x"],
    "align": ["run=x", "source=x", "target=x"],
    "page": ["run=x"], "reproduce": ["run=x"], "status": ["study=x"], "report": ["study=x"], "export": ["study=x"],
}  # fmt: skip
TINY = (
    *("model=tiny", "trainer=cpu", "threads=1", "encoding_processes=1", "batches.size=16"),
    *(f"model.{size}_size=12" for size in ("embedding", "hidden", "attention", "readout")),
    *("data.train_pairs=60", "data.validation_pairs=10", "data.test_pairs=10"),
    *("tokenizer.source_size=330", "tokenizer.target_size=330", "budget.updates=2", "validation.every=2"),
)
ALL_BY_MINUS_ONE = ("trainer.devices", "trainer.max_steps")
NEVER_SAID = (  # to a user: what Python and libraries say
    r"Traceback|could not convert|invalid literal|not supported between|NoneType|object is not|has no attribute|"
    r"unexpected keyword|takes \d+ positional|ConfigAttributeError|full_key|object_type|OmegaConf|ValidationError|"
    r"is not iterable|unhashable|Error instantiating"
)
OVERLAYS = {"recipe", "protocol", "experiment", "debug"}  # which have other groups' keys
UNWRITTEN = ("trust", "trainer.max_steps")  # by a run: the second is written as budget.updates
BASES = {"sweep": ("train", "sweep"), "compare": ("train", "sweep", "compare")}  # the files of a primary config
LONG = ("sweep", "compare", "dashboard", "page")  # train many, or serve for ever
SERVICES = ("logger.wandb.", "logger.mlflow.")  # begin programs of their own
LONGEST = 20.0  # seconds of a command whose value is right


@dataclass(frozen=True)
class Case:
    """One value of one key, with the options that have the key."""

    command: str
    options: tuple[str, ...]
    key: str
    value: str
    default: Any

    @property
    def override(self) -> str:
        """As on the command line."""
        return f"{self.key}={self.value}"


def _leaves(node: Mapping[str, Any], command: str, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in node.items():
        key = f"{before}{name}"
        if name in ("defaults", "_target_", "_partial_") or key == "hydra":
            continue
        if isinstance(value, dict) and value and not isinstance(kind_of(key, command), Named):
            yield from _leaves(value, command, f"{key}.")
        else:
            yield key, value


@cache
def keys(command: str) -> dict[str, tuple[tuple[str, ...], Any]]:
    """Each leaf key of a command with the options that have it, and its value there."""
    conf = config_dir()
    found: dict[str, tuple[tuple[str, ...], Any]] = {}
    for base in BASES.get(command, (command,)):
        found |= {key: ((), value) for key, value in content(base).items()}
    tops = {group.split("/")[0] for group in chosen_groups(conf, command)} - OVERLAYS
    for path in sorted(conf.rglob("*/*.yaml")):
        group, option = path.parent.relative_to(conf).as_posix(), yaml.safe_load(path.read_text(encoding="utf-8"))
        if group.split("/")[0] not in tops or not isinstance(option, dict):
            continue
        is_global = "@package _global_" in path.read_text(encoding="utf-8")
        chosen = () if group == "paths" else (f"{group}={path.stem}",)
        for key, value in _leaves(option, command, "" if is_global else f"{group.replace('/', '.')}."):
            found.setdefault(key, (chosen, value))
    return found


@cache
def content(command: str) -> dict[str, Any]:
    """The leaf keys of a command's own file, with their values."""
    return dict(_leaves(yaml.safe_load((config_dir() / f"{command}.yaml").read_text(encoding="utf-8")), command))


def cases(command: str) -> list[Case]:
    """Every value for every key of a command."""
    return [
        Case(command, options, key, value, default)
        for key, (options, default) in keys(command).items()
        for value in VALUES
    ]


def all_cases() -> list[Case]:
    """Those of all commands; keys that compare has of train are train's, and sweep has the same as compare."""
    own = set(keys("train"))
    return [
        case
        for command in COMMANDS
        for case in cases(command)
        if command != "sweep" and (command != "compare" or case.key not in own or case.key in content(command))
    ]


# In this process


class Judge:
    """Composes the options of a case once, and judges one value after another in them."""

    def __init__(self) -> None:
        self.parser = OverridesParser.create()
        self.composed: dict[tuple[str, tuple[str, ...]], DictConfig] = {}

    def __call__(self, case: Case) -> tuple[str | None, Any, Any]:
        """The refusal, or what was meant and what the key holds then."""
        place = (case.command, case.options)
        if place not in self.composed:
            self.composed[place] = compose(case.command, [*NEEDED.get(case.command, []), *case.options])
        config, top = self.composed[place], case.key.split(".")[0]
        kept: Any = OmegaConf.to_container(OmegaConf.masked_copy(config, [top]), resolve=False)
        try:
            (override,) = self.parser.parse_overrides(spelled(case.command, [case.override]))
            if override.is_sweep_override():
                return "ambiguous", None, None  # Hydra's refusal, of a comma
            ConfigLoaderImpl._apply_overrides_to_config([override], config)
            meant = OmegaConf.to_container(OmegaConf.create({"a": override.value()}))["a"]
            check_values(config, case.command)
            found = OmegaConf.select(config, case.key)
            return None, meant, OmegaConf.to_container(found) if OmegaConf.is_config(found) else found
        except (ValueError, HydraException, OmegaConfBaseException) as error:
            explained = explain(error, case.command, [*NEEDED.get(case.command, []), *case.options, case.override])
            return explained[0] if explained else f"Traceback: {error!r}", None, None
        finally:
            OmegaConf.set_struct(config, False)
            config[top] = kept.get(top)
            OmegaConf.set_struct(config, True)


def complaint(case: Case, refusal: str | None, meant: Any, found: Any) -> str | None:
    """What is wrong with how a value was judged; None where nothing is."""
    if refusal is not None:
        said = re.search(NEVER_SAID, refusal)
        return f"says {said.group()!r}: {refusal}" if said or "\n" in refusal else None
    if not _is_same(meant, found):
        return f"was {meant!r} and became {found!r}"
    if any(word in repr(found) for word in ("nan", "inf")) and not _holds_text(found):
        return f"is {found!r}"
    if type(case.default) is bool and type(found) is not bool and not (found is None and case.key.endswith("fused")):
        return f"is {found!r} where {case.default!r} stands"
    if _is_number(case.default) and isinstance(found, bool | dict):
        return f"is {found!r} where {case.default!r} stands"
    if _is_number(case.default) and _is_number(found) and found < 0 and case.key not in ALL_BY_MINUS_ONE:
        return f"is negative: {found!r}"
    return None


def _is_same(meant: Any, found: Any) -> bool:
    """Whether a value became what it was meant as; a mapping is added to what stands there."""
    if isinstance(meant, list) and isinstance(found, list):
        return len(meant) == len(found) and all(map(_is_same, meant, found))
    if isinstance(meant, dict) and isinstance(found, dict):
        return all(key in found and _is_same(value, found[key]) for key, value in meant.items())
    return repr(meant) == repr(found) or (_is_number(meant) and _is_number(found) and float(meant) == found)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _holds_text(found: Any) -> bool:
    return isinstance(found, str) or (isinstance(found, list | dict) and any(map(_holds_text, found)))


# As commands


def run_case(case: Case, folder: Path) -> dict[str, Any]:
    """What a command with the value left behind: exit status, standard error, files; killed after a while."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    trains = case.command in ("train", "sweep", "compare")
    tiny = [*(one for one in TINY if not one.startswith(f"{case.options[0].split('=')[0]}=" if case.options else "\0"))]
    words = [*(tiny if trains else []), *NEEDED.get(case.command, []), *case.options, case.override]
    started, child = time.monotonic(), os.fork()
    if child == 0:
        _command([case.command, *words], folder)
    status = None
    while status is None and time.monotonic() - started < LONGEST:
        done, code = os.waitpid(child, os.WNOHANG)
        status = os.waitstatus_to_exitcode(code) if done else None
        time.sleep(0.02)
    if status is None:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.name not in ("err", "out"))
    config = next((path.read_text(encoding="utf-8") for path in folder.rglob("config.yaml")), None)
    error = (folder / "err").read_text(errors="replace")
    return {"status": status, "error": error, "left": left, "words": words, "config": config}


def _command(words: list[str], folder: Path) -> None:
    """Run a command in this process, which is a child of its own, and end."""
    from rnnsearch.cli.main import main

    os.setsid()
    os.chdir(folder)
    for name, descriptor in (("out", 1), ("err", 2)):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = ["rnnsearch", *words]
    try:
        code = main(words)
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 99
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def command_complaint(case: Case, refusal: str | None, meant: Any, found: Mapping[str, Any]) -> str | None:
    """What is wrong with how a command took a value, which is ``meant`` so; None where nothing is."""
    lines = [line for line in found["error"].splitlines() if line.strip()]
    if said := re.search(NEVER_SAID, found["error"]):
        return f"says {said.group()!r}: {lines[-1] if lines else ''}"
    if refusal is not None and found["status"] in (0, None):
        return "was refused here, and was taken as a command"
    if refusal is not None and (len(lines) != 1 or not lines[0].startswith(f"rnnsearch {case.command}: ")):
        return f"no one sentence: {lines[:3]}"
    if refusal is not None and found["left"]:
        return f"leaves {found['left'][:3]}"
    if refusal is None and case.command == "train" and found["status"] == 0 and case.key not in UNWRITTEN:
        return _run_complaint(case, meant, found["config"])
    return None


def _run_complaint(case: Case, meant: Any, text: str | None) -> str | None:
    """What is wrong with the value in the configuration that a run left: it is the one of its kind that was meant."""
    if text is None:
        return "leaves no run"
    kind = kind_of(case.key, case.command)
    value = OmegaConf.select(OmegaConf.create(text), case.key)
    value = OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
    expected = meant if kind is None else kind.canonical(meant)
    return None if _is_same(expected, value) else f"was {meant!r}, and the run has {value!r}"


def main_of(folder: Path, count: int | None, seed: int) -> int:
    """Run cases as commands; a line for each that is wrong, and a summary as JSON."""
    import torch.utils.tensorboard  # noqa: F401 -- what every child would import

    import rnnsearch.cli.commands.train  # noqa: F401 -- as above
    from rnnsearch.sweeps import durable_sweeper  # noqa: F401 -- as above

    every, judge = all_cases(), Judge()
    chosen = every if count is None else random.Random(seed).sample(every, count)
    wrong = skipped = compared = 0
    for number, case in enumerate(chosen, 1):
        refusal, meant, _ = judge(case)
        if refusal is None and (case.command in LONG or case.key.startswith(SERVICES)):
            skipped += 1  # their values were judged
            continue
        found = run_case(case, folder / "case")
        compared += refusal is None and found["config"] is not None
        if told := command_complaint(case, refusal, meant, found):
            wrong += 1
            sys.stdout.write(f"{case.command} {' '.join(case.options)} {case.override}: {told}\n")
        if number % 500 == 0:
            sys.stderr.write(f"{number} of {len(chosen)}\n")
    counts = {"commands": len(chosen) - skipped, "judged alone": skipped, "runs": compared, "wrong": wrong}
    sys.stdout.write(json.dumps(counts) + "\n")
    return bool(wrong)


if __name__ == "__main__":
    place, *numbers = sys.argv[1:]
    amount = int(numbers[0]) if numbers else None
    sys.exit(main_of(Path(place), amount, int(numbers[1]) if numbers[1:] else 0))
