"""A process that holds one trained model and translates when asked: `PYTHON -m benchmarks.decode_worker`.

Each tool translates through its own code, from raw text to raw text. See `worker` for the protocol.
"""

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.worker import serve

SEARCH_BATCH = 64  # sentences together, in every tool

# Translates the sentences it was made for: texts, and the target tokens in them.
Translate = Callable[[], tuple[list[str], int]]


class Translator:
    """One tool, and the requests it answers."""

    def load(self, *, tool: str, threads: int, **settings: Any) -> dict[str, Any]:
        """Load the tool's model, with the sentences, the beam and the length that all translations get."""
        torch.set_num_threads(threads)
        self.translate: Translate = LOADERS[tool](**settings)
        return {"seconds": self.run()["seconds"]}  # and warm up

    def run(self) -> dict[str, Any]:
        """Wall-clock and processor seconds of translating all sentences, tokens written, the first translation."""
        wall, processor = time.perf_counter(), time.process_time()
        texts, tokens = self.translate()
        return {
            "seconds": time.perf_counter() - wall,
            "processor": time.process_time() - processor,
            "tokens": tokens,
            "sentences": len(texts),
            "first": texts[0],
        }


def ours(*, folder: str, texts: list[str], beam: int, length: int, device: str, low: bool, **_: Any) -> Translate:
    """`rnnsearch.evaluation.translating.translate`, as `rnnsearch translate` calls it."""
    from rnnsearch.config.build import make
    from rnnsearch.config.compose import compose
    from rnnsearch.evaluation.translating import translate
    from rnnsearch.runs.run_folder import load_run

    run = load_run(Path(folder) / "run", checkpoint="last", device=device)
    search = make(
        compose("translate", ["run=known"]).search,
        beam_size=beam,
        batch_size=SEARCH_BATCH,
        precision="bf16-mixed" if low else "32-true",
        min_length_ratio=0.0,
        min_length_offset=length,
        max_length_ratio=0.0,
        max_length_offset=length,
    )

    def run_once() -> tuple[list[str], int]:
        found = [best for best, *_ in translate(run.model.system, search, texts)]
        return [one.text for one in found], sum(len(one.target_ids) for one in found)

    return run_once


def joeynmt(*, folder: str, texts: list[str], beam: int, length: int, device: str, **_: Any) -> Translate:
    """`joeynmt.prediction.predict`, as `joeynmt translate` calls it."""
    from joeynmt import prediction
    from joeynmt.config import load_config, parse_global_args

    config = load_config(Path(folder) / "config.yaml")
    config["use_cuda"] = device == "cuda"
    config["testing"] |= {"beam_size": beam, "max_output_length": length, "batch_size": SEARCH_BATCH}
    args = parse_global_args(config, rank=0, mode="translate")
    # predict reads min_output_length from the configuration and does not hand it on to the search
    prediction.search = functools.partial(prediction.search, min_output_length=length)
    model, _, _, data = prediction.prepare(args, rank=0, mode="translate")

    def run_once() -> tuple[list[str], int]:
        data.reset_cache()
        for text in texts:
            data.set_item(text)
        _, _, hypotheses, tokens, *_ = prediction.predict(
            model=model, data=data, device=args.device, n_gpu=args.n_gpu, rank=0, compute_loss=False,
            normalization="none", num_workers=0, args=args.test, autocast=args.autocast,
        )  # fmt: skip
        return hypotheses, sum(map(len, tokens))

    return run_once


def opennmt(
    *, folder: str, source: str, target: str, pieces: dict[str, str], beam: int, length: int, **more: Any
) -> Translate:
    """OpenNMT-py's inference engine, as `onmt_translate` calls it: from a file to a file."""
    from onmt.bin.translate import _get_parser
    from onmt.inference_engine import InferenceEnginePY
    from onmt.utils.parse import ArgumentParser

    [model] = Path(folder).glob("model_step_*.pt")
    options = _get_parser().parse_args(
        [
            "-model", str(model), "-src", source, "-output", target, "-beam_size", str(beam),
            "-min_length", str(length), "-max_length", str(length), "-max_length_ratio", "0",
            "-batch_size", str(SEARCH_BATCH), "-transforms", "sentencepiece",
            "-src_subword_model", pieces["source"], "-tgt_subword_model", pieces["target"],
            "-gpu", "0" if more["device"] == "cuda" else "-1",
        ]
    )  # fmt: skip
    ArgumentParser.validate_translate_opts(options)
    ArgumentParser._get_all_transform_translate(options)
    ArgumentParser._validate_transforms_opts(options)
    ArgumentParser.validate_translate_opts_dynamic(options)
    engine = InferenceEnginePY(options)
    translate_batch, written = engine.translator.translate_batch, [0]

    def counting(*arguments: Any) -> dict[str, Any]:
        results: dict[str, Any] = translate_batch(*arguments)
        written[0] += sum(len(best[0]) for best in results["predictions"])
        return results

    engine.translator.translate_batch = counting

    def run_once() -> tuple[list[str], int]:
        written[0] = 0
        _, found = engine.infer_file()
        return [best[0] for best in found], written[0]

    return run_once


LOADERS: dict[str, Callable[..., Translate]] = {"ours": ours, "joeynmt": joeynmt, "opennmt": opennmt}

if __name__ == "__main__":
    serve(Translator())
