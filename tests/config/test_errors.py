"""What a user can cause is one sentence and an exit code; what we cause keeps its traceback."""

import errno
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import datasets
import pytest
import torch

from rnnsearch.cli.main import main
from rnnsearch.config.build import make
from rnnsearch.config.compose import compose
from rnnsearch.config.errors import explain, shown
from rnnsearch.config.overrides import for_shell

AWKWARD = ["/a b,c/x=1.txt", "/é/ü ñ.txt", "it's (1) [2] {3}.txt", 'say "hi".txt', "back\\slash", "/a,b", "50%:@x"]


needs_a_full_disk = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")


def said(arguments: list[str], capfd: pytest.CaptureFixture[str], code: int = 2) -> str:
    """The one line on standard error of a call that must fail with `code`, and print nothing else."""
    assert main(arguments) == code
    out, err = capfd.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert err.count("\n") == 1, err
    return err


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("trainer.max_step=5", "did you mean trainer.max_steps"),
        ("max_steps=5", "did you mean trainer.max_steps"),
        ("modle=small", "did you mean model"),
        ("modell/context=fixed", "did you mean model/context"),
        ("seeed=1", "did you mean seed?"),
        ("~seeed", "did you mean seed?"),
        ("trainer.zzzz=1", "trainer has max_steps, precision\n"),
        ("qqqq=1", "`rnnsearch train --cfg job` prints them all"),
        ("hydra.rum.dir=x", "hydra.rum.dir is no key of Hydra's"),
        ("model=smal", "model has no option 'smal'; did you mean small?; it has small, tiny"),
        ("model/context=fixd", "model/context has no option 'fixd'; did you mean fixed?; it has additive, fixed"),
        ("+experiment=papr", "did you mean paper?"),
        ("experiment=broken", "model=hgue (a YAML file asks for it): model has no option"),
        ("+model=small", "model is chosen already; write model=OPTION"),
        ("~seed=9", "The value of 'seed' is 1 and not 9"),
        ("~model=small", "~model: no such model is chosen; leave ~model out"),
        ("seed", "'seed' is no override; write KEY=VALUE"),
        ("=3", "'=3' is no override; write KEY=VALUE"),
        ("@x=3", "'@x=3' is no override; write KEY=VALUE"),
        ("+seed=2", "seed is there already; write seed=VALUE, without +"),
        ("+data=files", "data is chosen already; write data=OPTION"),
        ("data=files,other", "has a comma, and data takes one of files, other; for one run each add -m"),
        ("seed=1,2", "'seed=1,2' has a comma, and seed is a whole number from 0 to 4294967295; for one run"),
        ("budget={nosuch:1}", "budget lacks a key of the mapping that it is given; add each"),
        ("budget=[1]", "budget=[1]: budget has keys of its own; set them"),
        ('seed="${"', "${ begins the name of a key, as in ${seed}, and this is none"),
        ("hydra.run.dir=null", "hydra.run.dir=null: null is nothing that it can be"),
        ("hydra.run.dir=", "hydra.run.dir=: give a path, or leave it out"),
        ('hydra.sweep.dir=" "', 'hydra.sweep.dir=" ": give a path'),
        ("hydra.job.chdir=abc", "hydra.job.chdir=abc: give true or false"),
        ("hydra.job.num=abc", "hydra.job.num=abc: give a whole number"),
        ("hydra.run=abc", "hydra.run=abc: it can't be that; `rnnsearch train --cfg hydra` shows what it is"),
        ("a b=3", "'a b' in 'a b=3' is no key"),
        ("data=null", "data is a group; choose one of its options: files, other"),
    ],
)
def test_a_wrong_override(conf: Path, capfd: pytest.CaptureFixture[str], override: str, expected: str) -> None:
    assert expected in said(["train", override], capfd)


def test_a_key_of_what_is_deleted(conf: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "budget.updates can't be set, since ~budget deletes it" in said(
        ["train", "~budget", "budget.updates=3"], capfd
    )


def test_the_nearest_key_is_found_beside_other_overrides(
    conf: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "my" / "model").mkdir(parents=True)
    (tmp_path / "my" / "model" / "mine.yaml").write_text("_target_: mypackage.Model\nwidth: 3\n")
    assert "did you mean model.width" in said(
        ["train", "--config-dir", str(tmp_path / "my"), "model=mine", "model.widht=4"], capfd
    )
    assert "did you mean trainer.max_steps" in said(["train", "trainer.max_step=4", "alsowrong=1"], capfd)


def test_a_wrong_flag_and_a_missing_folder(conf: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "/nope" in said(["train", "--config-dir", "/nope"], capfd)
    assert "--resolve" in said(["train", "--resolve"], capfd)


@pytest.mark.parametrize("path", [*AWKWARD, "=", "~/x"])
def test_the_quoted_form_works_as_shown(conf: Path, path: str) -> None:
    words = shlex.split(for_shell("data.train.source", path))
    assert len(words) == 1
    assert compose("train", words).data.train.source == path
    assert compose("train", [f"data.train.source={path}"]).data.train.source == path


@pytest.mark.parametrize("text", ["/a b,c/x=1.txt", "/é/x.txt", "/a,b.txt", "x(1].txt", "it's.txt"])
def test_an_unreadable_text_is_answered_with_its_quoted_form(
    conf: Path, capfd: pytest.CaptureFixture[str], text: str
) -> None:
    assert for_shell("model.size", text) in said(["train", f"model.size={text}"], capfd)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("seed=4", "data.train.source has no value; give one: data.train.source=..."),
        ("data.train.source=${nowhere}", "data.train.source takes its value from nowhere, which is not there"),
        ("data.train.source=${oc.env:RNNSEARCH_UNSET}", "from the environment's RNNSEARCH_UNSET, which is not set"),
        ("data.train.source=${data.train.source}", "data.train.source takes its value from itself; give it one"),
        ("data.train.source=${oc.nosuch:3}", "data.train.source: there is no ${oc.nosuch:...}; take a key, ${KEY}"),
        ("data.train.source=${gpus_of:a}", "takes its value from a ${NAME:...} that can't take what stands in it"),
    ],
)
def test_a_value_that_cannot_be_had(command, capfd: pytest.CaptureFixture[str], override: str, expected: str) -> None:
    command(lambda cfg: cfg.data.train.source)
    assert expected in said(["train", override], capfd)


def _fails_with(error: BaseException):
    def run(cfg) -> None:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("a.en: 3 lines but a.de: 4"), "rnnsearch train: a.en: 3 lines but a.de: 4\n"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "a.en"), "a.en: no such file or directory"),
        (FileNotFoundError("RUN holds no checkpoint"), "RUN holds no checkpoint"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "/tmp"), "/tmp: is a directory"),
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), "no space left for /x/y; free some, or set paths."),
        (OSError("Error writing bytes. Detail: [errno 28] No space left on device"), "no space left on the disk"),
        (RuntimeError("PytorchStreamWriter failed writing file data/0"), "no space left on the disk"),
        (MemoryError(), "memory does not suffice; halve batches.size and double trainer.accumulate_grad_batches"),
        (
            RuntimeError(
                "[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory: you tried to "
                "allocate 9663676416 bytes. Error code 12 (Cannot allocate memory)"
            ),
            "memory does not suffice for 9.0 GiB more; halve batches.size",
        ),
        (RuntimeError("std::bad_alloc"), "memory does not suffice; halve batches.size"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0"), "for 2.00 GiB more; halve"),
        (OSError(errno.EMFILE, "Too many open files", "/x"), "too many files are open; raise the limit (ulimit -n 10"),
        (OSError(errno.EBADF, "Bad file descriptor"), "standard output is closed, and the results go there"),
        (RuntimeError("unable to open shared memory object </torch_1> in read-write mode"), "data_workers=0 enco"),
        (RecursionError("maximum recursion depth exceeded"), "nested too deeply; give it with fewer levels"),
    ],
)
def test_what_a_user_can_cause(command, capfd: pytest.CaptureFixture[str], error: Exception, expected: str) -> None:
    command(_fails_with(error))
    assert expected in said(["train"], capfd, code=1)


def test_the_traceback_is_there_for_who_asks(command, capfd: pytest.CaptureFixture[str]) -> None:
    command(_fails_with(ValueError("wrong")))
    assert main(["train", "hydra.verbose=true"]) == 1
    err = capfd.readouterr().err
    assert "Traceback" in err
    assert err.endswith("rnnsearch train: wrong\n")


@pytest.mark.parametrize(
    "bug", [KeyError("k"), RuntimeError("shapes"), AssertionError(), AttributeError("x"), TypeError("t")]
)
def test_a_bug_keeps_its_traceback(command, capfd: pytest.CaptureFixture[str], bug: Exception) -> None:
    command(_fails_with(bug))
    assert main(["train"]) == 1
    err = capfd.readouterr().err
    assert "Traceback" in err
    assert "in run" in err
    assert type(bug).__name__ in err


def test_a_key_that_the_code_misspells_is_a_bug(command, capfd: pytest.CaptureFixture[str]) -> None:
    command(lambda cfg: cfg.trainer.max_stepz)
    assert main(["train"]) == 1
    assert "Traceback" in capfd.readouterr().err


def test_an_interrupt(command, capfd: pytest.CaptureFixture[str]) -> None:
    command(_fails_with(KeyboardInterrupt()))
    assert "interrupted" in said(["train"], capfd, code=130)


def test_an_interrupt_that_lightning_turned_into_an_exit(command, capfd: pytest.CaptureFixture[str]) -> None:
    def run(cfg) -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            sys.exit(1)

    command(run)
    assert "interrupted" in said(["train"], capfd, code=130)


@pytest.mark.parametrize(
    ("overrides", "expected", "code"),
    [
        (["+optimizer.lr=-1"], "Invalid learning rate: -1", 1),
        (["+optimizer.lr=1", "+optimizer.speed=2"], "unexpected keyword argument 'speed'", 2),
        (["+optimizer.lr=fast"], "train: optimizer has a value of the wrong type: '<' not supported", 1),
    ],
)
def test_a_constructor_that_refuses(
    command, capfd: pytest.CaptureFixture[str], overrides: list[str], expected: str, code: int
) -> None:
    command(lambda cfg: make(cfg.optimizer, params=[torch.zeros(1, requires_grad=True)]))
    assert expected in said(["train", "++optimizer._target_=torch.optim.SGD", *overrides], capfd, code)


def test_what_amazon_s_cloud_says() -> None:
    exceptions = pytest.importorskip("botocore.exceptions", reason="botocore is not installed; it is in the extra ray")
    told = ("Amazon Web Services, for hydra/launcher=ray_aws: Unable to locate credentials", 1)
    assert explain(exceptions.NoCredentialsError(), "sweep", []) == told


def test_explain_does_not_know_our_bugs() -> None:
    assert explain(KeyError("x"), "train", []) is None


@needs_a_full_disk
@pytest.mark.parametrize(
    "write", [lambda file: torch.save(torch.zeros(1_000_000), file), lambda file: file.write(b"x" * 100_000)]
)
def test_a_full_disk_for_real(command, capfd: pytest.CaptureFixture[str], write: Callable[[BinaryIO], object]) -> None:
    def run(cfg) -> None:
        with open("/dev/full", "wb") as file:
            write(file)

    command(run)
    assert "no space left" in said(["train"], capfd, code=1)


def test_a_generator_that_refuses_while_a_data_set_is_written(
    command, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def pairs():
        yield {"source": "a"}
        raise ValueError("a.en: line 2 is no UTF-8")

    def run(cfg) -> None:
        datasets.disable_progress_bars()
        datasets.Dataset.from_generator(pairs, cache_dir=str(tmp_path / "cache"))

    command(run)
    assert said(["train"], capfd, code=1) == "rnnsearch train: a.en: line 2 is no UTF-8\n"


@needs_a_full_disk
@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["train", "--help"], ["train", "--cfg", "job"]], ids=" ".join
)
def test_standard_output_is_a_full_disk(words: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "rnnsearch", *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert "no space left" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_nobody_reads_standard_output() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "rnnsearch"], stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_sentence_that_quotes_a_file_can_not_command_the_terminal() -> None:
    assert shown("no column 'a\x1b[2J\u202eb'") == r"no column 'a\u001b[2J\u202eb'"
    assert shown("ein schönes 書\nand more") == r"ein schönes 書\nand more"
    assert len(shown("x" * 10_000)) < 2_100
