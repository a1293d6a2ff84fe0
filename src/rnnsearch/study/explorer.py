"""The sentence explorer of report.html: the test sentences with the members' translations, which its script shows.

The script (templates/explorer.js) sorts, filters and colours; what it is given is made here, as plain values for a
block of JSON. Texts have one blank between words, so that links count their words, and no character that acts.
"""

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

from rnnsearch.data.corpus import words
from rnnsearch.data.scripts import Unit
from rnnsearch.evaluation.attention_statistics import AttentionSums, attention_statistics
from rnnsearch.evaluation.comparison import check_same_sentences
from rnnsearch.evaluation.length import length_unit
from rnnsearch.records.json_files import json_text
from rnnsearch.records.visible import visible_line
from rnnsearch.study.blocks import Section
from rnnsearch.study.folder import Row, Run, Study, read_attention
from rnnsearch.study.measures import is_comparison, scoring, shown_members
from rnnsearch.study.side_by_side import Entry, first_runs, words_of_entry
from rnnsearch.study.statistics import sentence_chrf

TITLE = "Sentence explorer"
MEMBERS = 12  # whose translations are put in
LARGEST = 4_000_000  # bytes of all sentences: with its figures the page stays under 10 MB
SEED = 0  # of the sentences that are put in where not all are

Fields = dict[str, Any]


def section(study: Study) -> Section:
    """The test sentences by the first run of each member; empty without translations.

    Raises: ValueError when two runs were tested on different sentences.
    """
    by_member = {run.member: run for run in first_runs(study)}
    members = shown_members(study, [member for member in study.members if member in by_member], MEMBERS)
    if not members:
        return Section(TITLE)
    runs = [by_member[member] for member in members]
    _check_same_sentences(runs)
    sentences = _sentences(runs, study)
    fields = {
        "members": [{"name": visible_line(run.member), "aligned_by": _method(run.rows)} for run in runs],
        "unit": _unit(runs),
        "sentences": sentences,
    }
    return Section(TITLE, _text(study, runs, len(by_member), len(sentences)), explorer=fields)


def _check_same_sentences(runs: Sequence[Run]) -> None:
    first, *others = runs
    texts = [(row["source"], row["reference"]) for row in first.rows]
    for run in others:
        names = first.folder.name, run.folder.name
        check_same_sentences(texts, [(row["source"], row["reference"]) for row in run.rows], names=names)


def _unit(runs: Sequence[Run]) -> Unit:
    return length_unit(runs[0].record.data.length_units)


def _method(rows: Sequence[Row]) -> str | None:
    """How the references were aligned: ``attention`` or ``saliency``; None if they were not."""
    linked = next((row for row in rows if row.get("links")), None)
    return None if linked is None else visible_line(str(linked.get("links_method", "attention")))


def _text(study: Study, runs: Sequence[Run], members: int, sentences: int) -> tuple[str, ...]:
    """What is put in, and what is left out."""
    seeds, every = sorted({run.seed for run in runs}), len(runs[0].rows)
    of_seeds = f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"
    text = f"Test sentences with each member's translation, from {of_seeds}; chrF is of the sentence alone."
    if members > len(runs):
        which = "the first member and the best of the others" if is_comparison(study) else "the best"
        text += f" Of {members} members these are {which} {len(runs)}."
    if every > sentences:
        text += f" {sentences:,} of {every:,} sentences, drawn at random, are put in, so that the page stays small."
    return (text,)


def _sentences(runs: Sequence[Run], study: Study) -> list[Fields]:
    """All sentences if they fit into the page, else as many as do, drawn at random, in the order of the test set."""
    chrf = [sentence_chrf(run, scoring(study)).tolist() for run in runs]
    matrices = [{int(entry["index"]): entry for entry in read_attention(run)} for run in runs]
    places, size, kept = range(len(runs[0].rows)), 0, {}
    for place in random.Random(SEED).sample(places, len(places)):
        translations = [
            _translation(run.rows[place], of_run[place], matrices_of_run.get(place))
            for run, of_run, matrices_of_run in zip(runs, chrf, matrices, strict=True)
        ]
        sentence = {**_shared(runs[0].rows[place], place), "by": translations}
        size += len(json_text(sentence).encode())
        if size > LARGEST:
            break
        kept[place] = sentence
    return [kept[place] for place in sorted(kept)]


def _shared(row: Row, place: int) -> Fields:
    texts = {side: _one_blank(row[side]) for side in ("source", "reference")}
    return {"number": place + 1, "length": int(row["source_words"]), **texts, **_links("gold", row.get("gold"))}


def _translation(row: Row, chrf: float, entry: Entry | None) -> Fields:
    """A translation with its figures and, where the run keeps them, links of the reference and weights of its own."""
    fields = {"text": _one_blank(row["hypothesis"]), "chrf": _rounded(chrf, 1)}
    if (sums := row.get("attention")) is not None:
        figures = attention_statistics([AttentionSums(**sums)])
        fields |= {"entropy": _rounded(figures.entropy, 2), "coverage": _rounded(figures.coverage, 2)}
    matrix = {} if entry is None else {"attention": _matrix(entry)}
    return {**fields, **_links("links", row.get("links")), **matrix}


def _links(key: str, links: str | None) -> Mapping[str, str]:
    return {key: visible_line(links)} if links else {}


def _matrix(entry: Entry) -> Fields:
    weights_TS, source, target = words_of_entry(entry)
    sides = {"source": [*map(visible_line, source)], "target": [*map(visible_line, target)]}
    return {**sides, "weights": weights_TS.round(2).tolist()}


def _one_blank(text: str) -> str:
    """The text as the words that links count, one blank between them."""
    return visible_line(" ".join(words(text)))


def _rounded(value: float | None, digits: int) -> float | None:
    return round(value, digits) if value is not None and math.isfinite(value) else None
