"""An environment with COMET in it, played by a script in the place of its interpreter."""

import sys
from pathlib import Path

from rnnsearch.evaluation.comet import Comet

LENGTHS = """
json.dump({"scores": [len(sample["mt"]) / 10 for sample in request["samples"]], "version": "9.9"}, sys.stdout)
"""
STAND_IN = """#!{python}
import json, os, sys
request = json.load(sys.stdin)
json.dump([sys.argv[1:], request, sorted(os.environ)], open({log!r}, "w"))
{answer}
"""


def stand_in(folder: Path, answer: str = LENGTHS, *, device: str = "cpu") -> Comet:
    """An environment whose interpreter answers by itself, and logs what it was asked."""
    python = folder / "environment" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(STAND_IN.format(python=sys.executable, log=str(folder / "log"), answer=answer))
    python.chmod(0o755)
    checkpoint = folder / "model" / "checkpoints" / "model.ckpt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"weights")
    (folder / "model" / "hparams.yaml").write_text("class_identifier: regression_metric\n")
    return Comet(checkpoint, folder / "environment", 4, device)
