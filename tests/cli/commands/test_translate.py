"""The translate command: a line out for each line in, the search of a run, a process that others can pipe."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from tests.small_run import NASTY, write_run

from rnnsearch.api import load
from rnnsearch.cli.main import main
from rnnsearch.config import build
from rnnsearch.config.chosen_search import chosen_search
from rnnsearch.config.compose import compose
from rnnsearch.evaluation.alignment_links import parse_pharaoh

LINES = ["the small house", "", "below", "there stood the small house below the house"]
TEXT = "".join(f"{line}\n" for line in LINES).encode()


# The search of a run


def test_overrides_go_over_the_runs_own_search() -> None:
    own = OmegaConf.create({"_target_": "x", "beam_size": 3, "batch_size": 9})
    chosen = OmegaConf.create({"_target_": "x", "beam_size": 5, "batch_size": 64, "n_best": 2})
    assert chosen_search(own, chosen, ["run=r"]) == own
    assert chosen_search(own, chosen, ["search.beam_size=5"]) == {**own, "beam_size": 5}
    assert chosen_search(own, chosen, ["search.n_best=2"]) == {**own, "n_best": 2}  # the run may be older than it
    assert (
        chosen_search(own, chosen, ["run=r", "search.batch_size=64", "search.beam_size=5", "search.n_best=2"]) == chosen
    )
    assert chosen_search(own, chosen, ["search=beam", "search.beam_size=5"]) == chosen


def test_the_search_of_a_run_older_than_some_settings_is_built() -> None:
    shipped = compose("translate", ["run=there"]).search
    younger = {"n_best", "length_alpha", "coverage_penalty", "min_length", "max_length", "no_repeat_ngram"}
    old = OmegaConf.masked_copy(shipped, [key for key in shipped if key not in younger | {"min_length_ratio"}])
    assert build.make(chosen_search(old, shipped, ["run=r"])).batch_size == shipped.batch_size


def test_the_shipped_config_takes_what_is_documented() -> None:
    config = compose("translate", ["run=there", "search.beam_size=5", "search.batch_size=64"])
    assert (config.run, config.checkpoint, config.device, config.format) == ("there", "best", "auto", "text")
    for option in ("greedy", "beam", "sampling"):
        build.make(compose("translate", ["run=there", f"search={option}"]).search)


# In this process


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / "a run, é=1", checkpoints={"update-9": 5, "update-10": 6})
    write_run(folder / "fixed", context="fixed", seed=1)
    write_run(folder / "word", kind="word")
    (folder / "run").symlink_to(folder / "a run, é=1")
    return folder


Translate = Callable[..., tuple[int, bytes, str]]


@pytest.fixture
def translate(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Translate:
    """Runs the command where nothing but the runs is; gives exit code, output and messages."""
    work = tmp_path / "work"
    work.mkdir()
    for run in folder.iterdir():
        (work / run.name).symlink_to(run)
    monkeypatch.chdir(work)

    def call(data: bytes, *overrides: str) -> tuple[int, bytes, str]:
        (tmp_path / "in.txt").write_bytes(data)
        with (tmp_path / "in.txt").open() as stdin:
            monkeypatch.setattr(sys, "stdin", stdin)
            code = main(["translate", "device=cpu", *([] if "run=" in str(overrides) else ["run=run"]), *overrides])
        out, err = capfdbinary.readouterr()
        assert {path.name for path in work.iterdir()} == {run.name for run in folder.iterdir()}
        return code, out, err.decode()

    return call


def test_one_line_out_for_each_nasty_line(translate: Translate) -> None:
    data = "".join(f"{line}\n" for line in NASTY).encode() + b"\xed\xa0\x80 \xff\nmixed\r\nlast"
    count = len(NASTY) + 3
    links = Path("..", "links.txt")
    code, out, err = translate(data, f"alignments.output={links}")
    assert code == 0
    lines = out.decode().removesuffix("\n").split("\n")
    assert len(lines) == count
    assert lines[NASTY.index("")] == lines[NASTY.index(" ")] == ""
    assert "tokens are cut" in err
    bad = [*(number for number, line in enumerate(NASTY, start=1) if "\0" in line), len(NASTY) + 1]
    assert f"not UTF-8 in {len(bad)} of {count} lines, first in line {bad[0]}: " in err
    assert f"translated {count} lines" in err
    written = links.read_text().removesuffix("\n").split("\n")
    assert len(written) == count
    for text, pharaoh in zip(lines, written, strict=True):
        assert all(target < len(text.split(" ")) for _, target in parse_pharaoh(pharaoh).sure)


def test_warnings_count_the_lines_of_all_blocks(translate: Translate) -> None:
    text = b"the small house stood there\nthe\n" * 20
    words = ["search.max_source_length=2", "search.batch_size=1", "format=jsonl", "search.max_length=3"]
    code, out, err = translate(text, *words, "alignments.max_length=1")
    assert code == 0
    assert err.count("WARNING") == 2
    assert "sources of more than 2 tokens are cut (see search.max_source_length): 20" in err
    assert "pairs with more than 1 pieces on a side, or far more words, get no links (alignments.max_length): " in err
    assert '"alignment": ""' in out.decode()
    _, out, err = translate(text, *words, "alignments.max_length=100")
    assert err.count("WARNING") == 1
    assert '"alignment": ""' not in out.decode()


def test_formats_agree(translate: Translate) -> None:
    options = ["search.n_best=2", "search.max_length=4"]
    code, text, err = translate(TEXT, *options)
    assert code == 0
    assert "format=text shows the best of 2 hypotheses; tsv and jsonl show them all" in err
    _, tsv, _ = translate(TEXT, *options, "format=tsv")
    _, jsonl, err = translate(TEXT, *options, "format=jsonl")
    assert "alignments are by attention" in err
    objects = [json.loads(line) for line in jsonl.decode().removesuffix("\n").split("\n")]
    assert [one["source"] for one in objects] == LINES
    assert [one["hypotheses"][0]["text"] for one in objects] == text.decode().removesuffix("\n").split("\n")
    rows = [
        f"{number}\t{rank}\t{one['score']:.6f}\t{one['log_prob']:.6f}\t{one['text']}"
        for number, line in enumerate(objects, 1)
        for rank, one in enumerate(line["hypotheses"], 1)
    ]
    assert tsv.decode().removesuffix("\n").split("\n") == rows
    assert [len(one["hypotheses"]) for one in objects] == [2, 1, 2, 2]


def test_jsonl_is_what_the_python_interface_gives(translate: Translate, folder: Path) -> None:
    model = load(folder / "run", device="cpu")
    _, out, _ = translate(TEXT, "format=jsonl", "search.n_best=2")
    for line, expected in zip(out.decode().splitlines(), model.translate(LINES, n_best=2), strict=True):
        for one, other in zip(json.loads(line)["hypotheses"], expected.hypotheses, strict=True):
            assert (one["text"], one["tokens"]) == (other.text, other.tokens)
            assert one["log_prob"] == pytest.approx(other.log_prob, abs=1e-4)
            assert parse_pharaoh(one["alignment"]).sure == other.alignment.links


@pytest.mark.parametrize(
    ("run", "method", "named"),
    [
        ("run=run", "auto", "attention"),
        ("run=run", "saliency", "saliency"),
        ("run=run", "none", None),
        ("run=fixed", "auto", "saliency"),
        ("run=[run,fixed]", "auto", "saliency"),
    ],
)
def test_alignments_are_named(run: str, method: str, named: str | None, translate: Translate) -> None:
    code, out, err = translate(b"the small house\n", run, f"alignments.method={method}", "format=jsonl")
    assert code == 0
    line = json.loads(out)
    assert line["alignment_method"] == named
    assert (line["hypotheses"][0]["alignment"] is None) == (named is None)
    assert ("gradient saliency" in err) == (named == "saliency")


def test_prefixes(translate: Translate, tmp_path: Path) -> None:
    prefixes = tmp_path / "prefixes.txt"
    prefixes.write_text("house\n\nthe small\nthere\n")
    code, out, _ = translate(TEXT, f"prefixes={prefixes}", "search.batch_size=1")
    lines = out.decode().removesuffix("\n").split("\n")
    assert code == 0
    assert lines[0].startswith("house")
    assert lines[1] == ""
    assert lines[2].startswith("the small")
    prefixes.write_text("house\n\n")
    code, _, err = translate(TEXT, f"prefixes={prefixes}")
    assert code == 1
    assert err.splitlines()[-1].endswith(
        f"prefixes={prefixes} has 2 lines, and the input has more; give a line for each line of the input, if only an "
        "empty one"
    )
    prefixes.write_text("house\n" * 5)
    code, _, err = translate(TEXT, f"prefixes={prefixes}")
    assert code == 0
    assert f"prefixes={prefixes} has more lines than the input" in err


def test_unknown_words_are_replaced(translate: Translate, tmp_path: Path) -> None:
    lexicon = tmp_path / "lexicon.tsv"
    lexicon.write_text("".join(f"{word}\tX{word}\n" for word in set(TEXT.decode().split())))
    options = ["run=word", "search.min_length=6"]
    _, before, _ = translate(TEXT, *options)
    code, after, _ = translate(TEXT, *options, "replace_unknown=true", f"lexicon={lexicon}")
    assert code == 0
    assert b"<unk>" in before
    assert b"<unk>" not in after
    assert b"X" in after


def test_sampling_does_not_depend_on_batches(translate: Translate) -> None:
    sampling = ["search=sampling", "search.max_length=5", "search.seed=4"]
    outputs = {translate(TEXT, *sampling, f"search.batch_size={size}")[1] for size in (1, 2, 64)}
    assert len(outputs) == 1
    assert translate(TEXT, *sampling[:-1], "search.seed=5")[1] not in outputs


def test_checkpoints_and_threads(translate: Translate) -> None:
    import torch

    before = torch.get_num_threads()
    try:
        found = {translate(TEXT, f"checkpoint={name}", "threads=1")[1] for name in ("best", "update-10", "average")}
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
    assert len(found) == 3


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["format=xml"], "format=xml: choose one of text, tsv, jsonl"),
        (["threads=0"], "threads=0: give a whole number from 1 to 1024, or null"),
        (["checkpoint=worst"], "run has no checkpoint 'worst': it has best, update-10, update-9; "),
        (["run=[run,word]"], "run and word can't translate together: their target vocabularies differ"),
        (["run=[]"], "run=[]: give a run's folder, or a list"),
        (["prefixes=nowhere"], "nowhere does not exist"),
        (["lexicon=nowhere"], "lexicon=nowhere: only replace_unknown=true uses it"),
        (["lexicon=nowhere", "replace_unknown=true"], "nowhere does not exist"),
        (["replace_unknown=true"], "replace_unknown=true: this model writes pieces of words"),
        (["alignments.method=magic"], "alignments.method=magic: choose one of auto, attention, saliency"),
        (["run=fixed", "alignments.method=attention"], "a model without attention has no weights to read"),
        (["alignments.max_length=0"], "alignments.max_length=0: give a whole number, 1 or more"),
        (["alignments.threshold=7", "format=jsonl"], "alignments.threshold=7: give a number above 0, at most 1"),
        (["alignments.output=x", "alignments.method=none"], "alignments.output needs alignments"),
        (["alignments.output=nowhere/x"], "nowhere/x: no such file or directory"),
        (["search.n_best=4"], "search.n_best=4: must be at most search.beam_size=3"),
    ],
)
def test_what_is_wrong_is_one_sentence(overrides: list[str], sentence: str, translate: Translate) -> None:
    code, out, err = translate(TEXT, *overrides)
    assert (code, out) == (1, b"")
    [line] = [line for line in err.splitlines() if not line.startswith("[")]
    assert line.startswith("rnnsearch translate: ")
    assert sentence in line


# As a process of its own


def command(*overrides: str) -> list[str]:
    return [sys.executable, "-m", "rnnsearch", "translate", "run=run", "device=cpu", "search.max_length=5", *overrides]


@pytest.fixture
def work(folder: Path, tmp_path: Path) -> Path:
    (tmp_path / "run").symlink_to(folder / "run")
    return tmp_path


@pytest.mark.slow
def test_the_process_answers_line_by_line_and_leaves_nothing(work: Path) -> None:
    process = subprocess.Popen(
        command("search.beam_size=2", "search.batch_size=3", "strict=true"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=work,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"the small house\n")
    process.stdin.flush()
    first = process.stdout.readline()  # standard input is open
    assert first.endswith(b"\n")
    rest, log = process.communicate(b"the small house\n\nthe \xff house\nbelow\n", timeout=120)
    assert rest == first + b"\n"
    assert process.returncode == 1
    last = log.decode().splitlines()[-1]
    assert last.startswith("rnnsearch translate: standard input: line 4 is not valid UTF-8")
    assert b"Traceback" not in log
    assert [path.name for path in work.iterdir()] == ["run"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("closed", "sentence"),
    [("<&-", b"standard input is closed"), ("<run/record.json >&-", b"standard output is closed")],
)
def test_closed_streams_are_one_sentence(closed: str, sentence: bytes, work: Path) -> None:
    done = subprocess.run(["bash", "-c", f'"$@" {closed}', "bash", *command()], cwd=work, capture_output=True)
    assert done.returncode == 1
    assert done.stderr.startswith(b"rnnsearch translate: " + sentence)
    assert done.stderr.count(b"\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("bytes_read", [1, None])
def test_nobody_reading_is_no_error(bytes_read: int | None, work: Path) -> None:
    """The reader goes after the first line, or in the middle of a block."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command("search.beam_size=1", "search.batch_size=256"),
        stdin=pipe, stdout=pipe, stderr=pipe, cwd=work, bufsize=0,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(b"the small house\n")
        process.stdout.read(bytes_read or 1)
        if bytes_read is None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(b"the small house\n" * 5_000)
        process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(b"the small house\n" * 100_000)
        log = process.stderr.read()
    assert process.returncode == 141
    assert b"Traceback" not in log
    assert b"BrokenPipe" not in log


@pytest.mark.slow
def test_an_endless_input_and_a_slow_reader_do_not_fill_memory(work: Path) -> None:
    line = "the small house " * 200  # 3 KiB
    with (
        subprocess.Popen(["yes", line], stdout=subprocess.PIPE) as endless,
        subprocess.Popen(
            command("search.beam_size=1", "search.max_source_length=5"),
            stdin=endless.stdout,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=work,
        ) as process,
    ):
        assert process.stdout is not None
        sizes = []
        for _ in range(4):
            for _ in range(1000):
                assert process.stdout.readline().endswith(b"\n")
            time.sleep(1)
            sizes.append(resident(process.pid))
        process.kill()
        endless.kill()
    assert max(sizes) - sizes[0] < 60  # MiB; `yes` gives gigabytes in this time


def resident(pid: int) -> float:
    """MiB in memory."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


@pytest.mark.slow
@pytest.mark.parametrize(("keys", "code"), [(b"\x04", 0), (b"\x03", 130)], ids=["Ctrl-D", "Ctrl-C"])
def test_a_terminal_is_asked_for_lines(keys: bytes, code: int, work: Path) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell ignores it for what runs in the background
        os.chdir(work)
        os.execv(sys.executable, command())
    until(terminal, b"> ")
    os.write(terminal, b"the small house\n")
    assert until(terminal, b"> ").count(b"\n") == 2  # the echo and the translation
    os.write(terminal, keys)
    left = b""
    with contextlib.suppress(OSError):  # how Linux says that the other side is closed
        while part := os.read(terminal, 1000):
            left += part
    os.close(terminal)
    assert b"Traceback" not in left
    assert (b"translated 1 lines" in left) == (code == 0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == code


def until(terminal: int, end: bytes) -> bytes:
    """What a terminal shows, up to ``end``."""
    shown = b""
    while not shown.endswith(end):
        shown += os.read(terminal, 1000)
    return shown


@pytest.mark.slow
def test_a_bar_on_a_terminal_leaves_the_output_alone(work: Path) -> None:
    (work / "in.txt").write_bytes(TEXT)
    ours, theirs = pty.openpty()
    with (work / "in.txt").open("rb") as source:
        process = subprocess.Popen(command(), stdin=source, stdout=subprocess.PIPE, stderr=theirs, cwd=work)
    os.close(theirs)
    out, _ = process.communicate(timeout=120)
    shown = b""
    with contextlib.suppress(OSError):
        while part := os.read(ours, 1000):
            shown += part
    os.close(ours)
    assert process.returncode == 0
    assert out.count(b"\n") == len(LINES)
    assert b"lines" in shown
    assert b"\x1b" not in out
