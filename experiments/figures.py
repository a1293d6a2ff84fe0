"""The figures that pages quote, by look-up: from studies' records, other committed JSON, and compared.json.

What takes resamples (intervals, p-values, scores by length, slopes) stands in compared.json, which `compared` makes of
a study, with the SHA-256 of the files it was made of. All of the product's statistics that pages need are asked for
here alone.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import msgspec

from rnnsearch.evaluation.significance import Difference, equivalence
from rnnsearch.records.json_files import read_lines
from rnnsearch.study.folder import Run, Study, read_study
from rnnsearch.study.measures import primary
from rnnsearch.study.planned_comparisons import planned
from rnnsearch.study.slopes import slopes
from rnnsearch.study.statistics import compare

ROOT = Path(__file__).resolve().parents[1]
COMPARED = ROOT / "experiments/compared.json"
READ = ("study.json", "sentences.test.jsonl.bz2", "*/record.json", "*/job.json", "*/translations.test.jsonl.bz2")
DIGITS = 4  # in compared.json

Figures = Mapping[str, Any]  # what a template may name


class NoFigure(ValueError):
    """What a look-up asks for is not there."""


def studies() -> list[str]:
    """The names of all committed studies."""
    return sorted(path.parent.name for path in (ROOT / "experiments").glob("*/study.json"))


@cache
def study(name: str) -> Study:
    """A committed study.

    Raises: NoFigure for a name that is none.
    """
    if name not in studies():
        raise NoFigure(f"{name} is no study in experiments/; there are {', '.join(studies())}")
    return read_study(ROOT / "experiments" / name)


# What takes resamples


def digest(name: str) -> str:
    """SHA-256 over the files of a study that its figures are made of."""
    found, folder = hashlib.sha256(), ROOT / "experiments" / name
    for path in sorted(path for pattern in READ for path in folder.glob(pattern)):
        found.update(f"{path.relative_to(folder)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()


def compared(name: str, read: Study | None = None) -> dict[str, Any]:
    """Differences, scores and differences by length, and slopes of a study; empty where nothing is compared.

    Args:
        read: the study, if it has been read, such as from a copy of its folder.
    """
    read = read or study(name)
    found = compare(read)
    if found is None:
        return {"sha256": digest(name)}
    reported = {_pair(one.system, one.baseline): one.difference for one in planned(found) if one.difference is not None}
    margin = read.description.planned.equivalence
    lines = slopes(found)
    parts = {bucket.label: part for bucket, part in zip(found.buckets, found.by_length, strict=True)}
    return {
        "sha256": digest(name),
        "differences": {pair: _difference(one) for pair, one in reported.items()},
        **({"equivalent": {pair: _equivalence(one, margin) for pair, one in reported.items()}} if margin else {}),
        "lengths": {
            label: {
                "scores": {member: _rounded(of[found.metric].value) for member, of in part.scores.items()},
                "differences": {_pair(*pair): _difference(of[found.metric]) for pair, of in part.differences.items()},
            }
            for label, part in parts.items()
        },
        "slopes": {
            member: {
                "value": _rounded(one.slope.value),
                "low": _rounded(one.slope.interval.low),
                "high": _rounded(one.slope.interval.high),
            }
            for member, one in (lines.members if lines else {}).items()
        },
    }


def _difference(found: Difference) -> dict[str, Any]:
    figures = {"value": found.value, "low": found.interval.low, "high": found.interval.high, "p": found.p_value}
    return {key: _rounded(value) for key, value in figures.items()}


def _equivalence(found: Difference, margin: float) -> dict[str, Any]:
    tested = equivalence(found, margin)
    figures = {"low": tested.interval.low, "high": tested.interval.high, "p": tested.p_value}
    return {key: _rounded(value) for key, value in figures.items()}


def _pair(system: str, baseline: str) -> str:
    return f"{system} − {baseline}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), DIGITS)


def _of_compared(name: str, *keys: str) -> Any:
    found: Any = json.loads(COMPARED.read_text(encoding="utf-8")).get(study(name).folder.name, {})
    for key in keys:
        if key not in found:
            raise NoFigure(
                f"{name} has no {' / '.join(keys)} in {COMPARED.name}; there are {', '.join(map(str, found))}"
            )
        found = found[key]
    return found


# Look-ups


def score(name: str, member: str, length: str | None = None) -> Figures:
    """The primary score of a member: mean, sd and values over seeds; or the mean of a length bucket, such as 1–10."""
    if length is not None:
        return {"mean": _of_compared(name, "lengths", length, "scores", member)}
    values = list(_by_seed(name, member).values())
    return {"mean": fmean(values), "sd": stdev(values) if len(values) > 1 else None, "seeds": values}


def scores(name: str, members: str) -> Figures:
    """The lowest and highest mean, and standard deviation, of the members of a pattern with *."""
    found = [score(name, member) for member, _ in _matching(name, members)]
    return _range([one["mean"] for one in found]) | {
        f"sd_{key}": value for key, value in _range([one["sd"] for one in found if one["sd"] is not None]).items()
    }


def gain(name: str, system: str, baseline: str, length: str | None = None) -> Figures:
    """System minus baseline: value, seeds (one difference each); of a planned comparison also low, high and p."""
    if length is not None:
        return dict(_of_compared(name, "lengths", length, "differences", _pair(system, baseline)))
    one, other = _by_seed(name, system), _by_seed(name, baseline)
    seeds = [one[seed] - other[seed] for seed in one if seed in other]
    pairs = _of_compared(name).get("differences", {})
    return {**pairs.get(_pair(system, baseline), {}), "value": fmean(seeds), "seeds": seeds}


def equivalent(name: str, system: str, baseline: str) -> Figures:
    """The two one-sided tests of a planned comparison against the protocol's margin: p, and the 90 % low and high."""
    return dict(_of_compared(name, "equivalent", _pair(system, baseline)))


def gains(name: str, systems: str, baselines: str) -> Figures:
    """The lowest and highest gain of members of a pattern with * over those of another, * standing for the same."""
    return _range([gain(name, *pair)["value"] for pair in _pairs(name, systems, baselines)])


def ratios(name: str, systems: str, baselines: str) -> Figures:
    """As `gains`, but scores divided by scores."""
    return _range(
        [score(name, one)["mean"] / score(name, other)["mean"] for one, other in _pairs(name, systems, baselines)]
    )


def slope(name: str, member: str) -> Figures:
    """What a member gains for each ten more source words: value, low, high."""
    return dict(_of_compared(name, "slopes", member))


def record(name: str, members: str, key: str) -> Figures:
    """A dotted key of the records of finished runs, of a member or of a pattern: low, high, and value, their mean."""
    chosen = [member for member, _ in _matching(name, members)]
    return _range(
        [_at(msgspec.to_builtins(run.record), key.split(".")) for run in _finished(name) if run.member in chosen]
    )


def runs(name: str) -> Figures:
    """How many finished trainings a study has: value."""
    return {"value": len(_finished(name))}


def value(file: str, *keys: str) -> Figures:
    """What stands in a committed JSON file, or in JSON lines, under keys and places: value."""
    path = ROOT / file
    return {"value": _at(list(read_lines(path)) if path.suffix == ".jsonl" else _json(path), keys)}


def row(file: str, quantity: str, key: str, *conditions: str) -> Figures:
    """A key of the rows of a benchmark's file with this quantity, and sizes such as pairs=20000: low, high, value."""
    asked = [condition.split("=", 1) for condition in conditions]
    found = [
        one[key]
        for one in _json(ROOT / file)["rows"]
        if one["quantity"] == quantity and all(str({**one, **one["sizes"]}.get(name)) == text for name, text in asked)
    ]
    if not found:
        raise NoFigure(f"{file} has no row {quantity!r} with {' '.join(conditions)}")
    return _range(found)


LOOKUPS = {
    one.__name__: one for one in (score, scores, gain, equivalent, gains, ratios, slope, record, runs, value, row)
}


@cache
def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _finished(name: str) -> list[Run]:
    return [run for run in study(name).runs if run.status == "finished"]


def _by_seed(name: str, member: str) -> dict[int, float]:
    measure = primary(study(name))
    values = {run.seed: measure.of(run) for run in study(name).runs if run.member == member}
    found = {seed: one for seed, one in values.items() if one is not None}
    if not found:
        raise NoFigure(f"{name} has no scores of {member!r}; there are {', '.join(map(repr, study(name).all_members))}")
    return found


def _matching(name: str, pattern: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The members that fit a pattern, with what each * of it stands for."""
    expression = re.escape(pattern).replace(r"\*", "(.*)")
    matches = [(member, re.fullmatch(expression, member)) for member in study(name).members]
    found = [(member, match.groups()) for member, match in matches if match]
    if not found:
        raise NoFigure(f"{name} has no member {pattern!r}; there are {', '.join(map(repr, study(name).members))}")
    yield from found


def _pairs(name: str, systems: str, baselines: str) -> Iterator[tuple[str, str]]:
    for member, stars in _matching(name, systems):
        other = baselines
        for star in stars:
            other = other.replace("*", star, 1)
        if other in study(name).members:
            yield member, other


def _range(values: Sequence[float]) -> dict[str, float]:
    if not values:
        raise NoFigure("nothing fits")
    return {"low": min(values), "high": max(values), "value": fmean(values)}


def _at(node: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        try:
            node = node[int(key)] if isinstance(node, list) else node[key]
        except (KeyError, IndexError, ValueError, TypeError):
            raise NoFigure(f"nothing stands under {'/'.join(keys)}: there is no {key}") from None
    return node
