"""Which launcher started this process (torchrun, srun, its run's first process, or none), and its place among others.

Lightning believes any variable in the environment, and a shell holds those of the job it was opened in. Here a launcher
counts only if all variables that it sets are there, as numbers. Standard library only: this is asked before Lightning
is imported, which reads its rank on import.
"""

import logging
import os
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

logger = logging.getLogger(__name__)

FIRST = "RNNSEARCH_FIRST"  # set in the other processes of a run: the process that started them
RANKS = re.compile(  # what torch and Lightning take for a process's place among others
    rf"(TORCHELASTIC|JSM_NAMESPACE)_|SLURM_(PROCID|LOCALID|NODEID|NTASKS)$|PL_GLOBAL_SEED$|PL_SEED_WORKERS$|{FIRST}$"
    r"|MASTER_(ADDR|PORT)$|STANDALONE_PORT$|((LOCAL|NODE|GROUP|ROLE)_)?RANK$|((LOCAL|GROUP|ROLE)_)?WORLD_SIZE$"
)
MISLEADING = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "TORCHELASTIC_RUN_ID")  # leftovers that are worth a warning


@dataclass(frozen=True)
class Place:
    """A process's place among those of its run.

    Attributes:
        launcher: torchrun, srun, or run: the first process of the run itself.
        rank: among all, from 0.
        local_rank: on its machine.
        node_rank: of the machine.
        processes: of the run.
        address, port: where to reach the first one.
    """

    launcher: str
    rank: int
    local_rank: int
    node_rank: int
    processes: int
    address: str
    port: int


def place(environment: Mapping[str, str]) -> Place | None:
    """Where the environment puts this process; None if no launcher started it, or it is the only one.

    Raises:
        ValueError: if the first process of its run started it and has ended.
    """
    try:
        located = _run(environment) or _torchrun(environment) or _srun(environment)
    except (KeyError, ValueError) as error:
        if FIRST in environment and "LOCAL_RANK" in environment:
            raise ValueError("the first process of this run has ended, and this one with it") from error
        return None
    return located if located and located.processes > 1 and 0 <= located.rank < located.processes else None


def _run(of: Mapping[str, str]) -> Place | None:
    if FIRST not in of or "LOCAL_RANK" not in of:
        return None
    if int(of[FIRST]) != os.getppid():
        raise ValueError
    rank = int(of["LOCAL_RANK"])
    return Place("run", rank, rank, 0, int(of["WORLD_SIZE"]), of["MASTER_ADDR"], int(of["MASTER_PORT"]))


def _torchrun(of: Mapping[str, str]) -> Place | None:
    if "TORCHELASTIC_RUN_ID" not in of:
        return None
    rank, local, node, count = (int(of[name]) for name in ("RANK", "LOCAL_RANK", "GROUP_RANK", "WORLD_SIZE"))
    return Place("torchrun", rank, local, node, count, of["MASTER_ADDR"], int(of["MASTER_PORT"]))


def _srun(of: Mapping[str, str]) -> Place | None:
    """A shell of salloc has SLURM_NTASKS and no SLURM_PROCID."""
    if "SLURM_PROCID" not in of:
        return None
    names = ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_NTASKS")
    rank, local, node, count = (int(of[name]) for name in names)
    nodes = of.get("SLURM_STEP_NODELIST") or of.get("SLURM_NODELIST") or of.get("SLURM_JOB_NODELIST") or "127.0.0.1"
    port = 15_000 + int(of.get("SLURM_JOB_ID", "0")) % 10_000
    address = of.get("MASTER_ADDR") or first_host(nodes)
    return Place("srun", rank, local, node, count, address, int(of.get("MASTER_PORT") or port))


def first_host(nodes: str) -> str:
    """The first of the machines that SLURM lists.

    >>> first_host("gpu[07-09,12],cpu1")
    'gpu07'
    >>> first_host("one,two")
    'one'
    """
    bracketed = re.match(r"([^,\[]*)\[([^\],-]+)[^\]]*\]([^,]*)", nodes)
    return "".join(bracketed.groups()) if bracketed else re.split("[, ]", nodes)[0]


def settle(environment: MutableMapping[str, str]) -> None:
    """Remove what other jobs left in the environment, unless a launcher put this process among others."""
    if place(environment) is not None:
        return
    misleading = [name for name in MISLEADING if name in environment]
    if misleading and environment.get("WORLD_SIZE") != "1":
        logger.warning(
            "%s in the environment: left over from another job, for neither torchrun nor srun started this process "
            "among others; not heeded",
            ", ".join(misleading),
        )
    leave(environment)


def leave(environment: MutableMapping[str, str]) -> None:
    """Make this a process on its own."""
    for name in [name for name in environment if RANKS.match(name)]:
        del environment[name]


def without_ranks(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process on its own."""
    return {name: value for name, value in environment.items() if not RANKS.match(name)}
