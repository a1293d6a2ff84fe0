"""Training runs as processes of their own, a few at a time, each in its own folder and resumable."""

import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from hydra.core.override_parser.types import Quote, QuotedString
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from rnnsearch.model.checkpoint import CHECKPOINTS
from rnnsearch.records import RECORD, read_record

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """One training: its folder, the overrides that ``rnnsearch train`` gets, and the hash of their config."""

    folder: Path
    overrides: tuple[str, ...]
    config_hash: str
    updates: int | None

    @property
    def log(self) -> Path:
        """Where the process's messages go."""
        return self.folder.with_name(f"{self.folder.name}.log")


@dataclass
class _Running:
    job: Job
    process: subprocess.Popen[bytes]


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def is_finished(job: Job) -> bool:
    """Whether the job's folder holds its finished run.

    Raises:
        ValueError: if the folder holds a run of other settings.
    """
    if not (job.folder / RECORD).exists():
        return False
    record = read_record(job.folder)
    if record["config_hash"] != job.config_hash:
        raise ValueError(
            f"{job.folder} holds a run of other settings (config {record['config_hash']}, now {job.config_hash}); "
            "choose another study=NAME, or remove that folder"
        )
    return bool(record["status"] == "finished")


def run_jobs(jobs: Sequence[Job], *, at_once: int | None) -> list[Job]:
    """Run what is not finished yet, going on where a run was stopped; returns the jobs that failed."""
    waiting = [job for job in jobs if not is_finished(job)]
    for job in jobs:
        if job not in waiting:
            logger.info("%s is finished already", job.folder.name)
    slots = min(len(waiting), at_once or torch.cuda.device_count() or cores())
    running: list[_Running] = []
    failed: list[Job] = []
    try:
        with _bars() as bars:
            tasks = {job: bars.add_task(job.folder.name, total=job.updates, note="waiting") for job in waiting}
            while waiting or running:
                while waiting and len(running) < slots:
                    running.append(_start(waiting.pop(0), threads=max(1, cores() // slots)))
                time.sleep(0.5)
                for one in list(running):
                    bars.update(tasks[one.job], completed=_updates(one.job), note=_note(one.job))
                    if one.process.poll() is not None:
                        running.remove(one)
                        failed += [] if _ended_well(one) else [one.job]
    finally:
        for one in running:
            one.process.terminate()
        for one in running:
            one.process.wait()
    return failed


def _bars() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TextColumn("{task.fields[note]}"),
        console=Console(stderr=True), disable=not sys.stderr.isatty(),
    )  # fmt: skip


def _start(job: Job, *, threads: int) -> _Running:
    resume = (job.folder / CHECKPOINTS / "last.ckpt").exists()
    if not resume and job.folder.exists():
        shutil.rmtree(job.folder)  # it stopped before its first validation: nothing to keep
    job.folder.parent.mkdir(parents=True, exist_ok=True)
    words = ["train", *job.overrides, f"hydra.run.dir={quoted(job.folder)}", *(["ckpt=last"] if resume else [])]
    logger.info("%s %s (messages in %s)", "going on with" if resume else "training", job.folder.name, job.log)
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    with job.log.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "rnnsearch", *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
        )
    return _Running(job, process)


def quoted(value: Path | str) -> str:
    """A value as Hydra's grammar takes it whatever it holds."""
    return QuotedString(str(value), Quote.double).with_quotes()


def _ended_well(one: _Running) -> bool:
    code = one.process.returncode
    if code == 0 and is_finished(one.job):
        logger.info("%s: %s", one.job.folder.name, _note(one.job))
        return True
    tail = one.job.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-5:]
    logger.error("%s failed (exit code %s):\n  %s", one.job.folder.name, code, "\n  ".join(tail))
    return False


def _points(job: Job) -> list[dict[str, float]]:
    if not (job.folder / RECORD).exists():
        return []
    points: list[dict[str, float]] = read_record(job.folder)["results"].get("curves", {}).get("validation", [])
    return points


def _updates(job: Job) -> float:
    points = _points(job)
    return points[-1]["update"] if points else 0


def _note(job: Job) -> str:
    points = _points(job)
    return f"validation BLEU {max(p['bleu'] for p in points):.2f}" if points else "started"
