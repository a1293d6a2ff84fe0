"""How often reports claim a difference that isn't there, find one that is, and find what they call detectable.

Made-up studies are judged by the project's own functions. A run's score is its system's, moved by the member's
sentences (shared by its seeds), by its seed, and by what this seed does with these sentences; all normal. It writes
results.json and table.md beside this file, and fills the figures of README.md.
"""

import argparse
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from rnnsearch.evaluation.error_model import ERROR, Errors, Floats, hold
from rnnsearch.evaluation.power import POWER, detectable, seeds_needed
from rnnsearch.evaluation.significance import difference, resample
from rnnsearch.records.json_files import write_json, write_text

HERE = Path(__file__).parent
STUDIES, SEED = 4000, 0
SENTENCES, OWN = 0.4, 0.3  # standard deviations: a member's over sentences, and a seed's own over them
SPREADS = {"0.5": (0.5,), "0.3, 0.5, 2": (0.3, 0.5, 2.0), "0.1, 3": (0.1, 3.0)}  # over seeds, members in turn
PILOTS, ASKING, NEW = 20_000, 300, 8  # pilots of a detectable difference, and of a number of seeds; new studies each
GRID = 60  # variances of which the detectable difference is found, for those between to be read off
REAL = (0.5, 1.0, 2.0, 4.0)

Pairs = Sequence[tuple[int, int]]
Which = NDArray[np.bool_]  # of the studies


def scores(
    generator: np.random.Generator, spreads: Sequence[float], *, studies: int, seeds: int, real: float = 0.0
) -> Floats:
    """[studies, members, seeds]; the first member is worse than all others by ``real``."""
    members = len(spreads)
    truth = np.where(np.arange(members) == 0, 0.0, real)[:, None]
    shared = generator.normal(0, SENTENCES, (studies, members, 1))
    of_seed = generator.normal(0, 1, (studies, members, seeds)) * np.hypot(spreads, OWN)[:, None]
    return np.asarray(truth + shared + of_seed)


def errors(score: Floats, one: int, other: int) -> tuple[Floats, float, Floats]:
    """Mean difference, the sentences' variance as the bootstrap would find it, and that of the seeds."""
    gap, seeds = score[:, one] - score[:, other], score.shape[2]
    own = 2 * OWN**2 if seeds == 1 else 0.0
    return gap.mean(axis=1), 2 * SENTENCES**2 + own, gap.var(axis=1, ddof=1) / seeds if seeds > 1 else 0 * gap[:, 0]


def anywhere(found: Sequence[Which]) -> Which:
    """Which studies are among any of those found."""
    which: Which = np.logical_or.reduce(found)
    return which


def claims(score: Floats, pairs: Pairs) -> Which:
    """Which studies claim a difference in any pair, by the product."""
    found = [hold(*errors(score, *pair), score.shape[2] - 1, together=len(pairs)) for pair in pairs]
    return anywhere(found)


def sentences_alone(score: Floats, pairs: Pairs) -> Which:
    """What would be claimed by the sentences alone, each pair by itself."""
    found = [
        np.abs(errors(score, *pair)[0]) > 1.96 * np.sqrt(2 * (SENTENCES**2 + OWN**2 / score.shape[2])) for pair in pairs
    ]
    return anywhere(found)


def satterthwaite(score: Floats, pairs: Pairs) -> Which:
    """Both variances added, Student's t with Satterthwaite's degrees of freedom, Bonferroni."""
    found = []
    for pair in pairs:
        gap, sentences, seeds = errors(score, *pair)
        freedom = (score.shape[2] - 1) * ((sentences + seeds) / seeds) ** 2
        p = 2 * stdtr(np.minimum(freedom, 1e9), -np.abs(gap) / np.sqrt(sentences + seeds))
        found.append(len(pairs) * p < ERROR)
    return anywhere(found)


def pooled(score: Floats, pairs: Pairs) -> Which:
    """One variance over seeds for all members, Bonferroni."""
    seeds, variance = score.shape[2], score.var(axis=2, ddof=1).mean(axis=1)
    freedom = score.shape[1] * (seeds - 1)
    found = [hold(*errors(score, *pair)[:2], 2 * variance / seeds, freedom, together=len(pairs)) for pair in pairs]
    return anywhere(found)


OTHERS: dict[str, Callable[[Floats, Pairs], Which]] = {"Satterthwaite": satterthwaite, "pooled": pooled}


def null(*, studies: int, seeds: Sequence[int], members: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Claims where no system differs: planned pairs with a baseline, all pairs, other models of the planned ones."""
    for count, spread, size in product(seeds, SPREADS, members):
        generator = np.random.default_rng([SEED, count, size])
        spreads = [SPREADS[spread][place % len(SPREADS[spread])] for place in range(size)]
        score = scores(generator, spreads, studies=studies, seeds=count)
        planned = [(member, 0) for member in range(1, size)]
        row = {
            "seeds": count,
            "spread": spread,
            "members": size,
            "planned": float(claims(score, planned).mean()),
            "all": float(claims(score, list(combinations(range(size), 2))).mean()),
            "sentences alone": float(sentences_alone(score, planned).mean()),
        }
        yield row | {name: float(found(score, planned).mean()) for name, found in OTHERS.items() if count > 1}


def real(*, studies: int) -> Iterator[dict[str, Any]]:
    """How often a pair that differs is found, alone and beside seven others."""
    for count, spread, gap in product((2, 3, 5, 10), ("0.5", "0.3, 0.5, 2"), REAL):
        spreads = (SPREADS[spread] * 2)[:2] if len(SPREADS[spread]) == 1 else SPREADS[spread][::2]
        score = scores(np.random.default_rng([SEED, count]), spreads, studies=studies, seeds=count, real=gap)
        parts = errors(score, 1, 0)
        found = {f"of {n}": float(hold(*parts, count - 1, together=n).mean()) for n in (1, 8)}
        yield {"seeds": count, "spread": ", ".join(f"{one:g}" for one in spreads), "difference": gap, **found}


def pilots(*, pilots: int) -> Iterator[dict[str, Any]]:
    """Power of new studies, one a pilot, at the difference that the pilot calls detectable."""
    for count, spreads, together in product((2, 3, 5), ((0.5, 0.5), (0.3, 2.0)), (1, 3, 8)):
        generator = np.random.default_rng([SEED, count, together])
        _, sentences, seeds = errors(scores(generator, spreads, studies=pilots, seeds=count), 1, 0)
        grid = np.geomspace(np.quantile(seeds, 1 / pilots), seeds.max(), GRID)
        error = ERROR / together
        smallest = [detectable(Errors(sentences, float(one), count), error=error) for one in grid]
        plain = [detectable(Errors(sentences + float(one), 0.0, count), error=error) for one in grid]
        row = {"seeds": count, "spread": ", ".join(f"{one:g}" for one in spreads), "together": together}
        for name, at in (("power", smallest), ("spread taken for the truth", plain)):
            new = scores(generator, spreads, studies=pilots, seeds=count)
            mean, _, variance = errors(new, 1, 0)
            gap = np.exp(np.interp(np.log(seeds), np.log(grid), np.log(at)))
            row[name] = float(hold(mean + gap, sentences, variance, count - 1, together=together).mean())
        yield row


def share(generator: np.random.Generator, spreads: Sequence[float], at: float, seeds: int, together: int) -> float:
    """Of new studies that find a difference."""
    new = scores(generator, spreads, studies=NEW, seeds=seeds, real=at)
    return float(hold(*errors(new, 1, 0), seeds - 1, together=together).mean())


def wished(*, pilots: int, gap: float = 4.0) -> Iterator[dict[str, Any]]:
    """Power of new studies with as many seeds as a pilot asks for; where it asks for too many there is none."""
    for count, spreads, together in product((3, 5), ((0.5, 0.5), (0.3, 2.0)), (1, 3)):
        generator = np.random.default_rng([SEED, count, together])
        _, sentences, seeds = errors(scores(generator, spreads, studies=pilots, seeds=count), 1, 0)
        asked = [seeds_needed(gap, Errors(sentences, float(one), count), error=ERROR / together) for one in seeds]
        told = [n for n in asked if n is not None]
        power = np.mean([share(generator, spreads, gap, n, together) for n in told])
        row = {"seeds": count, "spread": ", ".join(f"{one:g}" for one in spreads), "together": together, "wished": gap}
        yield row | {"asked": float(np.median(told)), "told": len(told) / len(asked), "power": float(power)}


def whole_way(*, studies: int, sentences: int = 200, seeds: int = 3) -> dict[str, Any]:
    """Sentences drawn one by one, resampled and compared by the product: two members, no difference."""
    generator, found = np.random.default_rng(SEED), []
    for study in range(studies):
        shared = generator.normal(0, SENTENCES * np.sqrt(sentences), (2, 1, sentences))
        own = generator.normal(0, OWN * np.sqrt(sentences), (2, seeds, sentences))
        of_seed = generator.normal(0, 1, (2, seeds, 1)) * np.array([0.3, 2.0])[:, None, None]
        values = np.stack([shared + own + of_seed, np.ones((2, seeds, sentences))], axis=-1)
        drawn = [resample(one, lambda sums: sums[..., 0] / sums[..., 1], seed=study, resamples=200) for one in values]
        found.append(difference(*drawn).holds)
    return {"seeds": seeds, "sentences": sentences, "studies": studies, "claimed": float(np.mean(found))}


def tolerance(studies: int) -> float:
    """What a rate of 5 % may come to by the simulation's own chance: three standard errors more."""
    return ERROR + 3 * float(np.sqrt(ERROR * (1 - ERROR) / studies))


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    found = {
        "studies": STUDIES,
        "tolerance": tolerance(STUDIES),
        "null": list(null(studies=STUDIES, seeds=(1, 2, 3, 5), members=(2, 4, 8))),
        "whole way": whole_way(studies=STUDIES),
        "real": list(real(studies=STUDIES)),
        "pilots": list(pilots(pilots=PILOTS)),
        "wished": list(wished(pilots=ASKING)),
    }
    write_json(HERE / "results.json", found)
    write_text(HERE / "table.md", tables(found))
    write_text(HERE / "README.md", filled((HERE / "README.md").read_text(encoding="utf-8"), found))
    print(tables(found))


def tables(found: dict[str, Any]) -> str:
    """All rows of all parts."""
    parts = ("null", "real", "pilots", "wished")
    return "\n".join(f"{part}:\n\n{table(found[part])}" for part in parts)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown; shares in percent."""
    header = list(dict.fromkeys(key for row in rows for key in row))
    lines = [f"| {' | '.join(header)} |", "|" + "---|" * len(header)]
    return "\n".join(lines + [f"| {' | '.join(cell(row.get(key), key) for key in header)} |" for row in rows]) + "\n"


def cell(value: Any, key: str) -> str:
    if isinstance(value, float):
        return f"{value:g}" if key in ("difference", "wished", "asked") else percent(value)
    return "" if value is None else str(value)


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def figures(found: dict[str, Any]) -> dict[str, str]:
    """What README.md tells, by name."""
    null, several = found["null"], [row for row in found["null"] if row["seeds"] > 1]
    one = {
        row["members"]: row["sentences alone"] for row in null if row["seeds"] == 1 and row["spread"] == "0.3, 0.5, 2"
    }
    apart = [row for row in several if row["spread"] == "0.1, 3"]
    return {
        "studies": f"{found['studies']:,}",
        "tolerance": percent(found["tolerance"]),
        "largest": percent(max(max(row["planned"], row["all"]) for row in null)),
        "whole": percent(found["whole way"]["claimed"]),
        "alone": ", ".join(percent(one[size]) for size in sorted(one)),
        "satterthwaite": percent(max(row["Satterthwaite"] for row in several)),
        "pooled": percent(max(row["pooled"] for row in apart)),
        "wanted": f"{100 * POWER:.0f} %",
        "power": percent(min(row["power"] for row in found["pilots"])),
        "plain": percent(min(row["spread taken for the truth"] for row in found["pilots"])),
        "asked": percent(min(row["power"] for row in found["wished"])),
    }


def filled(text: str, found: dict[str, Any]) -> str:
    """The text with each figure in its place, <!--name-->figure<!---->."""
    values = figures(found)
    return re.sub(r"<!--(\w+)-->.*?<!---->", lambda place: f"<!--{place[1]}-->{values[place[1]]}<!---->", text)


if __name__ == "__main__":
    main()
