"""Tab completion of commands, options, keys and their values, for bash and zsh."""

import os
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr
from io import StringIO

from rnnsearch.cli.help import COMMANDS, FLAGS
from rnnsearch.config.config_dir import chosen_groups, config_dir

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
    """The output of ``rnnsearch --shell-completion WANTED``: a shell's script, or completions of a line.

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
    """Completions of a line's last word, as whole words; finished ones end in a blank."""
    words = line.split(" ")[1:]
    command, *earlier = [word for word in words[:-1] if word] or [""]
    if not command:
        offered: Iterator[str] = iter([*COMMANDS, "--help", "--version"])
    elif command not in COMMANDS:
        return []
    elif words[-1].startswith("-"):
        offered = (flag.strip(",") for names in FLAGS for flag in names.split(" ") if flag.startswith("-"))
    else:
        offered = _overrides(command, earlier, words[-1])
    fitting = sorted({word for word in offered if word.startswith(words[-1])})
    return [word if word.endswith(("=", ".", "/")) else f"{word} " for word in fitting]


def _overrides(command: str, earlier: list[str], word: str) -> Iterator[str]:
    """Options and keys as Hydra finds them in the composed configuration, or a key's values if they are few."""
    key, equals, _ = word.lstrip("+").partition("=")
    if equals and (values := _values(key, command)):
        yield from (f"{key}={value}" for value in values)
        return
    from hydra.core.global_hydra import GlobalHydra
    from hydra.plugins.completion_plugin import DefaultCompletionPlugin

    from rnnsearch.config.compose import searching, spelled

    try:
        words = [*spelled(command, [argument for argument in earlier if not argument.startswith("-")]), word]
        with searching((config_dir(),), command), redirect_stderr(StringIO()):
            plugin = DefaultCompletionPlugin(GlobalHydra.instance().config_loader())
            suggestions = plugin._query(command, " ".join(words))
    except (Exception, SystemExit):  # an earlier word is wrong; the command will say so
        return
    groups = {group.split("/")[0] for group in chosen_groups(config_dir(), command)}
    for suggestion in suggestions:
        is_group = "/" in suggestion or ("=" not in suggestion and "." not in suggestion)
        if not is_group or equals or suggestion.lstrip("+~").split("/")[0] in groups:
            is_whole = equals or suggestion.endswith(("=", ".", "/"))
            yield from (suggestion,) if is_whole else (f"{suggestion}=", f"{suggestion}/")


def _values(key: str, command: str) -> list[str]:
    from rnnsearch.config.keys.kinds import Choice, Flag, OrNull
    from rnnsearch.config.keys.table import kind_of

    kind = kind_of(key, command)
    null = ["null"] if isinstance(kind, OrNull) else []
    inner = kind.kind if isinstance(kind, OrNull) else kind
    if isinstance(inner, Choice):
        return [*inner.options, *null]
    return ["true", "false", *null] if isinstance(inner, Flag) else []
