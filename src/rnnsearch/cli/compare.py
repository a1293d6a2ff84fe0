"""``rnnsearch compare``: models that differ in one thing, trained alike, and a report of how they compare."""

import logging
import re
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from omegaconf import DictConfig, ListConfig, OmegaConf

from rnnsearch.cli import build, runs
from rnnsearch.cli.compose import compose
from rnnsearch.cli.jobs import Job, run_jobs
from rnnsearch.cli.matched import BY, matched_overrides, quantity
from rnnsearch.cli.settings import settle_budget
from rnnsearch.data.datamodule import ParallelDataModule
from rnnsearch.records import RECORD, config_hash, read_record, write_json
from rnnsearch.study.publish import publish
from rnnsearch.study.report import write_report
from rnnsearch.training.module import Diverged

logger = logging.getLogger(__name__)

OWN_KEYS = (
    "members",
    "seeds",
    "match",
    "tuning",
    "jobs",
    "question",
    "length_edges",
    "publish",
    "study",
    "ckpt",
    "hydra",
)
SAME_FOR_ALL = ("member", "study", "seed", "paths")  # differences that are no difference


@dataclass(frozen=True)
class Member:
    """One of the compared models: its name and the overrides that make it."""

    name: str
    overrides: tuple[str, ...]

    def and_(self, *more: str) -> "Member":
        """The same with more overrides."""
        return Member(self.name, (*self.overrides, *more))


def run(cfg: DictConfig) -> None:
    """Train all members with all seeds, as far as not done yet, and write the report; prints its path."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stopped either way, the trainings are stopped too
    folder = Path(cfg.paths.output) / _name(cfg)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            report = Comparison(cfg, folder).run()
    except Timeout:
        raise ValueError(
            f"another comparison is at work in {folder}; wait for it or choose another study=NAME"
        ) from None
    print(report)


def _name(cfg: DictConfig) -> str:
    name = str(cfg.study or f"compare-{HydraConfig.get().runtime.choices['data']}")
    if not re.fullmatch(r"[A-Za-z0-9._-]+", name) or name.startswith("."):
        raise ValueError(f"study={name}: a study's name has letters, digits, '.', '_' and '-' only")
    return name


class Comparison:
    """A comparison in its folder."""

    def __init__(self, cfg: DictConfig, folder: Path) -> None:
        self.cfg = cfg
        self.folder = folder
        hydra = HydraConfig.get()
        self.config_dirs = [s.path for s in hydra.runtime.config_sources if s.provider == "command-line"]
        task = [o for o in hydra.overrides.task if o.lstrip("+~").split("=")[0].split(".")[0] not in OWN_KEYS]
        self.common = (*task, f"study={folder.name}")
        seeds = list(cfg.seeds) if isinstance(cfg.seeds, ListConfig) else []
        if not seeds or len(set(seeds)) < len(seeds) or any(type(seed) is not int or seed < 0 for seed in seeds):
            raise ValueError(f"seeds={cfg.seeds}: give a list of different whole numbers, such as 'seeds=[0,1,2]'")
        if any(o.lstrip("+").startswith("seed=") for o in task):
            raise ValueError(f"seed={cfg.seed}: a comparison takes a list; write 'seeds=[{cfg.seed}]'")
        if cfg.match not in ("none", *BY):
            raise ValueError(f"match={cfg.match}: choose one of none, {', '.join(BY)}")
        for name, overrides in cfg.members.items():
            if not isinstance(overrides, ListConfig):
                raise ValueError(
                    f"members.{name}={overrides}: give a list of quoted overrides, such as "
                    f"'+members.{name}=[\"model/context=dot\"]'"
                )
        if len(cfg.members) < 2:
            raise ValueError("a comparison has at least two members; see members in rnnsearch compare --cfg job")

    def run(self) -> Path:
        """Prepare, match, tune, train, report."""
        members = [Member(str(name), (*self.common, *overrides)) for name, overrides in self.cfg.members.items()]
        data = build.build_data(self.config(members[0]))
        data.prepare_data()
        sizes = {"source_size": data.tokenizers.source.size, "target_size": data.tokenizers.target.size}
        found = {member.name: self.size(member, sizes) for member in members}
        if self.cfg.match in BY:
            members = [self.matched(member, found[members[-1].name], sizes) for member in members]
        tuning, members = self.tuned(members)
        jobs = {
            (member.name, seed): self.job(
                member.and_(f"seed={seed}", f"member={member.name}"), f"{member.name}-seed{seed}"
            )
            for seed, member in product(self.cfg.seeds, members)
        }
        self.describe(members, data, jobs, tuning)
        failed = run_jobs(list(jobs.values()), at_once=self.cfg.jobs)
        report = write_report(self.folder)
        if self.cfg.publish:
            publish(self.folder, Path(self.cfg.publish))
        if failed:
            names = ", ".join(job.folder.name for job in failed)
            raise ValueError(
                f"not finished: {names}; the same command again goes on with them (report so far: {report})"
            )
        return report

    def config(self, member: Member) -> DictConfig:
        """The config that ``rnnsearch train`` composes for a member."""
        config = compose("train", member.overrides, self.config_dirs)
        settle_budget(config, list(member.overrides))
        return config

    def job(self, member: Member, name: str) -> Job:
        """The training of a member in a folder of the study."""
        config = self.config(member)
        flags = [f"--config-dir={d}" for d in self.config_dirs]
        hash_ = config_hash(runs.plain(config))
        return Job(self.folder / name, (*member.overrides, *flags), hash_, config.budget.updates)

    def size(self, member: Member, sizes: Mapping[str, int]) -> float:
        """Of a member, by what is matched; its parameters where nothing is.

        Raises:
            ValueError: naming the member, for a combination of options that makes no sense.
        """
        try:
            return quantity(self.config(member), sizes, self.cfg.match)
        except InstantiationException as error:
            if isinstance(error.__cause__, ValueError):
                raise ValueError(f"member {member.name}: {error.__cause__}") from None
            raise
        except ValueError as error:
            raise ValueError(f"member {member.name}: {error}") from None

    def matched(self, member: Member, target: float, sizes: Mapping[str, int]) -> Member:
        """The member with hidden sizes at which it is as large as ``target``."""
        more = matched_overrides(self.config(member), target, sizes, self.cfg.match)
        if more:
            logger.info("%s: %s, for equal %s", member.name, " ".join(more), self.cfg.match)
        return member.and_(*more)

    def tuned(self, members: list[Member]) -> tuple[dict[str, Any] | None, list[Member]]:
        """Each member with its best learning rate of the trials, and the trials' table."""
        rates = [float(f"{self.cfg.optimizer.lr * factor:.6g}") for factor in self.cfg.tuning.factors]
        if not rates:
            return None, members
        updates = min(self.cfg.tuning.updates, self.config(members[0]).budget.updates or self.cfg.tuning.updates)
        short = (
            f"budget.updates={updates}",
            f"trainer.max_steps={updates}",
            f"validation.every={updates}",
            f"scheduler.warmup={min(self.cfg.scheduler.warmup, updates // 10)}",  # so that the full rate is reached
            "test=false",
        )
        trials = {
            (member.name, rate): self.job(
                member.and_(*short, f"optimizer.lr={rate}", f"seed={self.cfg.seeds[0]}", f"member={member.name}"),
                f"trials/{member.name}-lr{rate}",
            )
            for rate, member in product(rates, members)
        }
        failed = run_jobs(list(trials.values()), at_once=self.cfg.jobs)
        broken = [job.folder.name for job in failed if not _diverged(job)]
        if broken:
            raise ValueError(f"trials failed: {', '.join(broken)}; mend them and start again")
        nll = {key: _likelihood(job) for key, job in trials.items() if job not in failed}
        chosen = {member.name: _best_rate(member.name, nll) for member in members}
        logger.info("learning rates chosen: %s", chosen)
        for name, rate in chosen.items():
            if len(rates) > 1 and rate in (min(rates), max(rates)):
                logger.warning("%s: %g is the %s rate tried; widen tuning.factors", name, rate, _end(rate, rates))
        table = [{"member": name, "learning_rate": rate, "nll": nll.get((name, rate))} for name, rate in trials]
        tuning = {"learning_rates": rates, "updates": updates, "trials": table, "chosen": chosen}
        return tuning, [member.and_(f"optimizer.lr={chosen[member.name]}") for member in members]

    def describe(
        self, members: list[Member], data: ParallelDataModule, jobs: Mapping[tuple[str, int], Job], tuning: Any
    ) -> None:
        """Write study.json, which the report is made from."""
        write_json(
            self.folder / "study.json",
            {
                "format": 1,
                "name": self.folder.name,
                "question": self.cfg.question,
                "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "data": data.corpus.name,
                "members": [{"name": m.name, "overrides": list(m.overrides)} for m in members],
                "seeds": list(self.cfg.seeds),
                "match": self.cfg.match,
                "budget": OmegaConf.to_container(self.config(members[0]).budget),
                "tuning": tuning,
                "length_edges": self.cfg.length_edges and list(self.cfg.length_edges),
                "trained_length": max(data.rows("train")["source_words"]),
                "config_difference": self.differences(members),
                "runs": [{"member": m, "seed": s, "folder": job.folder.name} for (m, s), job in jobs.items()],
            },
        )

    def differences(self, members: list[Member]) -> list[dict[str, Any]]:
        """Every key of the resolved configs in which the members differ."""
        flat = {m.name: runs.flat(self.config(m)) for m in members}
        keys = sorted(set().union(*flat.values()))
        values = {key: {name: config.get(key) for name, config in flat.items()} for key in keys}
        return [
            {"key": key, "values": by_member}
            for key, by_member in values.items()
            if len({str(value) for value in by_member.values()}) > 1 and key.split(".")[0] not in SAME_FOR_ALL
        ]


def _end(rate: float, rates: list[float]) -> str:
    return "lowest" if rate == min(rates) else "highest"


def _diverged(job: Job) -> bool:
    """Whether a trial failed because its rate was too high, which is an answer too."""
    record = read_record(job.folder) if (job.folder / RECORD).exists() else {}
    return (record.get("error") or {}).get("type") == Diverged.__name__


def _likelihood(job: Job) -> float:
    return float(read_record(job.folder)["results"]["metrics"]["validation"]["nll"])


def _best_rate(member: str, nll: Mapping[tuple[str, float], float]) -> float:
    own = {rate: value for (name, rate), value in nll.items() if name == member}
    if not own:
        raise ValueError(f"every trial of {member} diverged; add lower ones to tuning.factors")
    return min(own, key=lambda rate: own[rate])
