"""The named test sets that a study's runs were tested on: a table of all, and whether all were tested alike."""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from rnnsearch.records.json_files import json_text
from rnnsearch.records.metrics import TITLES
from rnnsearch.records.test_sets import OWN, TestResults, read_results
from rnnsearch.study.blocks import Section
from rnnsearch.study.folder import Study, named_tests
from rnnsearch.study.measures import score, text_metric
from rnnsearch.study.remarks import Remark
from rnnsearch.study.tables import NOTHING, Table, number

FOLDER = "test_sets"  # of a study: a folder for the report on each


def report_folder(study: Path, test: str) -> Path:
    """Where the report on a test set is written."""
    return study if test == OWN else study / FOLDER / test


def section(study: Study) -> Section:
    """The means of all members on all test sets; empty where there is but the corpus's own."""
    names = named_tests(study.runs)
    if not names:
        return Section("Other test sets")
    metric = text_metric(study)
    columns = [OWN, *names]
    rows = tuple((member, *(_mean(study, member, name, metric) for name in columns)) for member in study.members)
    caption = f"{TITLES[metric]} by test set, means over seeds ± standard deviation"
    name = study.description.name or study.folder.name
    reports = ", ".join(f"test_set={test}" for test in names)
    how = f"rnnsearch report study={name} writes the whole report on one of them with {reports}."
    return Section("Other test sets", tables=(Table(caption, ("", *columns), rows),), notes=(how,))


def _mean(study: Study, member: str, name: str, metric: str) -> str:
    runs = [run for run in study.runs if run.member == member and run.status == "finished"]
    metrics = [run.record.results.metrics.test if name == OWN else _of(run.folder, name).metrics for run in runs]
    values = [float(of_run[metric]) for of_run in metrics if of_run.get(metric) is not None]
    if not values:
        return NOTHING
    found = score(values)
    return number(found.mean) + (f" ± {number(found.deviation)}" if found.deviation is not None else "")


def _of(folder: Path, name: str) -> TestResults:
    return read_results(folder, name) or TestResults(name=name, checksums={}, pairs=0)


def tested_alike(study: Study) -> list[Remark]:
    """A doubt where runs were tested on a named set with other searches or checkpoints than each other."""
    tested: dict[str, TestResults] = {}
    for run in study.runs:
        if run.comparable and run.test_set != OWN and (results := read_results(run.folder, run.test_set)):
            tested[run.folder.name] = results
    ways: tuple[tuple[str, Callable[[TestResults], str]], ...] = (
        ("checkpoint", lambda results: results.checkpoint),
        ("search", lambda results: json_text(dict(sorted(results.search.items())))),
    )
    remarks = []
    for what, of in ways:
        by_value: dict[str, list[str]] = defaultdict(list)
        for label, results in tested.items():
            by_value[of(results)].append(label)
        if len(by_value) > 1:
            few = min((sorted(labels) for labels in by_value.values()), key=len)
            text = (
                f"Not all runs were tested with the same {what}: {', '.join(few[:4])} with another one than the rest; "
                "evaluate them again alike."
            )
            remarks.append(Remark("doubt", "tested_otherwise", text))
    return remarks
