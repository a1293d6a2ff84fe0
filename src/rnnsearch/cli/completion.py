"""Tab completion of commands, options, keys and their values, for bash and zsh."""

import os
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr
from io import StringIO

from rnnsearch.cli.config_dir import chosen_groups, config_dir
from rnnsearch.cli.help import COMMANDS, FLAGS

BASH = """_rnnsearch_complete() {
    local line=${COMP_LINE:0:COMP_POINT} found
    local word=${line##*[[:blank:]]}
    local before=${word%"${word##*[=:]}"}
    COMPREPLY=()
    while IFS= read -r found; do
        COMPREPLY+=("${found#"$before"}")
    done < <(COMP_LINE=$line "${COMP_WORDS[0]}" --shell-completion query=bash 2> /dev/null)
}
complete -o nospace -o default -F _rnnsearch_complete rnnsearch"""
ZSH = """(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
_rnnsearch_complete() {
    local -a found
    local line="${(j: :)words[1,CURRENT-1]} $PREFIX"
    found=("${(@f)$(COMP_LINE=$line $words[1] --shell-completion query=zsh 2> /dev/null)}")
    found=(${found:#})
    if (( $#found )); then
        compadd -Q -S '' -- ${found:#* }
        compadd -Q -- ${${(M)found:#* }% }
    else
        compset -P '*='
        _files
    fi
}
compdef _rnnsearch_complete rnnsearch"""
SCRIPTS: Mapping[str, str] = {"bash": BASH, "zsh": ZSH}


def answer(wanted: str) -> str:
    """What ``rnnsearch --shell-completion WANTED`` prints: a shell's script, or what may stand at the end of a line.

    Args:
        wanted: ``install=SHELL``, or ``query=SHELL`` with the line in COMP_LINE, as the scripts ask.

    Raises:
        ValueError: for anything else.
    """
    what, _, shell = wanted.partition("=")
    if what not in ("install", "query") or shell not in SCRIPTS:
        raise ValueError(
            f'--shell-completion {wanted}: write eval "$(rnnsearch --shell-completion install=bash)"; or zsh'
        )
    return SCRIPTS[shell] if what == "install" else "\n".join(candidates(os.environ.get("COMP_LINE", "")))


def candidates(line: str) -> list[str]:
    """The words that may stand where a line ends, whole: those that are complete with a blank after them."""
    words = line.split(" ")[1:]
    command, *rest = [word for word in words[:-1] if word] or [""]
    if not command:
        found: Iterator[str] = iter([*COMMANDS, "--help", "--version"])
    elif command not in COMMANDS:
        return []
    elif words[-1].startswith("-"):
        found = (flag.strip(",") for names in FLAGS for flag in names.split(" ") if flag.startswith("-"))
    else:
        found = _overrides(command, rest, words[-1])
    fitting = sorted({one for one in found if one.startswith(words[-1])})
    return [one if one.endswith(("=", ".", "/")) else f"{one} " for one in fitting]


def _overrides(command: str, given: list[str], word: str) -> Iterator[str]:
    """Options and keys as Hydra finds them in the composed configuration; the values of a key, where they are few."""
    key, equals, _ = word.lstrip("+").partition("=")
    if equals and (values := _values(key, command)):
        yield from (f"{key}={value}" for value in values)
        return
    from hydra.core.global_hydra import GlobalHydra
    from hydra.plugins.completion_plugin import DefaultCompletionPlugin

    from rnnsearch.cli.compose import searching, spelled

    try:
        words = [*spelled(command, [one for one in given if not one.startswith("-")]), word]
        with searching((config_dir(),), command), redirect_stderr(StringIO()):
            found = DefaultCompletionPlugin(GlobalHydra.instance().config_loader())._query(command, " ".join(words))
    except (Exception, SystemExit):  # what stands before is wrong, which the command will say
        return
    groups = {group.split("/")[0] for group in chosen_groups(config_dir(), command)}
    for one in found:
        is_group = "/" in one or ("=" not in one and "." not in one)
        if not is_group or equals or one.lstrip("+~").split("/")[0] in groups:
            yield from (one,) if one.endswith(("=", ".", "/")) or equals else (f"{one}=", f"{one}/")


def _values(key: str, command: str) -> list[str]:
    from rnnsearch.keys.kinds import Choice, Flag, OrNull
    from rnnsearch.keys.table import kind_of

    kind = kind_of(key, command)
    null = ["null"] if isinstance(kind, OrNull) else []
    inner = kind.kind if isinstance(kind, OrNull) else kind
    if isinstance(inner, Choice):
        return [*inner.options, *null]
    return ["true", "false", *null] if isinstance(inner, Flag) else []
