"""One step of `corpora` in a process of its own; prints what it found as its last line, in JSON."""

import json
import sys
import time
from pathlib import Path
from typing import Any

SIDES = ("source", "target")


def main() -> None:
    """Do the step that the first argument asks for."""
    asked = json.loads(sys.argv[1])
    began = time.perf_counter()
    from rnnsearch.config.build import build_data
    from rnnsearch.config.compose import compose

    if asked["step"] == "train":
        print(json.dumps(_trained(asked)))
        return
    streamed = asked["step"] == "stream"
    config = compose("train", [*overrides(asked), *(["streaming=100000"] if streamed else [])])
    imported = time.perf_counter()
    data = build_data(config)
    data.prepare_data()
    data.setup("fit")
    prepared = time.perf_counter()
    batches = iter(data.train_dataloader())
    next(batches)
    done = time.perf_counter()
    data.description()
    said = {"imports": imported - began, "prepare": prepared - imported, "first_batch": done - prepared}
    said |= {"seconds": done - imported, "description": time.perf_counter() - done}
    if not streamed:
        said["kept"] = len(data.rows("train"))
    if asked["step"] != "encode":
        said["pipeline_tokens_per_second"] = _speed(batches, 200)
    print(json.dumps(said))


def _trained(asked: dict[str, Any]) -> dict[str, Any]:
    """A few updates by the command itself."""
    from rnnsearch.cli.main import main as command
    from rnnsearch.records.run_record import read_record

    run = Path(asked["folder"]) / "run"
    command([
        "train", *overrides(asked), "trainer=cpu", f"budget.updates={asked['updates']}", "samples=0",
        f"validation.every={asked['updates']}", "validation.sentences=20", "test=false", f"hydra.run.dir={run}",
    ])  # fmt: skip
    record = read_record(run)
    return {key: getattr(record, key) for key in ("seconds", "tokens_per_second", "updates")}


def _speed(batches: Any, count: int) -> float:
    """Target tokens a second of the batches alone."""
    began, tokens = time.perf_counter(), 0
    for _, batch in zip(range(count), batches, strict=False):
        tokens += batch.target_tokens
    return tokens / (time.perf_counter() - began)


def overrides(asked: dict[str, Any]) -> list[str]:
    """What a command line for the same data says."""
    folder = Path(asked["folder"])
    shared = [f"paths.cache={folder / 'cache'}", f"encoding_processes={asked['processes']}", f"model={asked['model']}"]
    files = [f"data.{split}.{side}={folder / split}.{side}" for split in ("train", "validation") for side in SIDES]
    return [*shared, "data=files", "data.source_language=en", "data.target_language=de", *files]


if __name__ == "__main__":
    main()
