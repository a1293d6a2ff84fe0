"""The report's sections as plain blocks, which both templates (HTML and Markdown) render."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from rnnsearch.evaluation.alignment import word_weights
from rnnsearch.evaluation.metrics import BLEU
from rnnsearch.evaluation.significance import RESAMPLES
from rnnsearch.study import figures, findings, tables
from rnnsearch.study.figures import Band
from rnnsearch.study.folder import Study, read_attention
from rnnsearch.study.statistics import Comparison, sentence_chrf
from rnnsearch.study.tables import Table

EXAMPLES = 10  # translations side by side: half differ most, half are drawn at random
EXAMPLES_SEED = 0
MATRICES = 4  # attention matrices a member
READABLE = 20  # words on either side of an attention matrix


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure with its file name, its caption and the text that stands for it."""

    name: str
    caption: str
    figure: Figure
    wide: bool = False  # a matrix: as wide as its words need


@dataclass(frozen=True, slots=True)
class Example:
    """One test sentence with each member's translation and its sentence-level chrF."""

    label: str
    source: str
    reference: str
    translations: tuple[tuple[str, str, str], ...]  # member, text, chrF


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what follows it, in this order."""

    title: str
    text: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    examples: tuple[Example, ...] = ()
    facts: tuple[tuple[str, tuple[str, ...]], ...] = ()  # name, values
    notes: tuple[str, ...] = ()  # small print, last


def sections(study: Study, comparison: Comparison | None) -> list[Section]:
    """All sections for which there is something to show."""
    found = [_question(study)]
    if comparison is not None:
        found += [_results(study, comparison), _costs(study)]
    found.append(_curves(study))
    if comparison is not None:
        found += [_length(study, comparison), _alignments(study, comparison), _examples(study)]
    found += [_runs(study), _provenance(study)]
    return [section for section in found if section != Section(section.title)]


def _question(study: Study) -> Section:
    match = study.description.get("match")
    budget = {key: value for key, value in (study.description.get("budget") or {}).items() if value}
    limits = " and ".join(f"{value:,} {key}" for key, value in budget.items())
    text = [
        str(study.description.get("question") or ""),
        "The members differ in the keys below and in nothing else: same data, same order of batches for the same seed"
        + (f", matched by {match}" if match else "")
        + (f", stopped after {limits}." if limits else "."),
    ]
    return Section("Question and difference", tuple(filter(None, text)), (tables.config_difference(study),))


def _results(study: Study, comparison: Comparison) -> Section:
    verdicts = tuple(findings.verdict(study, comparison, member) for member in study.members[1:])
    seeds = len(comparison.seeds)
    drawn = "test sentences and seeds, in pairs," if seeds > 1 else "test sentences"
    notes = (
        f"95 % intervals, in brackets: bootstrap over {drawn} with {RESAMPLES:,} resamples, the same for every member. "
        "Each score is computed again from the summed counts of the drawn sentences, then averaged over seeds; sd is "
        "the standard deviation over seeds. p-values are two-sided. TER is read from the records and has no interval."
        + (" “Sentences only” keeps these very training runs fixed." if seeds > 1 else ""),
        "Signatures: " + "; ".join(dict.fromkeys(f"{name} {text}" for name, text in _signatures(study))) + ".",
    )
    shown = (tables.scores(study, comparison), tables.differences(study, comparison))
    return Section("Results", verdicts, shown, notes=notes)


def _costs(study: Study) -> Section:
    tuned = tables.tuning(study)
    return Section("Size, cost and tuning", tables=(tables.costs(study), *((tuned,) if tuned else ())))


def _curves(study: Study) -> Section:
    records = {(run.member, run.seed): run.record for run in study.runs if run.record}
    several = " A thin line is one seed, the thick one their mean." if len(study.seeds) > 1 else ""
    pictures = []
    for key, quantity in (("nll", "validation loss, nats a token"), ("bleu", "validation BLEU, greedy")):
        curves = figures.curves_of(records, key=key)
        if curves:
            drawn = figures.learning_curves(curves, members=study.members, quantity=quantity)
            title = f"{quantity[0].upper()}{quantity[1:]}, against updates.{several}"
            pictures.append(Picture(f"learning_{key}", title, drawn))
    return Section("Learning curves", pictures=tuple(pictures))


def _length(study: Study, comparison: Comparison) -> Section:
    scores = {member: [part.scores[member][BLEU.name] for part in comparison.by_length] for member in study.members}
    bands = [
        Band(
            member,
            tuple(found.value for found in of_member),
            tuple(found.interval.low for found in of_member),
            tuple(found.interval.high for found in of_member),
        )
        for member, of_member in scores.items()
    ]
    trained = study.description.get("trained_length")
    spans = [(bucket.low, bucket.high) for bucket in comparison.buckets]
    drawn = figures.score_by_length(
        [bucket.label for bucket in comparison.buckets],
        [bucket.n for bucket in comparison.buckets],
        bands,
        quantity="test BLEU",
        trained=figures.trained_place(spans, trained) if trained else None,
    )
    caption = "BLEU against source length (Figure 2 of the paper), with 95 % bootstrap bands and n under each bucket."
    caption += f" Training sentences had at most {trained} words." if trained else ""
    note = "Lengths are blank-separated words of the raw source; buckets of fewer than 50 sentences are merged."
    picture = Picture("bleu_by_length", caption, drawn)
    return Section("Source length", (), (tables.by_length(study, comparison),), (picture,), notes=(note,))


def _alignments(study: Study, comparison: Comparison) -> Section:
    pictures = []
    for member in study.members:
        run = study.compared(member)[0]
        for entry in _readable(read_attention(run)):
            weights, source, target = _words(entry)
            caption = f"{member}, seed {run.seed}, test sentence {entry['index'] + 1}"
            name = f"attention_{_slug(member)}_{entry['index'] + 1}"
            drawn = figures.attention_matrix(weights, source, target)
            pictures.append(Picture(name, caption, drawn, wide=True))
    found = tables.alignment(comparison)
    text = (
        "Rows are target words, columns source words; each row sums to 1, and dark is near 1 (Figure 3 of the paper). "
        "Pieces are merged to words: summed over a source word's pieces, averaged over a target word's.",
    )
    notes = (
        "AER of the reference under forced decoding: each target word is linked to the source word with the largest "
        "weight, summed over pieces. Weights are those of attention; where a model has none, gradient saliency: how "
        "much a source word raises the target word's log-probability, by the gradient. Lower is better.",
    )
    return Section(
        "Alignments",
        text if pictures else (),
        (found,) if found else (),
        tuple(pictures),
        notes=notes if found else (),
    )


def _readable(entries: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    def size(entry: Mapping[str, Any]) -> int:
        _, source, target = _words(entry)
        return max(len(source), len(target))

    short = [entry for entry in entries if size(entry) <= READABLE]
    return short[:MATRICES] or sorted(entries, key=size)[:1]


def _words(entry: Mapping[str, Any]) -> tuple[Any, list[str], list[str]]:
    weights = np.asarray(entry["weights"], dtype=np.float64)
    labels = []
    for side, length in (("target", weights.shape[0]), ("source", weights.shape[1])):
        pieces = [str(piece) for piece in entry[f"{side}_pieces"]]
        labels.append(figures.words_of_pieces(pieces + ["</s>"] * (length - len(pieces))))
    (target, target_word), (source, source_word) = labels
    return word_weights(weights, source_word, target_word), source, target


def _slug(member: str) -> str:
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in member)


def _examples(study: Study) -> Section:
    seed = study.compared_seeds[0]
    rows = {member: study.run(member, seed).rows for member in study.members}
    chrf = np.stack([sentence_chrf(of_member) for of_member in rows.values()])
    chosen = pick_examples(np.ptp(chrf, axis=0).tolist())
    examples = tuple(
        Example(
            f"Test sentence {place + 1}, {'among the most different' if differs else 'drawn at random'}",
            rows[study.baseline][place]["source"],
            rows[study.baseline][place]["reference"],
            tuple(
                (member, of_member[place]["hypothesis"], tables.number(float(chrf[number, place]), 1))
                for number, (member, of_member) in enumerate(rows.items())
            ),
        )
        for place, differs in chosen
    )
    text = (
        f"From seed {seed}: {sum(differs for _, differs in chosen)} sentences whose translations differ most in "
        "sentence chrF (shown after each), the others drawn at random from the rest.",
    )
    return Section("Translations side by side", text, examples=examples)


def pick_examples(
    spread: Sequence[float], *, count: int = EXAMPLES, seed: int = EXAMPLES_SEED
) -> list[tuple[int, bool]]:
    """Rows to show: half of them those of the largest spread, half drawn from the rest; (row, whether by spread)."""
    by_spread = sorted(range(len(spread)), key=lambda row: (-spread[row], row))
    most, rest = by_spread[: (count + 1) // 2], by_spread[(count + 1) // 2 :]
    drawn = random.Random(seed).sample(sorted(rest), min(count - len(most), len(rest)))
    return [(row, True) for row in most] + [(row, False) for row in sorted(drawn)]


def _runs(study: Study) -> Section:
    left_out = tables.not_compared(study)
    return Section("Runs", tables=(tables.runs(study), *((left_out,) if left_out else ())))


def _signatures(study: Study) -> list[tuple[str, str]]:
    names = {"bleu": "BLEU", "chrf": "chrF", "ter": "TER"}
    tests = [run.test for run in study.runs if run.comparable]
    return [
        (names[key], str(test[f"{key}_signature"])) for test in tests for key in names if f"{key}_signature" in test
    ]


def _provenance(study: Study) -> Section:
    records = [run.record for run in study.runs if run.record]

    def distinct(read: Callable[[Mapping[str, Any]], Any]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(text for record in records if (text := _text(read(record)))))

    facts = [
        ("Study", (str(study.description.get("name", study.folder.name)),)),
        ("Created", (str(study.description.get("created") or tables.NOTHING),)),
        ("Commands", distinct(lambda record: " ".join(record.get("command") or []))),
        ("Commit", distinct(lambda record: _commit(record.get("git")))),
        ("Versions", distinct(lambda record: record.get("versions"))),
        ("Hardware", distinct(lambda record: record.get("hardware"))),
        ("Pairs", distinct(lambda record: (record.get("data") or {}).get("pairs"))),
        ("Filters", distinct(lambda record: record.get("filters"))),
        ("Data, SHA-256", distinct(lambda record: (record.get("data") or {}).get("checksums"))),
        ("Tokenizer, SHA-256", distinct(findings.tokenizer_checksums)),
        ("Config hashes", _by_run(study, lambda record: record.get("config_hash"))),
        ("Weights, SHA-256", _by_run(study, lambda record: (record.get("results") or {}).get("weights_sha256"))),
        ("Signatures", tuple(dict.fromkeys(f"{name}: {text}" for name, text in _signatures(study)))),
    ]
    return Section("Provenance", facts=tuple((name, values) for name, values in facts if values))


def _by_run(study: Study, read: Callable[[Mapping[str, Any]], Any]) -> tuple[str, ...]:
    return tuple(f"{run.member} seed {run.seed}: {read(run.record)}" for run in study.runs if read(run.record))


def _commit(git: Mapping[str, Any] | None) -> str:
    if not git:
        return "not under version control"
    return f"{git.get('commit')}{' with uncommitted changes' if git.get('dirty') else ''}"


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_text(inner) or 'none'}" for key, inner in value.items())
    return tables.plain(value) if value is not None else ""
