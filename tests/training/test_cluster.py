"""Which launcher started a process: the variables of a real one count, and nobody's leftovers."""

import logging
import os

import pytest
import torch

from rnnsearch.training import processes
from rnnsearch.training.cluster import FIRST, Place, first_host, place, settle, without_ranks

TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "a", "RANK": "3", "LOCAL_RANK": "1", "GROUP_RANK": "1", "WORLD_SIZE": "4",
    "MASTER_ADDR": "node1", "MASTER_PORT": "29500",
}  # fmt: skip
SRUN = {
    "SLURM_PROCID": "3", "SLURM_LOCALID": "1", "SLURM_NODEID": "1", "SLURM_NTASKS": "4", "SLURM_JOB_ID": "1234567",
    "SLURM_NODELIST": "gpu[07-09,12]",
}  # fmt: skip
CHILD = {
    FIRST: str(os.getppid()), "LOCAL_RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "4000",
}  # fmt: skip


def test_each_launcher_is_known_by_all_that_it_sets() -> None:
    assert place(TORCHRUN) == Place("torchrun", 3, 1, 1, 4, "node1", 29500)
    assert place(SRUN) == Place("srun", 3, 1, 1, 4, "gpu07", 15_000 + 4567)
    assert place(CHILD) == Place("run", 1, 1, 0, 2, "127.0.0.1", 4000)
    assert place({**SRUN, **TORCHRUN}) == place(TORCHRUN)  # torchrun started by srun
    assert place({**SRUN, "MASTER_ADDR": "there", "MASTER_PORT": "7"}) == Place("srun", 3, 1, 1, 4, "there", 7)


@pytest.mark.parametrize(
    "leftovers",
    [
        *({**TORCHRUN, name: "junk"} for name in ("RANK", "LOCAL_RANK", "GROUP_RANK", "WORLD_SIZE", "MASTER_PORT")),
        *({key: value for key, value in TORCHRUN.items() if key != name} for name in TORCHRUN),
        {**TORCHRUN, "RANK": "4"},
        {**TORCHRUN, "RANK": "-1"},
        {"SLURM_NTASKS": "4", "SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "bash"},  # a shell of salloc
        {**SRUN, "SLURM_NTASKS": "1"},
        {**SRUN, "SLURM_LOCALID": ""},
        {"RANK": "1", "WORLD_SIZE": "2"},
        {"LOCAL_RANK": "1", "NODE_RANK": "3", "MASTER_ADDR": "10.1.1.1", "MASTER_PORT": "x"},
        {"OMPI_COMM_WORLD_RANK": "1", "PMI_RANK": "1", "JSM_NAMESPACE_RANK": "1", "LSB_JOBID": "1"},
    ],
)
def test_leftovers_of_another_job_are_taken_out(leftovers: dict[str, str]) -> None:
    """What stays is of no process's place: where SLURM's configuration lies, say."""
    environment = {**leftovers, "SLURM_CONF": "/etc/slurm.conf", "HOME": "/root", "PRANK": "1"}
    settle(environment)
    assert not {"RANK", "LOCAL_RANK", "WORLD_SIZE", "SLURM_PROCID", "JSM_NAMESPACE_RANK", "MASTER_ADDR"} & set(
        environment
    )
    assert {"SLURM_CONF", "HOME", "PRANK"} <= set(environment)
    assert place(environment) is None


def test_what_misleads_is_named(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        settle({"RANK": "1", "WORLD_SIZE": "2"})
        settle({"SLURM_NTASKS": "4"})
        settle({**TORCHRUN, "RANK": "0", "WORLD_SIZE": "1"})  # torchrun with one process
    assert [record.getMessage().partition(" in the")[0] for record in caplog.records] == ["RANK, WORLD_SIZE"]


def test_a_launcher_s_variables_stay() -> None:
    environment = {**TORCHRUN}
    settle(environment)
    assert environment == TORCHRUN
    assert without_ranks({**TORCHRUN, **SRUN, **CHILD, "SLURM_CONF": "x"}).keys() == {
        "SLURM_CONF", "SLURM_JOB_ID", "SLURM_NODELIST",
    }  # fmt: skip


def test_a_process_whose_first_one_has_gone_does_not_train_alone() -> None:
    with pytest.raises(ValueError, match="first process of this run has ended"):
        place({**CHILD, FIRST: "1" if os.getppid() != 1 else "2"})
    assert place({FIRST: "1"}) is None  # no process of Lightning's: a program that a run once started


@pytest.mark.parametrize(
    ("nodes", "first"),
    [("one", "one"), ("one,two", "one"), ("one two", "one"), ("n[3-9]", "n3"), ("a[07-09,12]-ib,b", "a07-ib")],
)
def test_the_first_machine(nodes: str, first: str) -> None:
    assert first_host(nodes) == first


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in os.environ.keys() - without_ranks(os.environ).keys():
        monkeypatch.delenv(name)
    monkeypatch.setattr(processes.rank_zero_only, "rank", 0)
    return monkeypatch


def test_a_run_of_one_process_is_alone_whatever_started_it(alone: pytest.MonkeyPatch) -> None:
    for name, value in SRUN.items():
        alone.setenv(name, value)
    processes.rank_zero_only.rank = 3
    assert processes.joined(1, 1, gpu=False).global_rank() == 0
    assert processes.rank_zero_only.rank == 0
    assert "SLURM_PROCID" not in os.environ


def test_what_does_not_come_together_is_refused(alone: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="num_nodes=2: torchrun or srun must start the command on each machine"):
        processes.joined(1, 2, gpu=False)
    for name, value in TORCHRUN.items():
        alone.setenv(name, value)
    with pytest.raises(ValueError, match=r"torchrun started 4 processes, but trainer.devices=2 .* env -u TORCHELASTIC"):
        processes.joined(2, 1, gpu=False)


@pytest.mark.parametrize("rank", ["0", "1"])
@pytest.mark.slow
def test_nobody_is_waited_for_for_ever(rank: str, alone: pytest.MonkeyPatch) -> None:
    """A job's variables are all there, and its other processes are not."""
    here = {**TORCHRUN, "RANK": rank, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1029"}
    for name, value in here.items():
        alone.setenv(name, value)
    alone.setattr(processes, "MEETING", processes.timedelta(seconds=1))
    with pytest.raises(ValueError, match=r"the others did not meet at 127\.0\.0\.1:1029 within 1 s; if no torchrun"):
        processes.joined(2, 1, gpu=False)
    assert not torch.distributed.is_initialized()
