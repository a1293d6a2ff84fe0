"""The keys of Hydra's launchers, below ``hydra.launcher``: what each may be, of the type that the launcher takes.

What a section of `OPEN` has besides goes to the launcher's own program as it is.
"""

from collections.abc import Mapping

from rnnsearch.config.keys.kinds import Anything, Choice, Either, Kind, Listed, Named, Number, OrNull, Text, Whole
from rnnsearch.config.keys.training import COUNT, FEW, FLAG, OPTIONAL_PATH, OPTIONAL_TEXT, PATH, TEXT

SOME = OrNull(COUNT)
GPUS = OrNull(Whole(0, 1024))
LINES = OrNull(Listed(TEXT, example='["module load cuda"]'))
MEMORY = OrNull(Text("memory", pattern=r"\d+[KMGT]?", example="4G"))

LOCAL: Mapping[str, Kind] = {"jobs": OrNull(FEW)}

JOBLIB: Mapping[str, Kind] = {
    "n_jobs": Either((FEW, Whole(-1024, -1))),
    "inner_max_num_threads": OrNull(FEW),
    "backend": OrNull(Choice(("loky", "multiprocessing"))),
    "prefer": Choice(("processes", "threads")),
    "require": OrNull(Choice(("sharedmem",))),
    "verbose": Whole(0, 100),
    "timeout": OrNull(Number(above=0)),
    "pre_dispatch": Either((COUNT, Text("text", pattern=r"all|(\d+\*)?n_jobs", example="2*n_jobs"))),
    "batch_size": Either((COUNT, Choice(("auto",)))),
    "temp_folder": OPTIONAL_PATH,
    "max_nbytes": OrNull(Either((COUNT, Text("text", pattern=r"\d+[KMG]", example="1M")))),
    "mmap_mode": OrNull(Choice(("r", "r+", "w+", "c"))),
}

SUBMITIT: Mapping[str, Kind] = {
    "submitit_folder": PATH,
    "name": OPTIONAL_TEXT,
    "timeout_min": COUNT,
    "cpus_per_task": OrNull(FEW),
    "gpus_per_node": GPUS,
    "tasks_per_node": OrNull(FEW),
    "mem_gb": SOME,
    "nodes": COUNT,
    "stderr_to_stdout": FLAG,
}

SLURM: Mapping[str, Kind] = {
    **SUBMITIT,
    **dict.fromkeys(("partition", "qos", "comment", "constraint", "exclude", "gres", "account"), OPTIONAL_TEXT),
    "cpus_per_gpu": OrNull(FEW),
    "gpus_per_task": GPUS,
    "mem_per_gpu": MEMORY,
    "mem_per_cpu": MEMORY,
    "signal_delay_s": Whole(0),
    "max_num_timeout": Whole(0),
    "python": OPTIONAL_TEXT,
    "additional_parameters": Named(Anything(), "options of sbatch"),
    "array_parallelism": COUNT,
    "setup": LINES,
    "srun_args": LINES,
    "use_srun": FLAG,
}

RAY: Mapping[str, Kind] = {
    "ray.init.address": OPTIONAL_TEXT,
    "ray.init.include_dashboard": FLAG,
    "ray.init.log_to_driver": FLAG,
    "ray.init.logging_level": Either((Choice(("debug", "info", "warning", "error", "critical")), Whole(0, 50))),
    "ray.init.num_cpus": OrNull(Whole(0, 100_000)),
    "ray.init.num_gpus": OrNull(Whole(0, 100_000)),
    "ray.remote.num_cpus": OrNull(Number(least=0)),
    "ray.remote.num_gpus": OrNull(Number(least=0)),
}

OPEN = ("ray.init", "ray.remote")
PLUGINS = "hydra_plugins.hydra_"
LAUNCHERS: Mapping[str, Mapping[str, Kind]] = {  # constructor -> key below hydra.launcher -> what it may be
    "rnnsearch.sweeps.local_launcher.LocalLauncher": LOCAL,
    f"{PLUGINS}joblib_launcher.joblib_launcher.JoblibLauncher": JOBLIB,
    f"{PLUGINS}submitit_launcher.submitit_launcher.LocalLauncher": SUBMITIT,
    f"{PLUGINS}submitit_launcher.submitit_launcher.SlurmLauncher": SLURM,
    f"{PLUGINS}ray_launcher.ray_launcher.RayLauncher": RAY,
}
REQUIRED = ("jobs", "n_jobs", "submitit_folder", *OPEN)  # the rest a launcher has a value for
PROGRAMS: Mapping[str, tuple[str, ...]] = {  # that must be there where the command is given
    f"{PLUGINS}submitit_launcher.submitit_launcher.SlurmLauncher": ("sbatch", "srun"),
}
CLOUDS = (f"{PLUGINS}ray_launcher.ray_aws_launcher.RayAWSLauncher",)  # of Amazon
