"""Remarks on what the runs should share but do not: sizes, budgets, data, versions, scoring."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rnnsearch.evaluation.scoring import Scoring
from rnnsearch.evaluation.summed_metrics import BLEU
from rnnsearch.records.run_record import Record
from rnnsearch.study.folder import Run, Study
from rnnsearch.study.measures import scoring
from rnnsearch.study.remarks import Level, Remark, listed, members_of
from rnnsearch.study.statistics import Comparison
from rnnsearch.study.tables import number

SIZE_TOLERANCE = 0.01  # of the matched quantity
BUDGET_TOLERANCE = 0.01
SCORE_TOLERANCE = 0.005  # BLEU points between a record and its translations

Runs = Mapping[str, tuple[Run, ...]]  # member -> its compared runs


def sizes_and_budgets(study: Study, runs: Runs) -> list[Remark]:
    """Members that differ from the baseline by more than 1 % in the matched quantity, or in the budget they used."""
    return _sizes(study, runs) + _budgets(study, runs)


def _sizes(study: Study, runs: Runs) -> list[Remark]:
    kinds = {
        "parameters": ("parameters", "total parameters"),
        "flops": ("flops_per_token", "operations a target token"),
    }
    if (match := study.description.match) not in kinds:
        return []
    key, name = kinds[match]
    return _apart(study, runs, lambda run: getattr(run.record, key), name, SIZE_TOLERANCE, level="doubt", kind="sizes")


def _budgets(study: Study, runs: Runs) -> list[Remark]:
    """A doubt if the budgets should be equal; a note if each training ends by itself."""
    budget = study.description.budget
    kinds: dict[str, tuple[str, Callable[[Run], float | None]]] = {
        "flops": ("operations", _operations),
        "seconds": ("training seconds", lambda run: run.record.training_seconds),
        "tokens": ("target tokens", lambda run: run.record.tokens_seen),
        "updates": ("updates", lambda run: run.record.updates),
    }
    name, read = next((kinds[key] for key in kinds if budget.get(key)), kinds["updates"])
    level: Level = "note" if budget.get("until") else "doubt"
    return _apart(study, runs, read, name, BUDGET_TOLERANCE, level=level, kind="budgets")


def _operations(run: Run) -> float | None:
    tokens, each = run.record.tokens_seen, run.record.flops_per_token
    return None if tokens is None or each is None else tokens * each


def _apart(
    study: Study,
    runs: Runs,
    read: Callable[[Run], float | None],
    name: str,
    tolerance: float,
    *,
    level: Level,
    kind: str,
) -> list[Remark]:
    reference, remarks = next((read(run) for run in runs[study.baseline]), None), []
    for member in study.members:
        values = [value for run in runs[member] if (value := read(run)) is not None]
        if reference and values and max(abs(value / reference - 1) for value in values) > tolerance:
            worst = max(values, key=lambda value: abs(value / reference - 1))
            text = f"{member} has {worst:,.0f} {name}, {study.baseline} {reference:,.0f}: more than 1 % apart."
            fields = {"of": name, member: worst, study.baseline: reference}
            remarks.append(Remark(level, kind, text, (member,), fields))
    return remarks


def sources(runs: Runs) -> list[Remark]:
    """Data, tokenizers, the program's own code and libraries that are not the same for all runs."""
    all_runs = [run for of_member in runs.values() for run in of_member]
    return [*_checksums(all_runs), *_commits(all_runs), *_versions(all_runs)]


def _checksums(runs: Sequence[Run]) -> list[Remark]:
    readers: dict[str, Callable[[Record], dict[str, str]]] = {
        "data": lambda record: record.data.checksums,
        "tokenizer": lambda record: record.tokenizer.checksums,
    }
    remarks = []
    for name, read in readers.items():
        other = _others([(run, read(run.record)) for run in runs])
        if other:
            text = f"The runs do not share one {name}: its checksums differ."
            remarks.append(Remark("doubt", "data", text, members_of(other), {"of": name}))
    return remarks


def _commits(runs: Sequence[Run]) -> list[Remark]:
    made_by = [(run, version) for run in runs if (version := _version(run))]
    distinct = list(dict.fromkeys(version for _, version in made_by))
    if len(distinct) < 2:
        return []
    listing = listed([f"{commit[:9]}{changes}" for commit, changes in distinct])
    text = (
        f"The runs were made by {len(distinct)} versions of the program (commits {listing}): what changed between them "
        "may be a part of a difference."
    )
    return [Remark("doubt", "code", text, members_of(_others(made_by)), {"commits": list(map("".join, distinct))})]


def _version(run: Run) -> tuple[str, str] | None:
    """The commit, and whether there were changes."""
    git = run.record.git
    return (git.commit, " with changes" if git.dirty else "") if git is not None and git.commit else None


def _versions(runs: Sequence[Run]) -> list[Remark]:
    versions = [(run, run.record.versions) for run in runs]
    names = dict.fromkeys(name for _, of_run in versions for name in of_run)
    differing: dict[str, list[str]] = {}
    other: list[Run] = []
    for name in names:
        having = [(run, str(of_run[name])) for run, of_run in versions if name in of_run]
        if len(distinct := list(dict.fromkeys(value for _, value in having))) > 1:
            differing[name] = distinct
            other += _others(having)
    if not differing:
        return []
    changed = [f"{name} {' and '.join(of_name)}" for name, of_name in differing.items()]
    text = f"The runs were not made with the same versions: {listed(changed)}; train the older ones anew."
    return [Remark("doubt", "versions", text, members_of(other), differing)]


def _others(values: Sequence[tuple[Run, Any]]) -> list[Run]:
    """The runs whose value is not the most common one; in a tie, the first counts as the most common."""
    texts = [repr(value) for _, value in values]
    most = max(texts, key=texts.count, default="")
    return [run for (run, _), value in zip(values, texts, strict=True) if value != most]


def how_scored(study: Study, runs: Runs) -> list[Remark]:
    """What sacreBLEU warns of, and whether all runs were scored the same way."""
    ways = {Scoring.of_record(run.record.scoring) for of_member in runs.values() for run in of_member}
    warned = sorted({warning for how in ways for warning in how.warnings})
    texts = [f"sacreBLEU warns of the references: {' '.join(warned)}"] if warned else []
    if scoring(study).primary != "bleu":
        texts.append("BLEU is 0 even of the references against themselves: chrF is this study's primary measure.")
    if len({(how.bleu_tokenizer, how.normalization, how.primary) for how in ways}) > 1:
        used = scoring(study).bleu_tokenizer
        texts.append(f"The records do not share one way of scoring; this report scores all translations by {used}.")
    return [Remark("note", "scoring", text) for text in texts]


def records(study: Study, comparison: Comparison) -> list[Remark]:
    """Runs whose recorded BLEU differs from that of their translations."""
    remarks = []
    for member in study.members:
        counts = comparison.whole.scores[member][BLEU.name].by_seed
        for run, counted in zip(study.compared(member), counts, strict=True):
            recorded = float(run.test["bleu"])
            if abs(counted - recorded) > SCORE_TOLERANCE:
                text = (
                    f"{run.member} seed {run.seed}: its record says {number(recorded)} BLEU but its translations give "
                    f"{number(counted)}; this report uses the translations."
                )
                values = {"seed": run.seed, "recorded": recorded, "counted": counted}
                remarks.append(Remark("doubt", "records", text, (member,), values))
    return remarks
