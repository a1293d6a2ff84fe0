"""Every command that README, CONTRIBUTING and docs show works: composed, and run where that takes seconds.

Blocks of ```bash are commands. Those that need a network, a GPU or a cluster say so in a comment, `# needs: gpu`, and
are composed alone. The rest is run: what reads runs and studies as it stands, what trains with a smaller budget.
"""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from tests.docs.conftest import call
from tests.docs.markdown import NEEDS, ROOT, Block, Command, blocks, commands
from tests.system.here import in_process

from rnnsearch.cli.help import COMMANDS

BASH = blocks("bash")
PYTHON = [block for block in blocks("python") if "title=" not in block.info and not block.needs]
TRAINING = ("train", "sweep", "compare", "reproduce")
SERVING = ("page", "dashboard")  # until they are stopped; tests/page and tests/system start them
COMMON = ["budget.updates=2", "validation.every=2", "validation.sentences=4", "threads=1"]
COMMON += ["search.beam_size=1", "search.max_length=9"]
CONTROLLED = ["data.train_pairs=200", "data.validation_pairs=20", "data.test_pairs=2", "tokenizer.source_size=400"]
FILES = ["tokenizer=word", "tokenizer.source_size=20", "tokenizer.target_size=20", "batches.size=4"]
MEMBERS = [word.replace("data.", f"data.members.{name}.") for name in ("plain", "long") for word in CONTROLLED[:3]]
AMOUNTS = ["filters.first=100,150", "protocol.baseline='fixed, first=100'"]
AMOUNTS += ["protocol.comparisons=[['additive, first=150','fixed, first=150']]"]
SMALL = {  # overrides that make a command short, and change nothing else
    "controlled": [*CONTROLLED, "tokenizer.target_size=400"],
    **dict.fromkeys(("files", "tsv", "csv", "jsonl", "tmx"), FILES),
    "mixture": [*MEMBERS, "tokenizer.source_size=400", "tokenizer.target_size=400"],
}


def named(command: Command) -> str:
    return command.words[1] if len(command.words) > 1 else ""


def all_commands(block: Block) -> list[Command]:
    return [command for line in block.lines for command in commands(line)]


def runs_at_once(block: Block) -> bool:
    """Whether it only reads runs and studies."""
    return all(c.words[0] == "rnnsearch" and named(c) not in (*TRAINING, *SERVING) for c in all_commands(block))


def test_every_command_stands_in_a_block_that_is_tested() -> None:
    others = blocks("", "sh", "shell", "text")
    strays = [block for block in others if re.search(r"^(\$ )?(rnnsearch|make) ", block.text, re.MULTILINE)]
    assert not strays, "fence it with ```bash"
    assert len(BASH) > 20
    assert {named(c) for block in BASH for c in all_commands(block) if c.words[0] == "rnnsearch"} >= set(COMMANDS)


def to_compose() -> list[object]:
    """Every block but those that `test_run` runs as they stand; quick are as many as show each command once."""
    seen: set[str] = set()
    chosen: list[object] = []
    for block in BASH:
        new = {named(c) if c.words[0] == "rnnsearch" else c.words[0] for c in all_commands(block)} - seen
        seen |= new
        if new or block.needs or not runs_at_once(block):
            chosen.append(pytest.param(block, marks=[] if new else pytest.mark.slow))
    return chosen


@pytest.mark.parametrize("block", to_compose(), ids=str)
def test_composed(block: Block, there: Path) -> None:
    assert set(block.needs) <= set(NEEDS)
    for command in all_commands(block):
        check(command)


def check(command: Command) -> None:
    """That a command exists and its configuration composes, without doing anything."""
    program, *words = [word for word in command.words if not re.fullmatch(r"[A-Z_]+=\S*", word)]
    if program == "rnnsearch":
        assert words[0] in COMMANDS or words == ["--help"]
        composed = [] if "--help" in words else ["--cfg", "job"]
        first_values = [re.sub(r"^([\w./]+=[\w.]+),[\w.,]+$", r"\1", word) for word in words if word != "-m"]
        assert call(Command(["rnnsearch", *first_values], stdout="composed.yaml"), *composed) == 0
    elif program == "make":
        targets = [word for word in words if "=" not in word]
        subprocess.run(["make", "-n", *words], cwd=ROOT, check=True, capture_output=True)
        assert all(re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE) for target in targets)
    elif program == "eval":
        printed = re.fullmatch(r"\$\((.*)\)", words[0])
        assert printed is not None
        assert call(Command(shlex.split(printed[1]), stdout="evaluated.sh")) == 0
    elif program in ("pip", "wandb", "torchrun", "srun", "sbatch", ".", "export"):
        check_extras(words)
    elif program.endswith(("python", "python3")):
        check_python(words)
    else:
        raise AssertionError(f"{program}: say here how it is checked")


def check_extras(words: list[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {extra for word in words for extra in re.findall(r"\[(.*)\]", word)}
    assert {one for extra in asked for one in extra.split(",")} <= set(project["optional-dependencies"])


def check_python(words: list[str]) -> None:
    if words[0] == "-m" and words[1] == "pytest":
        assert all((ROOT / word).exists() for word in words[2:] if not word.startswith("-"))
    elif words[0] == "-c":
        compile(words[1], "-c", "exec")
    elif words[0] == "-m":
        assert words[1] in ("venv", "benchmarks", "rnnsearch")
    else:
        assert (ROOT / words[0]).is_file()


@pytest.mark.parametrize("block", [b for b in BASH if runs_at_once(b) and not b.needs], ids=str)
@pytest.mark.slow
def test_run(block: Block, there: Path) -> None:
    for command in all_commands(block):
        assert call(command) == 0, command


def shortened(command: Command) -> list[str]:
    """The words of a training command with what makes it short; new folders in the place of those that are there."""
    words = [re.sub("^hydra.run.dir=RUN$", "hydra.run.dir=FRESH", word) for word in command.words]
    words = [re.sub("^study=NAME$", "study=FRESH", word) for word in words]
    trains_nothing = any(re.match(r"(runs|of)=", word) for word in words)
    if named(command) == "reproduce" or "--cfg" in words or trains_nothing:
        return words
    corpus = next((word.split("=")[1] for word in words if word.startswith("data=")), "controlled")
    words = [word for word in words if not word.startswith(("budget.", "trainer.max_steps", "tuning."))]
    words = [re.sub(r"^seed=[\d,]+$", "seed=0", word) for word in words]
    begins = any(word.startswith("init=") for word in words)  # with vocabularies that are there
    small = [word for word in SMALL[corpus] if not (begins and word.startswith("tokenizer"))]
    words = [re.sub(r"^filters\.first=[\d,]+$", "filters.first=100,150", word) for word in words]
    tunes = named(command) == "compare" or any(word.startswith(("protocol=", "tuning=")) for word in words)
    trials = ["tuning.factors=[1]", "tuning.extensions=0"] if tunes else []
    has_seeds = named(command) == "compare" or any(word.startswith("protocol=") for word in words)
    trials += ["seeds=[0]"] if has_seeds and "seed=0" not in words else []
    trials += AMOUNTS if "protocol=learning_curve" in words else []
    search = ["sweep.search.trials=2", "sweep.search.startup=1"] if "sweep=optuna_tpe" in words else []
    return [*words, *COMMON, *small, *trials, *search]


@pytest.mark.slow
@pytest.mark.parametrize("block", [b for b in BASH if not runs_at_once(b) and not b.needs], ids=str)
def test_run_shortened(block: Block, there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_process(monkeypatch)
    for command in all_commands(block):
        if command.words[0] == "rnnsearch" and named(command) in COMMANDS and named(command) not in SERVING:
            words = shortened(command) if named(command) in TRAINING else command.words
            if "trainer=ddp_cpu" in words:  # its second process repeats the first one's command line
                subprocess.run([sys.executable, "-m", *words], check=True)
            else:
                assert call(Command(words, command.stdin, command.stdout, command.piped)) == 0, words


@pytest.mark.parametrize("block", blocks("console"), ids=str)
@pytest.mark.slow
def test_prints_what_is_shown(block: Block, there: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for line, *shown in (part.splitlines() for part in block.text.removeprefix("$ ").split("\n$ ")):
        [command] = commands(line)
        call(command)
        printed = " ".join("".join(capfd.readouterr()).split())
        pattern = ".*".join(re.escape(text) for text in " ".join(shown).split("..."))
        assert re.search(pattern, printed), printed


@pytest.mark.parametrize("page", sorted({block.page for block in PYTHON}), ids=lambda page: page.name)
def test_python(page: Path, there: Path) -> None:
    names: dict[str, object] = {}
    for block in PYTHON:
        if block.page == page:
            exec(compile(block.text, str(block), "exec"), names)
