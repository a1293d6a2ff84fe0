"""The fenced blocks of README.md and docs/, and the commands in them."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
# What a block needs that a test machine may lack; its first lines say so, for readers too.
NEEDS = ("network", "gpu", "cluster", "minutes")
_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_NEEDS = re.compile(r"^# needs: (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    info: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def language(self) -> str:
        return self.info.split(" ")[0]

    @property
    def needs(self) -> list[str]:
        """What it needs beyond this machine."""
        return [need for line in _NEEDS.findall(self.text) for need in re.split(r", ?", line)]

    @property
    def lines(self) -> list[str]:
        """Its commands: continued lines joined, comments left out."""
        joined = re.sub(r"\\\n\s*", "", self.text)
        return [line for line in map(str.strip, joined.splitlines()) if line and not line.startswith("#")]


@dataclass(frozen=True)
class Command:
    """A program with its words, where it reads and where it writes."""

    words: list[str]
    stdin: str | None = None
    stdout: str | None = None
    piped: str | None = None  # text that `echo ... |` gives it


def blocks(*languages: str) -> list[Block]:
    """Every block of README, CONTRIBUTING and docs in one of the languages."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in _FENCE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            body = re.sub(rf"^{match['indent']}", "", match["text"], flags=re.MULTILINE)
            block = Block(page, line, match["info"].strip(), body)
            found += [block] if block.language in languages else []
    return found


def commands(line: str) -> list[Command]:
    """The commands of one line of a shell, joined by && or as `echo TEXT | COMMAND`."""
    words = shlex.split(line, comments=True)
    if "&&" in words:
        place = words.index("&&")
        return [*commands(shlex.join(words[:place])), *commands(shlex.join(words[place + 1 :]))]
    if words[0] == "echo" and "|" in words:
        place = words.index("|")
        return [Command(words[place + 1 :], piped=" ".join(words[1:place]) + "\n")]
    files: dict[str, str] = {}
    while len(words) > 2 and words[-2] in "<>":
        files[words[-2]] = words[-1]
        words = words[:-2]
    return [Command(words, files.get("<"), files.get(">"))]
