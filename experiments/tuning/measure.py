"""What tuning by early stopped trials loses: the rule's rate against the best of a whole grid, on other seeds.

``python -m experiments.tuning.measure collect STUDY...`` adds the runs of studies to runs.jsonl and sentences.npz
here; ``python -m experiments.tuning.measure`` makes results.json, table.md and regret.png of these two.
"""

import argparse
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from omegaconf import OmegaConf

from rnnsearch.evaluation.error_model import Floats
from rnnsearch.evaluation.scoring import Scoring
from rnnsearch.evaluation.significance import difference, resample
from rnnsearch.evaluation.summed_metrics import BLEU
from rnnsearch.records.json_files import read_lines, write_json, write_lines, write_text
from rnnsearch.records.run_config import CONFIG, bounded_yaml
from rnnsearch.records.run_record import read_record
from rnnsearch.sweeps.halving import Chosen, Rule, Rung, Values, judged

HERE = Path(__file__).parent
RUNS, SENTENCES = HERE / "runs.jsonl", HERE / "sentences.npz"
RATES = {"controlled": (0.004, 0.008, 0.016), "multi30k": (0.002, 0.004, 0.008)}  # half, once and twice the recipe's
MEASURES = {
    "likelihood": (1, 1.0),
    "BLEU": (2, -1.0),
}  # of a validation: its place, and the sign that makes less better
JUDGED = {  # where trials are judged, and by what
    f"{measure} at 1/4 and {last:g}": ((Rung(share=0.25, keep=2), Rung(share=last, keep=1)), measure)
    for measure in MEASURES
    for last in (0.5, 0.75, 1.0)
}
TUNING = OmegaConf.load(HERE.parents[1] / "conf" / "tuning" / "learning_rate.yaml")
RULE = f"likelihood at 1/4 and {TUNING.judged_at[-1]:g}"  # the present one
EXTENSIONS = 3
WARMUPS = 2
SHORT = 200  # updates of a trial by the old rule
SHARED = {"controlled": 0.004, "multi30k": 0.003}  # the one rate of earlier studies
CHOOSES = 0  # the seed
CORPORA = {"controlled": "built-in corpus", "multi30k": "Multi30k"}
COLUMNS = 3  # of the figure
RESAMPLING = 0  # seed of the resamples

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """What is tuned: a member on a corpus with a budget in updates."""

    corpus: str
    member: str
    updates: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=("collect",))
    parser.add_argument("studies", nargs="*", type=Path, help="folders of studies")
    options = parser.parse_args()
    if options.what == "collect":
        collect(options.studies)
        return
    found = [result for case in cases() for result in judgements(case)]
    write_json(HERE / "results.json", {"rule": RULE, "ways": overall(found), "sisters": sisters(), "cases": found})
    write_text(HERE / "table.md", table(found))
    draw(HERE / "regret.png")
    print(table(found))


def collect(studies: Iterable[Path]) -> None:
    """Add runs of studies; one that is there already is replaced, unless it went further."""
    rows = {key(row): row for row in rows_of(RUNS)}
    found = counts() if SENTENCES.is_file() else {}
    kept = {name: values.astype(np.uint16) for name, values in found.items()}
    for path in sorted(path for study in studies for path in study.glob("*/record.json")):
        row = row_of(path.parent)
        if row is None or len(row["validation"]) < len(rows.get(key(row), row)["validation"]):
            continue  # a trial that was given up tells less than a run
        rows[key(row)] = row
        if row["bleu"] is not None:
            kept[key(row)] = sentence_counts(path.parent)
    write_lines(RUNS, (rows[one] for one in sorted(rows)))
    np.savez_compressed(SENTENCES, **dict(sorted(kept.items())))  # type: ignore[arg-type]  # numpy takes any name for an array, and types its own flag alone
    print(f"{len(rows)} runs in {RUNS}")


def row_of(folder: Path) -> dict[str, Any] | None:
    """What is kept of a run; None of one that has not come to an end, or to where its trial was given up."""
    import yaml

    record = read_record(folder)
    diverged = record.error is not None and record.error.type == "Diverged"
    if record.status not in ("finished", "paused") and not diverged:
        return None
    config = yaml.safe_load(bounded_yaml(folder / CONFIG))
    context = config["model"]["context"]["_target_"].rpartition(".")[2].lower()
    lstm = "lstm" in str(config["model"]["decoder"]["cell"]).lower()
    return {
        "corpus": record.data.name,
        "member": f"{context}, LSTM" if lstm else context,
        "rate": config["optimizer"]["lr"],
        "updates": config["budget"]["updates"],
        "warmup": config["scheduler"]["warmup"],
        "seed": record.seed,
        "diverged": diverged,
        "bleu": record.results.metrics.test.get("bleu"),
        "validation": [[one["update"], one["nll"], one["bleu"]] for one in record.results.curves.validation],
        "training_seconds": record.training_seconds,
        "parameters": record.parameters,
        "commit": record.git.commit if record.git else None,
    }


def sentence_counts(folder: Path) -> np.ndarray[Any, Any]:
    """What BLEU is made of, [sentences, counts]."""
    found = BLEU.sentence_statistics(
        list(read_lines(folder / "translations.test.jsonl")), Scoring.of_record(read_record(folder).scoring)
    )
    return found.astype(np.uint16)


def key(row: Row) -> str:
    return f"{row['corpus']}/{row['member']}/{row['updates']}/{row['rate']:g}/{row['seed']}"


def rows_of(path: Path) -> list[dict[str, Any]]:
    return list(read_lines(path)) if path.is_file() else []


@cache
def known() -> dict[str, Row]:
    return {key(row): row for row in rows_of(RUNS)}


@cache
def counts() -> dict[str, Floats]:
    with np.load(SENTENCES) as kept:
        return {name: kept[name].astype(np.float64) for name in kept.files}


def cases() -> list[Case]:
    """Every case that was trained with more rates and seeds than one."""
    found = dict.fromkeys(
        Case(row["corpus"], row["member"], row["updates"]) for row in known().values() if row["bleu"] is not None
    )
    return [case for case in found if len(measured(case)) > 1]


def run(case: Case, rate: float, seed: int) -> Row | None:
    return known().get(f"{case.corpus}/{case.member}/{case.updates}/{rate:g}/{seed}")


def rates(case: Case, seed: int = CHOOSES) -> list[float]:
    """Those that were trained with a seed."""
    return sorted(
        row["rate"]
        for row in known().values()
        if Case(row["corpus"], row["member"], row["updates"]) == case and row["seed"] == seed
    )


def seeds(case: Case) -> list[int]:
    """Those that measure: others than the one that chooses, trained with several rates."""
    every = {row["seed"] for row in known().values()} - {CHOOSES}
    return sorted(seed for seed in every if len(rates(case, seed)) > 1)


def measured(case: Case) -> list[float]:
    """The rates that were trained to the end with every seed; the others were far behind with the one that chooses."""
    return [rate for rate in rates(case) if seeds(case) and all(is_whole(case, rate, seed) for seed in seeds(case))]


def is_whole(case: Case, rate: float, seed: int) -> bool:
    """Whether a run went on to its end, or diverged; a trial that was given up did not."""
    row = run(case, rate, seed)
    return row is not None and (row["diverged"] or row["bleu"] is not None)


def by_rule(case: Case, how: str = RULE) -> tuple[float, float] | None:
    """The rate that a rule chooses, and the updates of its trials beyond the chosen run, in runs.

    None where a trial was given up before this rule judges it.
    """
    reached: dict[float, int] = {}
    rungs, measure = JUDGED[how]
    place, sign = MEASURES[measure]

    def loss(trial: Values, rung: int) -> float | None:
        rate = dict(trial)["rate"]
        row = run(case, rate, CHOOSES)
        if row is None:
            raise SystemExit(f"{case}: the rule asks for {rate:g}, which was not trained")
        least = min(max(rungs[rung].share * case.updates, WARMUPS * row["warmup"]), case.updates)
        at = next(((one[0], sign * one[place]) for one in row["validation"] if one[0] >= least), None)
        if at is None and not is_whole(case, rate, CHOOSES):
            return None
        reached[rate] = max(reached.get(rate, 0), at[0] if at else row["validation"][-1][0] if row["validation"] else 0)
        return at[1] if at else math.inf

    rule = Rule(key="rate", values=RATES[case.corpus], others=((),), rungs=rungs, extensions=EXTENSIONS)
    chosen = judged(rule, loss)
    if not isinstance(chosen, Chosen):
        return None
    rate = dict(chosen.trial)["rate"]
    return rate, sum(updates for one, updates in reached.items() if one != rate) / case.updates


def of_rule(case: Case) -> tuple[float, float]:
    """By the present rule, of which all trials are there."""
    found = by_rule(case)
    if found is None:
        raise SystemExit(f"{case}: trials end before they are judged: train them on")
    return found


def by_old_rule(case: Case) -> float | None:
    """The rate of the lowest loss after short trials of their own; None where these were not trained."""
    short = Case(case.corpus, case.member, SHORT)
    losses = {
        rate: row["validation"][-1][1]
        for rate in RATES[case.corpus]
        if (row := run(short, rate, CHOOSES)) and not row["diverged"]
    }
    return min(losses, key=lambda rate: losses[rate]) if losses else None


def judgements(case: Case) -> list[dict[str, Any]]:
    """The regret of each way to choose a rate."""
    found = {how: chosen for how in JUDGED if (chosen := by_rule(case, how)) is not None}
    fixed = {"old rule": by_old_rule(case), "recipe": RATES[case.corpus][1], "shared": SHARED[case.corpus]}
    ways = {**{how: rate for how, (rate, _) in found.items()}, **fixed}
    best = max(measured(case), key=lambda one: fmean(bleu(case, one, seed) for seed in seeds(case)))
    return [
        {
            **asdict(case),
            "way": way,
            "rate": one,
            "best_rate": best,
            "extra_cost": found[way][1] if way in found else None,
            **regret(case, best, one),
        }
        for way, one in ways.items()
        if one is not None and one in measured(case)
    ]


def bleu(case: Case, rate: float, seed: int) -> float:
    """Of the test set; 0 for what diverged."""
    row = run(case, rate, seed)
    assert row is not None
    return 0.0 if row["bleu"] is None else float(row["bleu"])


def regret(case: Case, best: float, rate: float) -> dict[str, Any]:
    """BLEU lost with a rate against the best one, on seeds that did not choose, with its 95 % interval."""
    drawn = [
        resample(
            [counts()[f"{case.corpus}/{case.member}/{case.updates}/{one:g}/{seed}"] for seed in seeds(case)],
            BLEU.score,
            seed=RESAMPLING,
        )
        for one in (rate, best)
    ]
    found = difference(*drawn)
    return {"regret": found.value, "low": found.interval.low, "high": found.interval.high, "seeds": len(seeds(case))}


def overall(found: Sequence[Row]) -> dict[str, Any]:
    """Mean and largest regret of each way, and the cost of its trials in runs."""
    ways: dict[str, list[Row]] = {}
    for one in found:
        ways.setdefault(one["way"], []).append(one)
    return {
        way: {
            "mean_regret": fmean(one["regret"] for one in those),
            "largest_regret": max(one["regret"] for one in those),
            "largest_low": max(one["low"] for one in those),
            "mean_cost": _of_costs(those, fmean),
            "largest_cost": _of_costs(those, max),
            "cases": len(those),
        }
        for way, those in ways.items()
    }


def _of_costs(those: Sequence[Row], summary: Callable[[list[float]], float]) -> float | None:
    """Of the trials beyond the runs that are kept; None of ways without trials."""
    costs = [one["extra_cost"] for one in those if one["extra_cost"] is not None]
    return summary(costs) if costs else None


def sisters() -> dict[str, Any]:
    """How much better the run of the seed that chose is than those of the others, at the chosen rate."""
    gaps = [
        bleu(case, rate, CHOOSES) - fmean(bleu(case, rate, seed) for seed in seeds(case))
        for case in cases()
        for rate, _ in (of_rule(case),)
    ]
    if not gaps:
        return {}
    error = float(np.std(gaps, ddof=1) / math.sqrt(len(gaps))) if len(gaps) > 1 else math.nan
    return {"mean": fmean(gaps), "standard_error": error, "cases": len(gaps)}


def table(found: Sequence[Row]) -> str:
    """Markdown."""
    header = ("corpus", "member", "updates", "chosen by", "rate", "best", "regret, BLEU", "extra runs")
    lines = [header, (":--", ":--", "--:", ":--", "--:", "--:", "--:", "--:"), *map(line, found)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def line(one: Row) -> tuple[str, ...]:
    lost = f"{one['regret']:.2f} [{one['low']:.2f}, {one['high']:.2f}]".replace("-", "−")
    cost = "" if one["extra_cost"] is None else f"{one['extra_cost']:.2f}"
    rates = (f"{one['rate']:g}", f"{one['best_rate']:g}")
    return (one["corpus"], one["member"], f"{one['updates']:,}", one["way"], *rates, lost, cost)


def draw(path: Path) -> None:
    """Test BLEU against the rate for every case, seeds apart."""
    every = cases()
    if not every:
        return
    rows = math.ceil(len(every) / COLUMNS)
    figure, grid = plt.subplots(rows, COLUMNS, figsize=(9, 2.7 * rows), layout="constrained", squeeze=False)
    for axes in grid.flat[len(every) :]:
        axes.set_visible(False)
    for axes, case in zip(grid.flat, every, strict=False):
        for seed in (CHOOSES, *seeds(case)):
            whole = [rate for rate in rates(case, seed) if is_whole(case, rate, seed)]
            axes.plot(whole, [bleu(case, rate, seed) for rate in whole], marker="o", markersize=4, label=f"seed {seed}")
        axes.axvline(of_rule(case)[0], color="#8A939C", linestyle="--", linewidth=1)
        axes.set(xscale="log", title=f"{CORPORA[case.corpus]}\n{case.member}, {case.updates:,} updates")
        axes.set_xticks(rates(case), [f"{rate:g}" for rate in rates(case)])
        axes.minorticks_off()
        axes.spines[["top", "right"]].set_visible(False)
        axes.title.set_fontsize(10)
    figure.supxlabel("learning rate", fontsize=10)
    figure.supylabel("test BLEU", fontsize=10)
    grid[0][0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
