"""What Tab offers, asked as the shells ask."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rnnsearch.cli.completion import answer, candidates
from rnnsearch.cli.main import main


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("rnnsearch tra", ["train ", "translate "]),
        ("rnnsearch train model=ti", ["model=tiny "]),
        ("rnnsearch train model=tiny opti", ["optimizer.", "optimizer="]),
        ("rnnsearch train model/context=ad", ["model/context=additive "]),
        ("rnnsearch train optimizer.l", ["optimizer.lr="]),
        ("rnnsearch train optimizer=sgd optimizer.l", ["optimizer.lr="]),
        ("rnnsearch compare memb", ["member=", "members."]),
        ("rnnsearch train validation.monitor=b", ["validation.monitor=bleu "]),
        ("rnnsearch train test=", ["test=false ", "test=true "]),
        ("rnnsearch train +experiment=ref", ["+experiment=reference "]),
        ("rnnsearch translate sear", ["search.", "search="]),
        ("rnnsearch translate mod", []),
        ("rnnsearch train --mul", ["--multirun "]),
        ("rnnsearch train mod", ["model.", "model/", "model="]),
        ("rnnsearch nonsense mod", []),
    ],
)
def test_what_may_follow(line: str, offered: list[str]) -> None:
    assert candidates(line) == sorted(offered)


def test_other_words_are_refused(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--shell-completion", "install=fish"]) == 2
    assert "install=bash" in capfd.readouterr().err
    assert main(["-sc", "install=zsh"]) == 0
    assert capfd.readouterr().out.strip() == answer("install=zsh")


def program(folder: Path) -> dict[str, str]:
    """An environment whose rnnsearch is this one."""
    path = folder / "rnnsearch"
    path.write_text(f'#!/bin/sh\nexec {sys.executable} -m rnnsearch "$@"\n')
    path.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(folder)}


@pytest.mark.parametrize(
    ("line", "words", "offered"),
    [
        ("rnnsearch sta", "rnnsearch sta", ["status "]),
        ("rnnsearch train model=ti", "rnnsearch train model = ti", ["tiny "]),
    ],
)
def test_bash(tmp_path: Path, line: str, words: str, offered: list[str]) -> None:
    script = f"""eval "$(rnnsearch --shell-completion install=bash)"
        COMP_LINE="{line}" COMP_POINT={len(line)} COMP_WORDS=({words})
        _rnnsearch_complete
        printf '%s|' "${{COMPREPLY[@]}}"; complete -p rnnsearch >&2"""
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=True, env=program(tmp_path), cwd=tmp_path
    )
    assert done.stdout == "".join(f"{one}|" for one in offered)
    assert "-F _rnnsearch_complete rnnsearch" in done.stderr


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh; on Debian: apt-get install zsh")
def test_zsh(tmp_path: Path) -> None:
    """In a real terminal, since zsh completes nowhere else."""
    script = """
        zmodload zsh/zpty; zpty shell zsh -f -i
        zpty -w shell 'PROMPT=; autoload -Uz compinit && compinit -u'
        zpty -w shell 'eval "$(rnnsearch --shell-completion install=zsh)"'
        zpty -w shell 'echo "rea""dy"'
        zpty -r -m shell line '*ready*'
        zpty -w -n shell $'echo rnnsearch >/dev/null; rnnsearch train model=ti\t'
        zpty -r -m shell line '*model=tiny*'
        print -r -- "$line"; zpty -d shell"""
    done = subprocess.run(
        ["zsh", "-f", "-c", script], capture_output=True, text=True, timeout=120, env=program(tmp_path), cwd=tmp_path
    )
    assert "model=tiny" in done.stdout
