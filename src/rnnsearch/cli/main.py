"""The console script: `rnnsearch COMMAND ...` runs the command's function on its composed configuration."""

import io
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnsearch.cli import process
from rnnsearch.cli.help import COMMANDS, command_help, overview
from rnnsearch.config.config_dir import config_dir
from rnnsearch.config.exit_codes import INTERRUPTED, Reported
from rnnsearch.config.terminal import say
from rnnsearch.records.folders import LOCK

if TYPE_CHECKING:
    from omegaconf import DictConfig

HELP = {"--help", "-h"}
LEARNING = ("rnnsearch.cli.commands.train", "rnnsearch.cli.commands.evaluate")  # which import Lightning
SWEPT = ("train", "sweep", "compare")  # commands whose jobs, with -m, are points of a study
ALWAYS_SWEPT = ("sweep", "compare")  # even without -m
COMPLETION = {"--shell-completion", "-sc"}
MANY = {"-m", "--multirun"}
WITHOUT_JOBS = {"--cfg", "-c", "--info", "-i", "--hydra-help", "--shell-completion", "-sc"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: the words after the program's name; the process's own by default.
    """
    if argv is not None:
        return _command(list(argv))
    process.open_streams()
    process.answer_signals(sys.argv[1] if len(sys.argv) > 1 else "")
    try:
        code = _command(sys.argv[1:])
    except KeyboardInterrupt:  # during the imports
        say(f"{' '.join(['rnnsearch', *sys.argv[1:2]])}: interrupted", stderr=True)
        code = INTERRUPTED
    process.end(code)
    return code


def _command(arguments: list[str]) -> int:
    command, words = (arguments[0], arguments[1:]) if arguments else ("--help", [])
    if command in HELP:
        return _answer(overview())
    if command == "--version":
        return _answer(_version())
    if COMPLETION & {command, *words[:1]}:
        return _complete([*arguments, ""][arguments.index((COMPLETION & {command, *words[:1]}).pop()) + 1])
    if command not in COMMANDS:
        return _unknown(command)
    if HELP & set(words):
        return _answer(command_help(command))
    return _run(command, words)


def call(command: str, words: Sequence[str]) -> str:
    """Run one command in this process for a Python caller.

    Args:
        command: its name.
        words: after it, as on the command line.

    Returns:
        What it would print on standard output.

    Raises:
        CommandError: with the sentence that the command line would print.
    """
    from rnnsearch.config.errors import CommandError, as_exception

    failures: list[BaseException] = []
    printed, root = io.StringIO(), logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        with redirect_stdout(printed):
            _hydra(command, list(words), failures.append)
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise stop.__context__ from None
    except Reported as failed:
        failures = failures or [CommandError(str(failed))]
    except Exception as error:
        failures = [error]
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    if failures:
        raise as_exception(failures[0], command, words)
    return printed.getvalue()


def _answer(page: str) -> int:
    try:
        say(page)
    except BrokenPipeError:
        return _unread()
    except OSError as error:
        from rnnsearch.config.errors import report

        code = report(error, "--help", [])
        _unread()  # or Python would try again at exit
        return code
    return 0


def _complete(wanted: str) -> int:
    from rnnsearch.cli.completion import answer
    from rnnsearch.config.errors import report

    try:
        return _answer(answer(wanted))
    except ValueError as error:
        return max(report(error, "--shell-completion", []), 2)


def _version() -> str:
    from importlib.metadata import version

    return f"rnnsearch {version('rnnsearch')}"


def _unknown(command: str) -> int:
    import difflib

    near = difflib.get_close_matches(command, COMMANDS, 1)
    guess = f"; did you mean {near[0]}?" if near else ""
    say(f"rnnsearch: {command!r} is no command{guess} (commands: {', '.join(COMMANDS)})", stderr=True)
    return 2


def _run(command: str, arguments: list[str]) -> int:
    from rnnsearch.config.errors import report
    from rnnsearch.config.exit_codes import MISUSED, UNREAD

    try:
        _hydra(command, arguments)
        sys.stdout.flush()
    except Reported as failed:
        return failed.code
    except BrokenPipeError:
        return _unread()
    except ValueError as error:  # Hydra's own, about its arguments: the command's errors end in _job
        return max(report(error, command, arguments), MISUSED)
    except (Exception, KeyboardInterrupt) as error:
        return report(error, command, arguments)
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):  # Lightning turns an interrupt into an exit
            return report(stop.__context__, command, arguments)
        if not isinstance(stop.code, int):
            raise
        return _unread() if stop.code == UNREAD else stop.code
    return 0


def _hydra(command: str, arguments: list[str], failed: Callable[[Exception], None] | None = None) -> None:
    """Hand the arguments to Hydra, which composes conf/COMMAND.yaml and calls the job once or, with -m, often.

    ``failed`` gets an error of the job in the place of standard error.
    """
    from rnnsearch.cli import home

    home.settle(os.environ)  # before a library looks for its folder
    import hydra

    from rnnsearch.config import trust
    from rnnsearch.config.compose import spelled
    from rnnsearch.config.secrets import refuse_secrets
    from rnnsearch.config.unread_keys import check_added
    from rnnsearch.config.yaml_source import install
    from rnnsearch.sweeps.parent import follow_parent
    from rnnsearch.training import cluster

    refuse_secrets(arguments)
    cluster.settle(os.environ)
    install()
    follow_parent()
    swept = command in ALWAYS_SWEPT or (command == "train" and bool(MANY & set(arguments)))
    if swept and any(argument.startswith(("--config-name", "-cn")) for argument in arguments):
        raise ValueError(
            "--config-name is for one training, and a sweep's points are composed from conf/train.yaml; put the values "
            "into my/experiment/mine.yaml, and give --config-dir=my +experiment=mine"
        )
    logging.raiseExceptions = not {"--info", "-i"} & set(arguments)  # Hydra prints --info through logging, into a pipe
    trusted = trust.asked_for(arguments)
    configs = trust.own_configs(trusted)
    if configs is not None and not any(argument.startswith(("--config-dir", "-cd")) for argument in arguments):
        arguments = [*arguments, f"--config-dir={configs}"]
    words = spelled(command, arguments, swept=swept)
    check_added(words, _folders(arguments))
    if command in SWEPT:
        words = _as_points(command, words)
        if any(word in MANY or word.startswith("hydra.mode=") for word in words):
            _register_plugins()  # takes seconds of imports, so only if needed
    job = _job(command, arguments, _there(arguments), failed)
    with trust.trusting(trusted), _process(words, HYDRA_FULL_ERROR="1"):
        # Hydra raises instead of printing and exiting
        hydra.main(config_path=str(config_dir()), config_name=command, execution_whitelist=trust.whitelist())(job)()


def _folders(arguments: list[str]) -> list[Path]:
    """The folders of YAML on the command line.

    Raises:
        ValueError: for one that is not there.
    """
    from rnnsearch.config.errors import parted

    folders = [Path(name) for name in parted(arguments)[1]]
    for folder in folders:
        if not folder.is_dir():
            raise ValueError(f"--config-dir={folder}: there is no such folder")
    return folders


def _register_plugins() -> None:
    """Register this package's sweeper and launcher with Hydra, which by itself only searches hydra_plugins."""
    os.environ.setdefault("RAY_worker_niceness", "0")  # by default Ray's workers have the lowest priority
    from hydra.core.plugins import Plugins

    from rnnsearch.sweeps.durable_sweeper import DurableSweeper
    from rnnsearch.sweeps.local_launcher import LocalLauncher

    for plugin in (DurableSweeper, LocalLauncher):
        Plugins.instance().register(plugin)


def _as_points(command: str, arguments: list[str]) -> list[str]:
    """The arguments of a sweep, changed so that Hydra leaves keys that options may lack to the sweeper.

    Hydra also composes one config of its own, and would refuse `model.context.attention_size=8` there if the option
    chosen in it has no such key. It leaves a choice of one value alone.
    """
    if command in ALWAYS_SWEPT and not (WITHOUT_JOBS | MANY) & set(arguments):
        arguments = [*arguments, "--multirun"]
    if not MANY & set(arguments):
        return arguments
    from rnnsearch.config.launcher_checks import check_sweeper

    check_sweeper(command, arguments)
    inner = re.compile(
        r"^(?![+]{0,2}(?:hydra|sweep|protocol|paths|tuning|members)\.)([+]{0,2}\w+(?:\.\w+)+)=(?!.*\(|null$)(?=.)([^,]+)$"
    )
    return [inner.sub(r"\1=choice(\2)", argument) for argument in arguments]


def _job(
    command: str, arguments: list[str], there: Path, failed: Callable[[Exception], None] | None = None
) -> Callable[["DictConfig"], None]:
    """The function that Hydra calls: imports the command only then, and turns a failure into a sentence."""

    def job(cfg: "DictConfig") -> None:
        from hydra.core.hydra_config import HydraConfig
        from hydra.types import RunMode
        from omegaconf import OmegaConf

        from rnnsearch.config import launcher_checks, trust
        from rnnsearch.config.errors import report
        from rnnsearch.config.exit_codes import FAILED
        from rnnsearch.config.value_checks import check_values
        from rnnsearch.training import quick_import

        hydra = HydraConfig.get()
        words: Any = OmegaConf.to_container(hydra.overrides.task, resolve=False)
        trusted = trust.asked_for(words)
        is_point = hydra.mode == RunMode.MULTIRUN and hydra.sweeper._target_ == launcher_checks.OUR_SWEEPER
        module = _module("sweep") if is_point else _module(command)
        with _process([command, *arguments]):  # so that a child process can run the same command
            try:
                trust.check(cfg.get("trust") or [], trusted)
                if not is_point:  # a point's training checks its own config
                    check_values(cfg, command)
                    launcher_checks.check_values(hydra.launcher)
                with trust.trusting(trusted):
                    quick_import.module(module, lightning=module in LEARNING).run(cfg)
                sys.stdout.flush()
            except Reported as reported:
                if failed is not None:
                    raise
                raise SystemExit(reported.code) from None
            except Exception as error:
                code = report(error, command, arguments) if failed is None else FAILED
                if failed is not None:
                    failed(error)
                if hydra.mode == RunMode.MULTIRUN:
                    raise Reported(code) from None
                _leave_nothing(Path(hydra.runtime.output_dir), there)
                raise SystemExit(code) from None

    job.__module__ = _module(command)  # names hydra.job.name
    return job


def _module(command: str) -> str:
    """The module whose run(cfg) does a command's work."""
    return f"rnnsearch.cli.commands.{'sweep' if command in ALWAYS_SWEPT else command}"


def _there(arguments: list[str]) -> Path:
    """The deepest folder on the run's path that exists before Hydra makes the rest."""
    values = {key: value for key, _, value in (word.partition("=") for word in arguments)}
    wanted = Path(values.get("hydra.run.dir", values.get("paths.output", "outputs")).strip("'\"")).absolute()
    return next(folder for folder in (wanted, *wanted.parents) if folder.exists())


def _leave_nothing(folder: Path, there: Path) -> None:
    """Remove the folders that Hydra made for a refused run."""
    if there not in folder.parents or {path.name for path in folder.iterdir()} - {LOCK}:
        return
    (folder / LOCK).unlink(missing_ok=True)
    for place in (folder, *folder.parents):
        if place == there or any(place.iterdir()):
            return
        place.rmdir()


@contextmanager
def _process(arguments: list[str], **environment: str) -> Iterator[None]:
    """Make the process look as if called with `arguments` and extra environment variables."""
    argv, old = sys.argv, {name: os.environ.get(name) for name in environment}
    sys.argv = [argv[0], *arguments]
    os.environ.update(environment)
    try:
        yield
    finally:
        sys.argv = argv
        for name, value in old.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _unread() -> int:
    """Exit quietly, as other programs in a pipe do, when nobody reads standard output any more."""
    from rnnsearch.config.exit_codes import UNREAD

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return UNREAD
