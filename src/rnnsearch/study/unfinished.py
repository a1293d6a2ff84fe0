"""Remarks on runs that are in no comparison: failed, not finished, not tested, or made from other files."""

from collections.abc import Sequence

from rnnsearch.study.folder import DAMAGED, OTHER_DATA, Run, Study
from rnnsearch.study.measures import compares
from rnnsearch.study.remarks import Remark, listed, members_of, named

FAILED = ("failed", DAMAGED)
DONE = ("finished", "pruned", OTHER_DATA)
FAILED_TEXT = "Not in any mean, since they failed: {}. The others may be the lucky ones."
UNFINISHED_TEXT = "Not every run is finished: {}."


def remarks(study: Study) -> list[Remark]:
    """All remarks on them."""
    return [*_not_finished(study), *_without_test(study), *_made_apart(study), *_other_baseline(study)]


def untested(study: Study) -> list[Run]:
    """Finished runs without test translations, where members are compared on them."""
    return [run for run in study.runs if run.status == "finished" and not run.comparable] if compares(study) else []


def no_test(runs: Sequence[Run]) -> str:
    """Why the runs lack test translations."""
    splits = [run.record.data.pairs for run in runs]
    if all(pairs and "test" not in pairs for pairs in splits):
        return "their data have no test split (data.test), so that only the validation set can be told of"
    return "without test translations: they were trained with test=false, or the files are gone"


def of_runs(count: int) -> str:
    """A number of runs as the subject of a sentence."""
    return "1 run is" if count == 1 else f"{count} runs are"


def _not_finished(study: Study) -> list[Remark]:
    """Seeds that are in no mean, first those that failed: a training rarely fails by chance alone."""
    remarks = []
    for kind, text, left in (
        ("failed_seeds", FAILED_TEXT, [run for run in study.runs if run.status in FAILED]),
        ("unfinished", UNFINISHED_TEXT, [run for run in study.runs if run.status not in (*DONE, *FAILED)]),
    ):
        listing = listed([f"{named(run)} ({run.status})" for run in left])
        values = {"runs": [{"member": run.member, "seed": run.seed, "status": run.status} for run in left]}
        remarks += [Remark("doubt", kind, text.format(listing), members_of(left), values)] if left else []
    return remarks


def _without_test(study: Study) -> list[Remark]:
    left = untested(study)
    if not left:
        return []
    none_tested = len(left) == len(study.runs)
    subject = "All runs are" if none_tested else of_runs(len(left))
    which = "" if none_tested else f": {listed([named(run) for run in left])}"
    return [Remark("doubt", "untested", f"{subject} finished, but {no_test(left)}{which}.", members_of(left))]


def _made_apart(study: Study) -> list[Remark]:
    """Runs left out because they were made from other data, vocabularies or code, with the files that differ."""
    if not study.apart:
        return []
    runs = {run.folder.name: run for run in study.runs}
    texts = [
        f"{named(runs[apart.run.label])} ({', '.join(apart.names)} {'is' if len(apart.names) == 1 else 'are'} not of "
        f"the same content as for {apart.others} other{'s' if apart.others > 1 else ''})"
        for apart in study.apart
    ]
    text = (
        f"Left out, for what they were made from has changed: {listed(texts)}. Train them anew from the same files, "
        "or keep them in a study of their own."
    )
    values = {"runs": [{"run": apart.run.label, "files": list(apart.names)} for apart in study.apart]}
    return [
        Remark("doubt", "other_sources", text, members_of([runs[apart.run.label] for apart in study.apart]), values)
    ]


def _other_baseline(study: Study) -> list[Remark]:
    first = study.all_members[0]
    if study.baseline == first or not compares(study):
        return []
    text = f"{first}, the baseline, has no finished run; differences are from {study.baseline}."
    return [Remark("doubt", "baseline", text, (first,))]
