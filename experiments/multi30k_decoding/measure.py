"""Ways to decode the same trained models: greedy, beam, mean of five checkpoints, ensemble of three seeds.

It writes results.json, table.md and runs.jsonl beside this file. README.md has the commands that make what it reads.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rnnsearch
from rnnsearch.evaluation.corpus_scores import bleu_of_sums, bleu_statistics, chrf_of_sums, chrf_statistics, score
from rnnsearch.evaluation.significance import Resampled, difference, estimate, resample
from rnnsearch.records.json_files import read_lines, write_json, write_lines, write_text
from rnnsearch.records.run_record import read_values
from rnnsearch.study.local_paths import published

HERE = Path(__file__).parent
SEED = 0  # of the resamples
BASELINE = "beam 5"
PLAIN = "one seed without weight averaging, beam 5"
METRICS = {"bleu": (bleu_statistics, bleu_of_sums), "chrf": (chrf_statistics, chrf_of_sums)}


@dataclass(frozen=True)
class Test:
    """The test split: sources and references."""

    sources: list[str]
    references: list[str]


@dataclass(frozen=True)
class Decoded:
    """The translations of each seed, or of the ensemble of all; seconds for one of them."""

    translations: list[list[str]]
    seconds: float

    def resampled(self, test: Test, metric: str, seeds: int) -> Resampled:
        """Scores on resamples of the sentences; what is there once is paired with each of ``seeds``."""
        statistics, of_sums = METRICS[metric]
        counts = [statistics(texts, test.references) for texts in self.translations]
        return resample(counts * (seeds // len(counts)), of_sums, seed=SEED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", nargs="+", type=Path, required=True, help="one run a seed, trained with keep_best=5")
    parser.add_argument("--plain", type=Path, required=True, help="a run without averaging of weights in training")
    options = parser.parse_args()
    rows = list(read_lines(options.runs[0] / "data" / "test.jsonl"))
    test = Test([row["source_text"] for row in rows], [row["target_text"] for row in rows])

    singles, plain = [[run] for run in options.runs], [[options.plain]]
    decoded = {
        "greedy": decode(test, singles, beam_size=1),
        BASELINE: decode(test, singles, beam_size=5),
        "beam 12": decode(test, singles, beam_size=12),
        "beam 5, mean of the five best checkpoints": decode(test, singles, beam_size=5, checkpoint="average"),
        f"beam 5, ensemble of {len(singles)} seeds": decode(test, [options.runs], beam_size=5),
        PLAIN: decode(test, plain, beam_size=5),
        "the same, mean of its five best checkpoints": decode(test, plain, beam_size=5, checkpoint="average"),
    }
    results = {name: figures(test, decoded, name) for name in decoded}
    signature = score(decoded[BASELINE].translations[0], test.references)["bleu_signature"]
    write_json(HERE / "results.json", {"sentences": len(rows), "signature": signature, "systems": results})
    write_text(HERE / "table.md", table(results))
    write_lines(HERE / "runs.jsonl", (published(read_values(run)) for run in [*options.runs, options.plain]))
    print(table(results))


def decode(test: Test, systems: Sequence[Sequence[Path]], *, beam_size: int, checkpoint: str = "best") -> Decoded:
    """The test split by each system; several runs in one are an ensemble."""
    models = [rnnsearch.load(runs, checkpoint=checkpoint, device="cpu") for runs in systems]
    started = time.perf_counter()
    translations = [[one.text for one in model.translate(test.sources, beam_size=beam_size)] for model in models]
    return Decoded(translations, (time.perf_counter() - started) / len(models))


def figures(test: Test, decoded: dict[str, Decoded], name: str) -> dict[str, Any]:
    """Scores with 95 % intervals over sentences (and seeds, where there are some), and differences from beam 5."""
    one = decoded[name]
    is_plain = len(one.translations) == 1 and not name.startswith("beam")
    baseline = decoded[PLAIN if is_plain else BASELINE]
    seeds = len(baseline.translations)
    found: dict[str, Any] = {"seeds": len(one.translations), "seconds": round(one.seconds, 2)}
    for metric in METRICS:
        own = estimate(one.resampled(test, metric, len(one.translations)), seed=SEED)
        against = difference(baseline.resampled(test, metric, seeds), one.resampled(test, metric, seeds), seed=SEED)
        found[metric] = {
            "value": own.value,
            "interval": [own.interval.low, own.interval.high],
            "by_seed": list(own.by_seed),
            "difference": against.value,
            "difference_interval": [against.interval.low, against.interval.high],
            "p_value": against.p_value,
        }
    return found


def table(results: dict[str, dict[str, Any]]) -> str:
    lines = [
        "| decoding | seeds | BLEU | 95 % interval | difference | 95 % interval | p | chrF | seconds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in results.items():
        bleu, chrf = row["bleu"], row["chrf"]
        low, high = bleu["interval"]
        below, above = bleu["difference_interval"]
        is_baseline = name in (BASELINE, PLAIN)
        against = (
            "| | | |"
            if is_baseline
            else (f"| {bleu['difference']:+.2f} | {below:+.2f} to {above:+.2f} | {bleu['p_value']:.4f} |")
        )
        lines.append(
            f"| {name} | {row['seeds']} | {bleu['value']:.2f} | {low:.2f}–{high:.2f} {against} "
            f"{chrf['value']:.2f} | {row['seconds']:.1f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
