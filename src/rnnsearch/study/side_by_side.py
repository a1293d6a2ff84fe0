"""The same test sentences by several members: their attention matrices and their translations."""

import random
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rnnsearch.evaluation.alignment_links import word_weights
from rnnsearch.plots import attention
from rnnsearch.study import ranking, tables
from rnnsearch.study.blocks import Example, Fold, Group, Picture, Section
from rnnsearch.study.folder import Run, Study, read_attention
from rnnsearch.study.measures import is_comparison, scoring, shown_members
from rnnsearch.study.statistics import Comparison, sentence_chrf

EXAMPLES = 10  # translations side by side: half differ most, half are drawn at random
EXAMPLES_SEED = 0
SENTENCES = 4  # whose matrices are shown
LONGEST = 120  # letters of a member in a file's name
READABLE, DRAWABLE = 20, 120  # words on either side of an attention matrix
MATRICES, TRANSLATIONS = 4, 6  # members beside each other

Entry = Mapping[str, Any]


def alignments(study: Study, comparison: Comparison | None) -> Section:
    """Alignment error rates, and for a few sentences the members' attention matrices side by side."""
    entries = {run.member: read_attention(run) for run in reversed(first_runs(study))}
    with_weights = [member for member in study.members if entries.get(member)]
    members = shown_members(study, with_weights, MATRICES)
    groups = _matrices({member: entries[member] for member in members}, first_runs(study))
    table = tables.alignment(comparison) if comparison is not None else None
    shown_table, rest = ranking.split(table) if table else (None, None)
    text = (
        "Rows are target words, columns source words; each row sums to 1, and dark is near 1 (Figure 3 of the paper). "
        "Pieces are merged to words: summed over a source word's pieces, averaged over a target word's."
        + _left_out(study, len(with_weights), len(members)),
    )
    notes = (
        "AER of the reference under forced decoding: each target word is linked to the source word with the largest "
        "weight, summed over pieces. Weights are those of attention, or gradient saliency, which every model has: how "
        "much a source word raises the target word's log-probability, by the gradient. Lower is better.",
    )
    return Section(
        "Alignments",
        text if groups else (),
        tables=(shown_table,) if shown_table else (),
        groups=groups,
        folds=(Fold(f"{rest.caption} of all", tables=(rest,)),) if rest else (),
        notes=notes if table else (),
    )


def translations(study: Study) -> Section:
    """Test sentences with the members' translations: those that differ most, and some drawn at random."""
    runs = {run.member: run for run in first_runs(study)}
    members = shown_members(study, [member for member in study.members if member in runs], TRANSLATIONS)
    if not members:
        return Section("Translations side by side")
    rows = {member: runs[member].rows for member in members}
    chrf = np.stack([sentence_chrf(runs[member], scoring(study)) for member in members])
    chosen = pick_examples(np.ptp(chrf, axis=0).tolist())
    examples = tuple(_example(place, differs, rows, chrf) for place, differs in chosen)
    seeds = sorted({runs[member].seed for member in members})
    text = (
        f"From {'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}: "
        f"{sum(differs for _, differs in chosen)} sentences whose translations differ most in sentence chrF (shown "
        "after each), the others drawn at random from the rest." + _left_out(study, len(runs), len(members)),
    )
    return Section("Translations side by side", text, examples=examples)


def pick_examples(
    spread: Sequence[float], *, count: int = EXAMPLES, seed: int = EXAMPLES_SEED
) -> list[tuple[int, bool]]:
    """Rows to show, half of them with the largest spread, half drawn from the rest: (row, whether by spread)."""
    by_spread = sorted(range(len(spread)), key=lambda row: (-spread[row], row))
    most, rest = by_spread[: (count + 1) // 2], by_spread[(count + 1) // 2 :]
    drawn = random.Random(seed).sample(sorted(rest), min(count - len(most), len(rest)))
    return [(row, True) for row in most] + [(row, False) for row in sorted(drawn)]


def pick_sentences(entries: Mapping[str, Sequence[Entry]]) -> list[int]:
    """Numbers of the sentences whose matrices are shown: those that all members have and that are short enough.

    If no sentence is short enough, the shortest one if it can be drawn; if the members share none, those of the first
    member.
    """
    of_members = [{int(entry["index"]): entry for entry in of_member} for of_member in entries.values()]
    if not of_members:
        return []
    shared = [index for index in of_members[0] if all(index in of_member for of_member in of_members)]
    sizes = {index: _size(of_members[0][index]) for index in shared or of_members[0]}
    short = [index for index, size in sizes.items() if size <= READABLE]
    drawable = [index for index in sorted(sizes, key=lambda index: sizes[index]) if sizes[index] <= DRAWABLE]
    return short[:SENTENCES] or drawable[:1]


def first_runs(study: Study) -> list[Run]:
    """Each member's first comparable run."""
    by_member: dict[str, Run] = {}
    for run in study.runs:
        if run.comparable:
            by_member.setdefault(run.member, run)
    return list(by_member.values())


def _left_out(study: Study, members: int, shown: int) -> str:
    which = "the first member and the best of the others" if is_comparison(study) else "the best"
    return f" Shown are {which}; {members - shown} more are left out." if members > shown else ""


def _matrices(entries: Mapping[str, Sequence[Entry]], runs: Sequence[Run]) -> tuple[Group, ...]:
    seeds, names = {run.member: run.seed for run in runs}, _file_names(list(entries))
    groups = []
    for index in pick_sentences(entries):
        of_sentence = [
            (member, entry) for member, of_member in entries.items() for entry in of_member if entry["index"] == index
        ]
        pictures = []
        for member, entry in of_sentence:
            draw = partial(_matrix, entry)
            name = f"attention_{names[member]}_{index + 1}"
            pictures.append(
                Picture(name, f"{member}, seed {seeds[member]}, test sentence {index + 1}", draw, shades=True)
            )
        groups.append(Group(f"Test sentence {index + 1}", tuple(pictures)))
    return tuple(groups)


def _matrix(entry: Entry) -> Figure:
    return attention.attention_matrix(*words_of_entry(entry))


def _size(entry: Entry) -> int:
    _, source, target = words_of_entry(entry)
    return max(len(source), len(target))


def words_of_entry(entry: Entry) -> tuple[NDArray[np.float64], list[str], list[str]]:
    """Weights of words [T, S] of a sentence's alignment, then the source words and the target words."""
    weights = np.asarray(entry["weights"], dtype=np.float64)
    labels = []
    for side, length in (("target", weights.shape[0]), ("source", weights.shape[1])):
        pieces = [str(piece) for piece in entry[f"{side}_pieces"]]
        labels.append(attention.words_of_pieces(pieces + ["</s>"] * (length - len(pieces))))
    (target, target_word), (source, source_word) = labels
    return word_weights(weights, source_word, target_word), source, target


def slug(text: str) -> str:
    """A file name made from a label."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in text)


def _file_names(members: Sequence[str]) -> dict[str, str]:
    """A name for each member's files; equal names get a number."""
    slugs = [slug(member)[:LONGEST] for member in members]
    return {
        member: name if slugs.count(name) == 1 else f"{name}-{place}"
        for place, (member, name) in enumerate(zip(members, slugs, strict=True), start=1)
    }


def _example(place: int, differs: bool, rows: Mapping[str, Sequence[Mapping[str, Any]]], chrf: Any) -> Example:
    first = next(iter(rows.values()))[place]
    return Example(
        f"Test sentence {place + 1}, {'among the most different' if differs else 'drawn at random'}",
        first["source"],
        first["reference"],
        tuple(
            (member, of_member[place]["hypothesis"], tables.number(float(chrf[number, place]), 1))
            for number, (member, of_member) in enumerate(rows.items())
        ),
    )
