"""The one place that turns what a user can cause into one sentence and an exit code.

Exit codes: 1 the command failed, 2 it was called wrongly, 130 interrupted, 141 nobody reads standard output.
Anything that `explain` does not know is our own bug and keeps its traceback.
"""

import errno
import itertools
import logging
import re
import shlex
import traceback
from collections.abc import Sequence

from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf.errors import (
    GrammarParseError,
    InterpolationResolutionError,
    MissingMandatoryValue,
    OmegaConfBaseException,
    ValidationError,
)

from rnnsearch.config import trust
from rnnsearch.config.compose import unknown_key, valid_names
from rnnsearch.config.composition_errors import COMPOSING, unmerged, unresolved
from rnnsearch.config.config_dir import config_dir, groups
from rnnsearch.config.exit_codes import FAILED, INTERRUPTED, MISUSED, UNREAD
from rnnsearch.config.keys.roles import within
from rnnsearch.config.keys.table import kind_of, takes_text
from rnnsearch.config.near_names import nearest
from rnnsearch.config.overrides import for_shell
from rnnsearch.config.secrets import hidden
from rnnsearch.config.terminal import say
from rnnsearch.records.visible import visible_line

log = logging.getLogger(__name__)

LONGEST = 2000  # characters of a sentence
_NAMED_ELSEWHERE = {  # Lightning's, torch's and submitit's, not worth an import
    *("MisconfigurationException", "FailedJobError", "ProcessFailed", "UncompletedJobError"),
}
_CONFIG_ERRORS = (GrammarParseError, InterpolationResolutionError, MissingMandatoryValue, ValidationError)
_NO_MEMORY = r"can't allocate memory|Cannot allocate memory|std::bad_alloc|out of memory"
_NO_SHARED_MEMORY = (
    "processes find no memory to share here (/dev/shm is missing, full or can't be written); do without them: "
    "data_workers=0 encoding_processes=1"
)
_FULL_DISK = (  # what pyarrow, datasets and torch say of a full disk without its error number
    "No space left on device",
    "Not enough disk space",
    "PytorchStreamWriter failed writing",
    "basic_ios::clear: iostream error",
)


def report(error: BaseException, command: str, arguments: Sequence[str]) -> int:
    """Print what went wrong on standard error, as a sentence if a user can cause it, and return the exit code."""
    error = _cause(error)
    if isinstance(error, BrokenPipeError):
        return UNREAD
    explained = explain(error, command, arguments)
    if explained is None:
        say(hidden("".join(traceback.format_exception(error))), end="", stderr=True)
        return FAILED
    sentence, code = explained
    log.debug("the traceback of the error below", exc_info=error)
    say(f"rnnsearch {command}: {shown(hidden(sentence))}", stderr=True)
    return code


class CommandError(ValueError):
    """What a command refuses, or what failed in it: the sentence that the command line would print."""


def as_exception(error: BaseException, command: str, arguments: Sequence[str]) -> BaseException:
    """What a Python caller gets for an error of a command: a `CommandError`, or a bug of ours as it is."""
    explained = explain(error, command, arguments)
    if explained is None or isinstance(error, CommandError):
        return error
    refused = CommandError(hidden(explained[0]))
    refused.__cause__ = error
    return refused


def shown(sentence: str) -> str:
    """What a terminal can safely show of a sentence, which may quote any file: the rest escaped, its length bounded."""
    return visible_line(sentence[:LONGEST] + (" ..." if len(sentence) > LONGEST else ""))


def explain(error: BaseException, command: str, arguments: Sequence[str]) -> tuple[str, int] | None:
    """The sentence and the exit code for an error that a user can cause; None for a bug of ours."""
    error = _cause(error)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", INTERRUPTED
    if isinstance(error, HydraException):
        return _composition(error, command, arguments), MISUSED
    if isinstance(error, OmegaConfBaseException):
        return (unresolved(error), MISUSED) if isinstance(error, _CONFIG_ERRORS) else None
    if _is_shared_memory(error):
        return _NO_SHARED_MEMORY, FAILED
    if _is_full_disk(error):
        return _full_disk(error), FAILED
    if isinstance(error, OSError):
        return _operating_system(error), FAILED
    if _is_memory(error):
        return _memory(error), FAILED
    if type(error).__module__.startswith("botocore."):
        return f"Amazon Web Services, for hydra/launcher=ray_aws: {_first_line(error)}", FAILED
    if isinstance(error, RecursionError):
        return "something that was given is nested too deeply; give it with fewer levels", FAILED
    if type(error).__name__ in _NAMED_ELSEWHERE:
        return f"{type(error).__name__}: {_first_line(error)}", FAILED
    if isinstance(error, ValueError):
        return str(error), FAILED
    if plugin := re.match(r"Unknown plugin class : 'hydra_plugins\.(hydra_(\w+)_launcher)", str(error)):
        extra = {"submitit": "slurm"}.get(plugin.group(2), plugin.group(2))
        return f"this launcher needs {plugin.group(1).replace('_', '-')}: pip install 'rnnsearch[{extra}]'", MISUSED
    if _is_wrong_type(error) and (key := re.search(r"full_key: (\S+)", _with_notes(error))):  # Hydra's note
        return f"{key.group(1)} has a value of the wrong type: {_first_line(error)}", FAILED
    return (f"{_first_line(error)}; see `rnnsearch {command} --cfg job`", MISUSED) if _is_bad_call(error) else None


def _cause(error: BaseException) -> BaseException:
    """What made a constructor fail that the configuration names, or a generator that a data set is written from."""
    if isinstance(error, InstantiationException) and _is_wrong_type(error.__cause__):
        return error
    wrapped = isinstance(error, InstantiationException) or type(error).__name__ == "DatasetGenerationError"
    return _cause(error.__cause__) if wrapped and error.__cause__ is not None else error


def _with_notes(error: BaseException) -> str:
    return "\n".join([str(error), *getattr(error, "__notes__", [])])


def _is_wrong_type(error: BaseException | None) -> bool:
    """Whether a constructor could not work with the type of a value, such as a word for a number."""
    return isinstance(error, TypeError) and not _is_bad_call(error)


def _is_bad_call(error: BaseException) -> bool:
    """Whether a key was added to, or removed from, the arguments of a constructor."""
    return isinstance(error, TypeError) and bool(re.search(r"unexpected keyword|missing \d+ required", str(error)))


def _composition(error: HydraException, command: str, arguments: Sequence[str]) -> str:
    text = str(error)
    if isinstance(error, InstantiationException) and _is_wrong_type(error.__cause__):
        key = re.search(r"full_key: (\S+)", text)
        return (
            f"{key.group(1) if key else 'a key'} has a value of the wrong type: {_first_line(error.__cause__ or error)}"
        )
    if isinstance(error, InstantiationException) and "execution whitelist" in text:
        return trust.refusal(text.split(" ", 2)[1].strip("'"))
    if isinstance(error, OverrideParseException):
        return _unparsable(error.override)
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options is not None:
        return _unknown_option(error, arguments)
    if match := re.match(r"Ambiguous value for argument '(.*)'$", text, re.MULTILINE):
        return _ambiguous(match.group(1), command)
    if unknown := unknown_key(error):
        return _unknown_key(unknown, command, arguments)
    if match := re.match(r"Multiple values for ([\w/@.]+)|([\w/@.]+) appears more than once in the final", text):
        group = (match.group(1) or match.group(2)).rstrip(".")
        return f"{group} is chosen already; write {group}=OPTION without a +"
    if match := re.match("Error merging override (.*)", text, re.DOTALL):
        return unmerged(match.group(1), error.__cause__ or error, command)
    for pattern, sentence in COMPOSING.items():
        if match := re.match(pattern, text):
            return sentence.format(*match.groups())
    if isinstance(error, ConfigCompositionException) and isinstance(error.__cause__, OmegaConfBaseException):
        return f"{_first_line(error)}: {_first_line(error.__cause__ or error)}"
    return " ".join(line.strip() for line in text.splitlines() if line.strip())


def _unparsable(override: str) -> str:
    key, equals, value = override.partition("=")
    if not equals:
        return f"{override!r} is no override; write KEY=VALUE or GROUP=OPTION"
    if not re.fullmatch(r"[+~]{0,2}[\w/@.:-]+", key):
        return f"{key!r} in {override!r} is no key; keys are words joined by dots, groups words joined by slashes"
    return (
        f"{override!r} cannot be read: a value with commas, equals signs, brackets, quotes or letters such as é must "
        f"be quoted, for the shell and for Hydra: {for_shell(key, value.strip(chr(34)))}"
    )


def _ambiguous(override: str, command: str) -> str:
    key, _, value = override.partition("=")
    if options := groups(config_dir()).get(key.lstrip("+")):
        return f"{override!r} has a comma, and {key} takes one of {', '.join(options)}; for one run each add -m"
    kind = kind_of(key.lstrip("+"), command)
    if kind is not None and not takes_text(kind) and "a list" not in kind.noun:
        return f"{override!r} has a comma, and {key} is {kind.noun}; for one run each add -m"
    return (
        f"{override!r} has a comma; for one value quote it, for the shell and for Hydra: {for_shell(key, value)}; "
        f"for a list write {shlex.quote(f'{key}=[{value}]')}; for one run each add -m"
    )


def _unknown_option(error: MissingConfigException, arguments: Sequence[str]) -> str:
    group, _, option = str(error.missing_cfg_file).rpartition("/")
    options = sorted(error.options or ())
    asked = any(argument.lstrip("+").startswith(f"{group}=") and option in argument for argument in arguments)
    where = "" if asked else " (a YAML file asks for it)"
    listed = ", ".join(options) or "none"
    return f"{group}={option}{where}: {group} has no option {option!r}{_guess(option, options)}; it has {listed}"


def _unknown_key(key: str, command: str, arguments: Sequence[str]) -> str:
    if key.startswith("hydra."):
        return f"{key} is no key of Hydra's; `rnnsearch {command} --cfg hydra` prints them all"
    for word in arguments:
        if word.startswith("~") and within(key.rpartition(".")[0], (word[1:].partition("=")[0].replace("/", "."),)):
            return f"{key} can't be set, since {word} deletes it; leave one of them out"
    names = [name for name in _names(key, command, arguments) if "/" in name or "/" not in key]
    names = [name for name in names if not name.startswith(("sweep.grid.", "members."))]  # which a user named
    if key in names:
        return f"{key} lacks a key of the mapping that it is given; add each key by itself: +{key}.KEY=VALUE"
    parent = key.rpartition(".")[0]
    beside = [name for name in names if parent and name.rpartition(".")[0] == parent and "._" not in name]
    hint = _guess(key, names)
    if beside and not set(nearest(key, names)) & set(beside):
        hint += f"; {parent} has {', '.join(name.rpartition('.')[2] for name in beside)}"
    everything = "" if hint else f"; `rnnsearch {command} --cfg job` prints them all"
    return f"{key!r} is neither a key nor a config group of `rnnsearch {command}`{hint}{everything}"


def _names(key: str, command: str, arguments: Sequence[str]) -> list[str]:
    """The valid names beside an unknown key; composed without it, or without any override if others are wrong too."""
    overrides, folders = parted(arguments)
    for attempt in ([o for o in overrides if o.lstrip("+~").partition("=")[0] != key], []):
        try:
            return valid_names(command, attempt, folders)
        except (HydraException, OmegaConfBaseException, ValueError):
            continue
    return []


def parted(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The overrides and the --config-dir folders among a command's arguments."""
    overrides = [argument for argument in arguments if not argument.startswith("-") and re.search("=|^~", argument)]
    joined = [argument.partition("=")[2] for argument in arguments if argument.startswith(("--config-dir=", "-cd="))]
    following = [folder for flag, folder in itertools.pairwise(arguments) if flag in ("--config-dir", "-cd")]
    return [override for override in overrides if override not in following], joined + following


def _is_full_disk(error: BaseException) -> bool:
    if isinstance(error, RuntimeError) and error.__context__ is not None and _is_full_disk(error.__context__):
        return True  # torch's writer trips over what it could not write
    is_no_space = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return is_no_space or (isinstance(error, OSError | RuntimeError) and any(text in str(error) for text in _FULL_DISK))


def _full_disk(error: BaseException) -> str:
    path = getattr(error, "filename", None)
    place = f"for {path}" if path else "on the disk"
    return f"no space left {place}; free some, or set paths.output=DIR (runs) or paths.cache=DIR (data) elsewhere"


def _is_shared_memory(error: BaseException) -> bool:
    """Whether processes found none to share, as where /dev/shm is missing, tiny or can't be written."""
    if isinstance(error, RuntimeError):
        return bool(re.search("shared memory|unable to write to file </torch_", str(error)))
    if not isinstance(error, OSError) or error.filename is not None:
        return False
    return any("/multiprocessing/" in frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__))


def _is_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and bool(re.search(_NO_MEMORY, str(error)))


def _memory(error: BaseException) -> str:
    asked = re.search(r"allocate ([\d.]+) ?(\w+)", str(error))
    size = asked and (f"{float(asked[1]) / 2**30:.1f} GiB" if asked[2] == "bytes" else f"{asked[1]} {asked[2]}")
    more = f" for {size} more" if size else ""
    return (
        f"memory does not suffice{more}; halve batches.size and double trainer.accumulate_grad_batches (the "
        "updates are the same), or take a smaller model, a lower filters.max_length or search.beam_size"
    )


def _operating_system(error: OSError) -> str:
    if error.errno == errno.EBADF and error.filename is None:
        return "standard output is closed, and the results go there; open it, or send them to a file: > FILE"
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "too many files are open; raise the limit (ulimit -n 1024), or give data_workers=0 encoding_processes=1"
    if error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror.lower()}"
    return str(error) or type(error).__name__


def _guess(name: str, names: Sequence[str]) -> str:
    near = nearest(name, names)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0].strip()
