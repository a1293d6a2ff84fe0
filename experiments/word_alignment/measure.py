"""Word alignments against links made by hand: attention, gradient saliency, eflomal, the diagonal.

It writes results.json, table.md, a picture for each corpus and runs.jsonl beside this file. README.md has the commands
that make what it reads.
"""

import argparse
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

import rnnsearch
from rnnsearch.data.corpus import SPLITS
from rnnsearch.data.greek_english import GreekEnglishCorpus
from rnnsearch.evaluation.alignment_links import (
    GoldLinks,
    Links,
    aer_of_sums,
    alignment_score,
    alignment_statistics,
    parse_pharaoh,
)
from rnnsearch.evaluation.significance import difference, estimate, resample
from rnnsearch.evaluation.symmetrization import METHODS as HOW
from rnnsearch.evaluation.symmetrization import symmetrize
from rnnsearch.records.json_files import read_lines, write_json, write_lines, write_text
from rnnsearch.records.run_record import read_values
from rnnsearch.study.local_paths import published

HERE = Path(__file__).parent
EFLOMAL_RUNS = 5  # it takes its seed from the clock
SEED = 0  # of the resamples

Pairs = list[tuple[str, str]]
Systems = dict[str, list[Links]]
Results = dict[str, dict[str, Any]]


def main() -> None:
    options = arguments()
    found = {"greek_english": greek_english(options), "controlled": controlled(options)}
    write_json(HERE / "results.json", found)
    tables = "\n".join(f"{corpus}:\n\n{table(results)}" for corpus, results in found.items())
    write_text(HERE / "table.md", tables)
    for corpus, results in found.items():
        draw(results, HERE / f"{corpus}.png")
    runs = [path for name, path in vars(options).items() if name not in ("eflomal", "root")]
    write_lines(HERE / "runs.jsonl", (published(read_values(Path(run))) for run in runs))
    print(tables)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--additive", required=True, help="run with additive attention, Greek to English")
    parser.add_argument("--additive-reverse", required=True, help="the same, English to Greek")
    parser.add_argument("--fixed", required=True, help="run with a fixed context of equal size, Greek to English")
    parser.add_argument("--fixed-reverse", required=True, help="the same, English to Greek")
    parser.add_argument("--controlled-additive", required=True, help="run with additive attention, built-in corpus")
    parser.add_argument("--controlled-previous", required=True, help="the same, with the paper's query state")
    parser.add_argument("--controlled-longer", required=True, help="that one, trained three times as long")
    parser.add_argument("--controlled-fixed", required=True, help="the same, with a fixed context")
    parser.add_argument("--eflomal", type=Path, required=True, help="the bin folder of the environment that has it")
    parser.add_argument("--root", help="the Greek-English files; left out, they are fetched")
    return parser.parse_args()


def greek_english(options: argparse.Namespace) -> Results:
    """The test split of the New Testament, both directions."""
    corpus = GreekEnglishCorpus(root=options.root, cache="~/.cache/rnnsearch", reverse=False)
    corpus.prepare()
    texts = {split: [(pair.source, pair.target) for pair in corpus.pairs(split)] for split in SPLITS}
    gold = [GoldLinks(frozenset(pair.links or ()), frozenset(pair.links or ())) for pair in corpus.pairs("test")]
    pairs = texts["test"]
    systems: Systems = {"diagonal": [diagonal(*pair) for pair in pairs]}
    systems |= neural("additive, attention", options.additive, options.additive_reverse, pairs, "attention")
    systems |= neural("additive, saliency", options.additive, options.additive_reverse, pairs, "saliency")
    systems |= neural("fixed, saliency", options.fixed, options.fixed_reverse, pairs, "saliency")
    every = [*texts["train"], *texts["validation"], *pairs]
    runs = [eflomal(options.eflomal, every, len(pairs)) for _ in range(EFLOMAL_RUNS)]
    results = scored(systems | runs[0], gold)
    for name in runs[0]:
        results[name]["aer_by_run"] = [alignment_score(run[name], gold).aer for run in runs]
    return results


def controlled(options: argparse.Namespace) -> Results:
    """The test split of the built-in corpus, English to German."""
    rows = list(read_lines(Path(options.controlled_additive) / "data" / "test.jsonl"))
    pairs = [(row["source_text"], row["target_text"]) for row in rows]
    gold = [parse_pharaoh(row["links"]) for row in rows]
    systems = {"diagonal": [diagonal(*pair) for pair in pairs]}
    for name, run, method in (
        ("additive, attention", options.controlled_additive, "attention"),
        ("additive, attention, query state previous", options.controlled_previous, "attention"),
        ("additive, attention, query state previous, longer", options.controlled_longer, "attention"),
        ("additive, saliency", options.controlled_additive, "saliency"),
        ("fixed, saliency", options.controlled_fixed, "saliency"),
    ):
        systems[name] = [one.links for one in rnnsearch.load(run).align(pairs, method=method)]
    systems["best single link a target word"] = [ceiling(*parts) for parts in zip(pairs, gold, strict=True)]
    return scored(systems, gold)


def ceiling(pair: tuple[str, str], gold: GoldLinks) -> Links:
    """What argmax could reach: one gold link for each target word, the first source word where there is none."""
    best = {target: source for source, target in sorted(gold.sure, reverse=True)}
    return frozenset((best.get(word, 0), word) for word in range(len(pair[1].split(" "))))


def diagonal(source: str, target: str) -> Links:
    """Each target word to the source word at the same share of the sentence."""
    sources, targets = len(source.split(" ")), len(target.split(" "))
    return frozenset((i * sources // targets, i) for i in range(targets))


def neural(name: str, run: str, reverse: str, pairs: Pairs, method: str) -> Systems:
    """Argmax links of a run in each direction, Greek word first, and of both together."""
    turned = [(target, source) for source, target in pairs]
    forward = [one.links for one in rnnsearch.load(run).align(pairs, method=method)]
    backward = [flipped(one.links) for one in rnnsearch.load(reverse).align(turned, method=method)]
    return both_ways(name, forward, backward)


def eflomal(folder: Path, pairs: Pairs, last: int) -> Systems:
    """eflomal, trained on all text, in each direction and both together; the links of the last pairs."""
    with tempfile.TemporaryDirectory() as scratch:
        names = [Path(scratch) / name for name in ("source", "target", "forward", "reverse")]
        for side, path in enumerate(names[:2]):
            path.write_text("".join(f"{pair[side]}\n" for pair in pairs), encoding="utf-8")
        words = zip(("-s", "-t", "-f", "-r"), map(str, names), strict=True)
        command = [str(folder / "eflomal-align"), "--model", "3", *(word for pair in words for word in pair)]
        environment = os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
        subprocess.run(command, check=True, env=environment, stderr=subprocess.DEVNULL)
        # Its "forward" links each target word to one source word at most, as attention's argmax does.
        forward, backward = ([parse_pharaoh(line).sure for line in path.open()][-last:] for path in names[2:])
    return both_ways("eflomal", forward, backward)


def both_ways(name: str, forward: Sequence[Links], backward: Sequence[Links]) -> Systems:
    together = {
        f"{name}, {how}": [symmetrize(*links, how) for links in zip(forward, backward, strict=True)] for how in HOW
    }
    return {f"{name}, grc→en": list(forward), f"{name}, en→grc": list(backward)} | together


def flipped(links: Links) -> Links:
    return frozenset((source, target) for target, source in links)


def scored(systems: Systems, gold: Sequence[GoldLinks]) -> Results:
    """AER with its 95 % interval over sentences, its difference from attention's best, precision, recall."""
    resampled = {}
    for name, links in systems.items():
        counts = [alignment_statistics(*pair) for pair in zip(links, gold, strict=True)]
        resampled[name] = resample([np.array(counts, dtype=np.float64)], aer_of_sums, seed=SEED)
    attention = [name for name in systems if name.startswith("additive, attention")]
    best = min(attention, key=lambda name: resampled[name].score_S[0])
    results: Results = {}
    for name, links in systems.items():
        interval = estimate(resampled[name], seed=SEED).sentences
        against = difference(resampled[best], resampled[name], seed=SEED)
        total = alignment_score(links, gold)
        results[name] = {
            "aer": total.aer,
            "interval": [interval.low, interval.high],
            "precision": total.precision,
            "recall": total.recall,
            "minus_best_attention": [against.value, against.sentences.low, against.sentences.high],
        }
    return results


def table(results: Results) -> str:
    lines = [
        "| links | AER | 95 % interval | minus best of attention | precision | recall |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in results.items():
        low, high = row["interval"]
        spread = row.get("aer_by_run", [row["aer"]])
        runs = f" (runs: {min(spread):.3f}–{max(spread):.3f})" if len(spread) > 1 else ""
        value, below, above = row["minus_best_attention"]
        against = f"{value:+.3f} ({below:+.3f} to {above:+.3f})" if value else ""
        lines.append(
            f"| {name} | {row['aer']:.3f}{runs} | {low:.3f}–{high:.3f} | {against} | {row['precision']:.3f} | "
            f"{row['recall']:.3f} |"
        )
    return "\n".join(lines) + "\n"


def draw(results: Results, path: Path) -> None:
    names = list(results)[::-1]
    values = np.array([results[name]["aer"] for name in names])
    ends = np.array([results[name]["interval"] for name in names])
    figure, axes = plt.subplots(figsize=(8, 0.32 * len(names) + 1), layout="constrained")
    colors = ["#1f77b4" if "additive" in n else "#d62728" if "fixed" in n else "#7f7f7f" for n in names]
    axes.barh(names, values, xerr=np.abs(ends.T - values), color=colors, ecolor="black", capsize=2)
    axes.set(xlabel="alignment error rate (lower is better), 95 % interval over sentences", xlim=(0, 1))
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
