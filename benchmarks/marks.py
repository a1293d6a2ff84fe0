"""Runs a tool's own training command and notes when each update ends: `python -m benchmarks.marks MARKS TOOL ARG...`.

MARKS is a file that gets JSON: the clock after each step of the optimiser, and the target tokens of each batch, as the
tool itself counts them (ends of sentence counted, padding not). Runs under our interpreter and under the peers'.
"""

import functools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook

TIMES: list[float] = []
TOKENS: list[Any] = []


def after(owner: type, method: str, note: Callable[..., Any]) -> None:
    """Call ``note`` with the result and the arguments of each call of a method."""
    original = getattr(owner, method)

    @functools.wraps(original)
    def noting(*arguments: Any, **named: Any) -> Any:
        result = original(*arguments, **named)
        TOKENS.append(note(result, *arguments))
        return result

    setattr(owner, method, noting)


def ours(arguments: list[str]) -> object:
    """`rnnsearch ...`."""
    from rnnsearch.cli.main import main
    from rnnsearch.training.module import TranslationModule

    after(TranslationModule, "training_step", lambda result, *_: result["tokens"])
    return main(arguments)


def joeynmt(arguments: list[str]) -> object:
    """`joeynmt ...`."""
    from joeynmt.__main__ import main
    from joeynmt.training import TrainManager

    after(TrainManager, "_train_step", lambda _, __, batch: batch.ntokens)
    sys.argv = ["joeynmt", *arguments]
    return main()


def opennmt(arguments: list[str]) -> object:
    """`onmt_train ...`."""
    from onmt.bin.train import main
    from onmt.utils.loss import LossCompute

    after(LossCompute, "_stats", lambda statistics, *_: statistics.n_words)
    sys.argv = ["onmt_train", *arguments]
    return main()


TOOLS = {"ours": ours, "joeynmt": joeynmt, "opennmt": opennmt}


def stamp(_: Optimizer, __: Any, ___: Any) -> None:
    """An update has ended."""
    TIMES.append(time.monotonic())


def run() -> int:
    """Train, then write the marks."""
    marks, tool, *arguments = sys.argv[1:]
    register_optimizer_step_post_hook(stamp)
    code = TOOLS[tool](arguments)
    Path(marks).write_text(json.dumps({"times": TIMES, "tokens": [int(one) for one in TOKENS]}))
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    sys.exit(run())
