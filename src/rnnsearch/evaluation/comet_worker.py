"""Scores sentences with COMET, in the environment that ``make comet`` builds: ``python comet_worker.py CHECKPOINT``.

It is a program of another environment, of which nothing here is imported: the standard library and unbabel-comet alone.
Standard input is a JSON object: ``samples``, objects of src, mt and ref; ``batch_size``; ``gpus``, 0 or 1, null for one
where there is one; ``device``, a GPU's number or null. Standard output is a JSON object: ``scores``, one a sample, and
``version``; where unbabel-comet is missing, ``missing`` says what could not be imported.
"""

import json
import os
import sys
from importlib.metadata import version
from typing import Any


def main() -> None:
    """Answer one request; whatever libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    request = json.load(sys.stdin)
    json.dump(_answer(sys.argv[1], request), answers)
    answers.close()


def _answer(checkpoint: str, request: dict[str, Any]) -> dict[str, Any]:
    try:
        import comet
        import torch
    except ImportError as error:
        return {"missing": str(error)}
    gpus = request["gpus"]
    if gpus is None:
        gpus = int(torch.cuda.is_available())
    predicted = comet.load_from_checkpoint(checkpoint).predict(
        request["samples"],
        batch_size=request["batch_size"],
        gpus=gpus,
        devices=None if request["device"] is None else [request["device"]],
        progress_bar=False,
        num_workers=0,
    )
    return {"scores": [float(score) for score in predicted.scores], "version": version("unbabel-comet")}


if __name__ == "__main__":
    main()
