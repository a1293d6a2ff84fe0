"""The translate command: lines in and lines out, in step; the search of a run; a process that others can pipe."""

import contextlib
import errno
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from rnnsearch.cli import build, runs
from rnnsearch.cli.compose import compose
from rnnsearch.cli.translate import chosen_search, translate_stream
from rnnsearch.data.corpus import Pair
from rnnsearch.data.sentencepiece_tokenizer import SentencePieceTraining
from rnnsearch.evaluation.translating import translate
from rnnsearch.model.build import build_translator
from rnnsearch.search.hypotheses import Search

NASTY = [
    "a small house",
    "",
    " ",
    "  two  blanks  ",
    "\t",
    "tab\tinside",
    "\x00\x01\x1b[31m control \x7f",
    "form\x0cfeed\x0bvertical",
    "next\x85line\u2028separator\u2029paragraph",
    "ἐν ἀρχῇ ἦν ὁ λόγος 書 ไทย العربية 🙂 e\u0301",
    "\ufeff mark",
    "▁▅\ue000\ue001",
    "</s> <s> <pad> <unk> <0x0A>",
    "carriage\rreturn",
    "long " * 3000,
    "x" * 20000,
    "the end",
]


def shout(texts: Sequence[str]) -> list[str]:
    return [text.upper() for text in texts]


def streamed(data: bytes, translations: Callable[[Sequence[str]], Sequence[str]] = shout, at_once: int = 4) -> bytes:
    sink = BytesIO()
    translate_stream(BytesIO(data), sink, translations, at_once=at_once)
    return sink.getvalue()


# Lines


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", b""),
        (b"a\nb\n", b"A\nB\n"),
        (b"a\nb", b"A\nB\n"),
        (b"a\r\n\r\nb\r\n", b"A\n\nB\n"),
        (b"\n\n\n", b"\n\n\n"),
        (b"\n", b"\n"),
        (b"\xef\xbb\xbfa\nb\n", b"A\nB\n"),
        (b"a\rb\xe2\x80\xa8c\x0cd\n", b"A B\xe2\x80\xa8C\x0cD\n"),
    ],
)
@pytest.mark.parametrize("at_once", [1, 64])
def test_lines_out_for_lines_in(data: bytes, expected: bytes, at_once: int) -> None:
    assert streamed(data, at_once=at_once) == expected


def test_a_translation_stays_on_its_line() -> None:
    assert streamed(b"a\nb\n", lambda texts: ["x\ny\r\nz"] * len(texts)) == b"x y  z\n" * 2


def test_groups_are_bounded_and_in_order() -> None:
    sizes: list[int] = []

    def counting(texts: Sequence[str]) -> Sequence[str]:
        sizes.append(len(texts))
        return texts

    data = b"".join(b"%d\n" % i for i in range(1000))
    assert streamed(data, counting, at_once=16) == data
    assert sum(sizes) == 1000
    assert max(sizes) <= 16


def test_reading_ahead_is_bounded() -> None:
    class Endless:
        def __init__(self) -> None:
            self.read = 0

        def __iter__(self) -> Iterator[bytes]:
            while self.read < 10**6:
                self.read += 1
                yield b"line\n"

    def failing(texts: Sequence[str]) -> Sequence[str]:
        threading.Event().wait(0.3)
        raise ValueError("enough")

    source = Endless()
    with pytest.raises(ValueError, match="enough"):
        translate_stream(source, BytesIO(), failing, at_once=10)
    assert source.read <= 10 + 2 * 10 + 1


@pytest.mark.parametrize("at_once", [1, 2, 64])
def test_bytes_that_are_not_utf8_end_it_after_the_lines_before(at_once: int) -> None:
    sink = BytesIO()
    with pytest.raises(ValueError, match=r"standard input: line 3 is not valid UTF-8 \(invalid start byte at byte 2"):
        translate_stream(BytesIO(b"a\nb\nc\xff\nd\n"), sink, shout, at_once=at_once)
    assert sink.getvalue() == b"A\nB\n"


def test_an_input_that_breaks_off_is_one_sentence() -> None:
    class Breaking:
        def __iter__(self) -> Iterator[bytes]:
            yield b"a\n"
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    sink = BytesIO()
    with pytest.raises(ValueError, match=r"standard input can't be read \(input/output error\)"):
        translate_stream(Breaking(), sink, shout, at_once=4)
    assert sink.getvalue() == b"A\n"


def test_the_first_line_comes_before_the_input_ends() -> None:
    in_read, in_write = os.pipe()
    out_read, out_write = os.pipe()
    with open(in_read, "rb") as source, open(out_write, "wb") as sink, open(out_read, "rb") as result:
        worker = threading.Thread(target=translate_stream, args=(source, sink, shout), kwargs={"at_once": 512})
        worker.start()
        for line in (b"first\n", b"second\n"):
            os.write(in_write, line)
            assert result.readline() == line.upper()
        os.write(in_write, b"third\nfour")
        os.close(in_write)
        assert result.readline() == b"THIRD\n"
        worker.join(timeout=10)
        assert not worker.is_alive()
        assert result.readline() == b"FOUR\n"


# The search of a run


def test_overrides_go_over_the_runs_own_search() -> None:
    own = OmegaConf.create({"_target_": "x", "beam_size": 3, "batch_size": 9})
    chosen = OmegaConf.create({"_target_": "x", "beam_size": 5, "batch_size": 64})
    assert chosen_search(own, chosen, ["run=r"]) == own
    assert chosen_search(own, chosen, ["search.beam_size=5"]) == {**own, "beam_size": 5}
    assert chosen_search(own, chosen, ["run=r", "search.batch_size=64", "search.beam_size=5"]) == chosen
    assert chosen_search(own, chosen, ["search=beam", "search.beam_size=5"]) == chosen


def test_a_run_older_than_a_setting_has_the_shipped_value() -> None:
    shipped = compose("translate", ["run=there"]).search
    for younger in ("min_length_ratio", "min_length_offset"):
        old = OmegaConf.masked_copy(shipped, [key for key in shipped if key != younger])
        old.beam_size = 3
        assert younger not in old
        assert chosen_search(old, shipped, ["run=r"]) == {**shipped, "beam_size": 3}
    assert (shipped.min_length_ratio, shipped.min_length_offset) == (0, 0)


def test_the_shipped_config_takes_what_the_issue_shows() -> None:
    config = compose("translate", ["run=there", "search.beam_size=5", "search.batch_size=64"])
    assert (config.run, config.checkpoint, config.device) == ("there", "best", "auto")
    assert build.build_search(config.search).beam_size == 5
    assert build.build_search(compose("translate", ["run=there", "search=greedy"]).search).beam_size == 1


# A whole run


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What train leaves, for a small model with random weights."""
    folder = tmp_path_factory.mktemp("runs") / "a run, é=1"
    words = random.Random(0)
    text = [" ".join(words.choices(["the", "small", "house", "stood", "there", "below"], k=6)) for _ in range(50)]
    training = SentencePieceTraining(
        algorithm="bpe", source_size=320, target_size=320, joint=True, character_coverage=1.0, threads=1
    )
    tokenizers = training.fit(lambda: (Pair(line, line, 1) for line in text), "en", "en")
    config = OmegaConf.create({"model": small_model(), "search": compose("translate", ["run=x"]).search})
    config.search.max_length_ratio = 0.5
    config.search.max_source_length = 40
    del config.search.min_length_ratio, config.search.min_length_offset  # as runs before these settings
    translator = build_translator(config.model, source_size=tokenizers.source.size, target_size=tokenizers.target.size)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in translator.parameters():
            parameter.normal_(generator=generator)
    checkpoint = {
        "rnnsearch": runs.checkpoint_content(config, tokenizers),
        "state_dict": {f"translator.{name}": value for name, value in translator.state_dict().items()},
    }
    (folder / "checkpoints").mkdir(parents=True)
    torch.save(checkpoint, folder / "checkpoints" / "best.ckpt")
    (folder / "record.json").write_text('{"format": 1}')
    runs.save_config(config, folder)
    return folder


def small_model() -> DictConfig:
    sizes = {"embedding_size": 8, "hidden_size": 12, "attention_size": 8, "readout_size": 8, "dropout": 0.0}
    return compose(
        "train", ["data=files", "model=tiny", *(f"model.{key}={value}" for key, value in sizes.items())]
    ).model


def test_one_line_out_for_each_nasty_line(run_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    loaded = runs.load_run(run_folder, device="cpu")
    system = loaded.model.system
    system.members[0].translator.double()
    data = "".join(f"{line}\n" for line in NASTY).encode()
    outputs = []
    for batch_size in (1, 7, 64):
        own = chosen_search(loaded.config.search, compose("translate", ["run=x"]).search, [])
        search = build.build_search(own, batch_size=batch_size)

        def translations(texts: Sequence[str], search: Search = search) -> list[str]:
            return [best.text for best, *_ in translate(system, search, texts)]

        outputs.append(streamed(data, translations, at_once=2 * batch_size))
    lines = outputs[0].split(b"\n")
    assert len(lines) == len(NASTY) + 1
    assert lines[-1] == b""
    assert lines[NASTY.index("")] == b""
    assert sum(line != b"" for line in lines) > 10
    assert outputs == [outputs[0]] * 3
    assert "have more than 40 tokens" in caplog.text


def command(*overrides: str) -> list[str]:
    return [sys.executable, "-m", "rnnsearch", "translate", *overrides]


def test_the_process_answers_line_by_line_and_leaves_nothing(run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "my run").symlink_to(run_folder)
    process = subprocess.Popen(
        command("run=my run", "device=cpu", "search.beam_size=2", "search.batch_size=3"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"the small house\n")
    process.stdin.flush()
    first = process.stdout.readline()  # standard input is open
    assert first.endswith(b"\n")
    rest, log = process.communicate(b"the small house\n\nthe \xff house\nbelow\n", timeout=60)
    assert rest == first + b"\n"
    assert process.returncode == 1
    last = log.decode().splitlines()[-1]
    assert last.startswith("rnnsearch translate: standard input: line 4 is not valid UTF-8")
    assert b"Traceback" not in log
    assert [path.name for path in tmp_path.iterdir()] == ["my run"]


@pytest.mark.slow
def test_nobody_reading_is_no_error(run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "run").symlink_to(run_folder)
    with subprocess.Popen(
        command("run=run", "device=cpu", "search.beam_size=1", "search.batch_size=1"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        bufsize=0,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(b"the small house\n")
        assert process.stdout.read(1)
        process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(b"the small house\n" * 100_000)
        log = process.stderr.read()
    assert process.returncode == 141
    assert b"Traceback" not in log
    assert b"BrokenPipe" not in log
