"""COMET (Rei et al. 2020), a learnt metric, scored by a process in an environment of its own (`comet_worker`).

unbabel-comet wants another NumPy and another torchmetrics than this package, so that the two never share one.
"""

import json
import math
import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rnnsearch.evaluation import comet_worker
from rnnsearch.evaluation.comparison import Chance, Compared
from rnnsearch.evaluation.error_model import Floats
from rnnsearch.evaluation.significance import difference, interval, mean_of_sums, resample
from rnnsearch.evaluation.summed_metrics import Row
from rnnsearch.records.json_files import file_sha256

BUILD = "make comet builds one in the checkout of rnnsearch, or give comet.environment=FOLDER, with unbabel-comet in it"
HPARAMS = "hparams.yaml"  # beside the folder of a model's checkpoint
SHORT = 12  # of a SHA-256's digits
SHOWN = 300  # characters of what the process said last


@dataclass(frozen=True, slots=True)
class Comet:
    """A COMET model and the environment that can run it.

    Attributes:
        checkpoint: a model's model.ckpt, in a folder beside its hparams.yaml, as COMET's downloads lie.
        environment: of Python, with unbabel-comet.
        batch_size: sentences at once.
        device: auto, cpu, cuda, or one GPU of several such as cuda:1.
    """

    checkpoint: Path
    environment: Path
    batch_size: int
    device: str

    def __post_init__(self) -> None:
        """Raises FileNotFoundError where the checkpoint or the environment is missing."""
        if not self.python.is_file():
            raise FileNotFoundError(f"{self.environment} is no environment of Python with COMET; {BUILD}")
        if not self.checkpoint.is_file():
            example = f"{self.python} -c \"import comet; print(comet.download_model('Unbabel/wmt22-comet-da'))\""
            raise FileNotFoundError(
                f"comet.checkpoint={self.checkpoint} does not exist; give a COMET model's model.ckpt; this loads one "
                f"and prints its path: {example}"
            )
        if not (hparams := self.checkpoint.absolute().parent.parent / HPARAMS).is_file():
            raise FileNotFoundError(
                f"comet.checkpoint={self.checkpoint}: {hparams}, which says what model it is, does not exist; copy the "
                "COMET model's whole folder"
            )

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.environment / "bin" / "python"

    def score(self, rows: Sequence[Row]) -> "Scored":
        """The scores of translations.

        Raises:
            ValueError: if the process fails, or does not answer with a finite number a sentence.
        """
        number = re.fullmatch(r"cuda:(\d+)", self.device)
        request = {
            "samples": [{"src": row["source"], "mt": row["hypothesis"], "ref": row["reference"]} for row in rows],
            "batch_size": self.batch_size,
            "gpus": {"cpu": 0, "auto": None}.get(self.device, 1),
            "device": int(number[1]) if number else None,
        }
        command = [str(self.python.absolute()), "-I", comet_worker.__file__, str(self.checkpoint.absolute())]
        variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        done = subprocess.run(command, input=json.dumps(request).encode(), capture_output=True, env=variables)
        return self._scored(done, len(rows))

    def _scored(self, done: "subprocess.CompletedProcess[bytes]", count: int) -> "Scored":
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        last = said[-1][:SHOWN] if said else "nothing"
        if done.returncode != 0:
            raise ValueError(
                f"COMET in {self.environment} ended with {done.returncode} and said last: {last}; look whether "
                f"comet.checkpoint={self.checkpoint} is a whole COMET model, and whether what it is made from "
                "(pretrained_model of its hparams.yaml) is on this machine"
            )
        try:
            answer = json.loads(done.stdout)
            if "missing" in answer:
                raise ValueError(f"{self.environment} has no COMET ({answer['missing']}); {BUILD}")
            scores, version = [float(score) for score in answer["scores"]], str(answer["version"])
        except (json.JSONDecodeError, TypeError, KeyError):
            raise ValueError(f"COMET in {self.environment} gave no scores and said last: {last}; {BUILD}") from None
        if len(scores) != count or not all(map(math.isfinite, scores)):
            wrong = (
                "scores that are no numbers" if len(scores) == count else f"{len(scores)} scores for {count} sentences"
            )
            raise ValueError(f"COMET in {self.environment} gave {wrong}; look at comet.checkpoint={self.checkpoint}")
        signature = f"sha256:{file_sha256(self.checkpoint)[:SHORT]}|version:{version}"
        return Scored(np.array(scores), signature)


@dataclass(frozen=True, slots=True)
class Scored:
    """The score of each translation, and what scored: the checkpoint's SHA-256 and the version of unbabel-comet."""

    scores_N: Floats
    signature: str


def described(scored: Scored, chance: Chance) -> dict[str, Any]:
    """The mean over sentences with its 95 % bootstrap interval, as a split's metrics hold it."""
    counts_NK = _counts(scored.scores_N)
    found = interval(counts_NK, mean_of_sums, resamples=chance.resamples, seed=chance.seed)
    return {
        "comet": float(scored.scores_N.mean()),
        "comet_signature": scored.signature,
        "comet_interval": list(astuple(found)),
    }


def compared(scores: Sequence[float], baseline: Sequence[float], chance: Chance) -> Compared:
    """Both means and their difference, paired by sentence."""
    drawn = [
        resample([_counts(of_one)], mean_of_sums, seed=chance.seed, resamples=chance.resamples)
        for of_one in (baseline, scores)
    ]
    own, other = (float(np.mean(of_one)) for of_one in (scores, baseline))
    return Compared(own, other, difference(*drawn), p_bootstrap=None, p_randomization=None)


def _counts(scores: Sequence[float] | Floats) -> Floats:
    return np.stack([scores, np.ones(len(scores))], axis=1)
