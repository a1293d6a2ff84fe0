"""The minimal pairs that a run is asked about: of files, or made of its own test sentences on the built-in corpus."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from rnnsearch.data.grammar.minimal_pairs import mistaken
from rnnsearch.evaluation.contrast import ALL, MinimalPair
from rnnsearch.runs.kept_pairs import split_rows
from rnnsearch.runs.run_folder import LoadedRun

MEND = "give source, right and wrong, or none of them for a run on the built-in corpus"


def of_texts(texts: Mapping[str, list[str]], paths: Mapping[str, Path]) -> list[MinimalPair]:
    """The pairs of line-aligned files.

    Args:
        texts: the lines of source, right and wrong, and of phenomenon if it is given.
        paths: of the files, for sentences.

    Raises:
        ValueError: if they differ in their numbers of lines, or a line names no phenomenon.
    """
    counts = {paths[key]: len(of_key) for key, of_key in texts.items()}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{path}: {count}" for path, count in counts.items())
        raise ValueError(f"the files of minimal pairs differ in their numbers of lines ({told}); they must go together")
    phenomena = texts.get("phenomenon") or [ALL] * len(texts["source"])
    for number, name in enumerate(phenomena, start=1):
        if not name.strip():
            raise ValueError(f"{paths['phenomenon']}: line {number} names no phenomenon; each line needs a name")
    columns = zip(texts["source"], texts["right"], texts["wrong"], phenomena, strict=True)
    return [MinimalPair(source, right, wrong, name.strip()) for source, right, wrong, name in columns]


def of_own_sentences(run: LoadedRun) -> list[MinimalPair]:
    """Right and mistaken translations of the run's own test sentences.

    Raises:
        ValueError: if it does not translate the built-in corpus into German, or its sentences have no such mistakes.
    """
    data = run.record.data
    if (data.name, data.target_language) != ("controlled", "de"):
        raise ValueError(
            f"{run.folder} translates {data.name or 'other data'} into {data.target_language or 'another language'}; "
            f"mistakes are made in the German sentences of data=controlled alone: {MEND}"
        )
    pairs = list(_mistakes(run))
    if not pairs:
        raise ValueError(f"the test sentences of {run.folder} have no word that a mistake could be made in; {MEND}")
    return pairs


def _mistakes(run: LoadedRun) -> Iterator[MinimalPair]:
    for row in split_rows(run, "test"):
        for phenomenon, wrong in mistaken(row["target_text"]):
            yield MinimalPair(row["source_text"], row["target_text"], wrong, phenomenon)
