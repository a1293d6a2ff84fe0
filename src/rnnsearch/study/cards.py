"""Run cards: what one needs to know of each run, folded; what all runs share is listed once above them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rnnsearch.plots.style import value_text
from rnnsearch.records.run_record import Ancestor, Commit, Record
from rnnsearch.study import tables
from rnnsearch.study.blocks import Fold, Section
from rnnsearch.study.folder import DAMAGED, OTHER_DATA, Run, Study
from rnnsearch.study.measures import primary

FACTS: tuple[tuple[str, Callable[[Record], Any]], ...] = (
    ("Tags", lambda record: ", ".join(record.tags)),
    ("Note", lambda record: record.note),
    ("Command", lambda record: " ".join(record.command)),
    ("Commit", lambda record: commit(record.git)),
    ("Versions", lambda record: record.versions),
    ("Hardware", lambda record: record.hardware),
    ("Pairs", lambda record: record.data.pairs),
    ("Filters", lambda record: record.filters),
    ("Data, SHA-256", lambda record: record.data.checksums),
    ("Tokenizer, SHA-256", lambda record: record.tokenizer.checksums),
    ("Config hash", lambda record: record.config_hash),
    ("Began from", lambda record: descent(record.ancestors)),
    ("Weights, SHA-256", lambda record: record.results.weights_sha256),
    ("Started", lambda record: record.started),
    ("Ended", lambda record: record.ended),
    ("Updates", lambda record: _known(tables.count, record.updates)),
    ("Target tokens seen", lambda record: _known(tables.count, record.tokens_seen)),
    ("Training time", lambda record: _known(tables.duration, record.trained_seconds)),
    ("Peak memory", lambda record: _known(tables.mebibytes, record.peak_memory_bytes)),
)
SINGLE = ("Started", "Ended", "Updates", "Target tokens seen", "Training time", "Peak memory", "Config hash")


def section(study: Study) -> Section:
    """The study's own facts, what all its runs share, and a card for each run."""
    texts = {name: [_text(read(run.record)) for run in study.runs if run.record.is_there] for name, read in FACTS}
    shared = {name: values[0] for name, values in texts.items() if name not in SINGLE and len(set(values)) == 1}
    facts = [
        ("Study", study.description.name or study.folder.name),
        ("Created", study.description.created or tables.NOTHING),
        *((name, text) for name, text in shared.items()),
        *(("Signatures", text) for text in signatures(study)),
    ]
    joined: dict[str, tuple[str, ...]] = {}
    for name, text in facts:
        if text:
            joined[name] = (*joined.get(name, ()), text)
    own = frozenset(name for name, _ in FACTS) - frozenset(shared)
    return Section(
        "Provenance",
        (f"What the {len(study.runs)} runs share stands here, what is a run's own on its card.",),
        facts=tuple(joined.items()),
        folds=tuple(card(study, run, own) for run in study.runs),
    )


def card(study: Study, run: Run, own: frozenset[str]) -> Fold:
    """Where a run comes from, by its record, and how it failed, if it did."""
    facts: list[tuple[str, tuple[str, ...]]] = [
        (name, (text,)) for name, read in FACTS if run.record.is_there and (text := _text(read(run.record)))
    ]
    attempts = tuple(_attempt(attempt) for attempt in run.job.get("attempts") or [])
    if len(attempts) > 1 or (attempts and run.status != "finished"):
        facts.append(("Attempts", attempts))
    facts.append(("Folder", (run.folder.name,)))
    error = run.error
    if error:
        facts.insert(0, ("Error", (f"{error.get('type')}: {error.get('message')}",)))
    measure = primary(study)
    value = measure.of(run)
    return Fold(
        f"{run.member}, seed {run.seed}",
        run.status if value is None else f"{tables.number(value)} {measure.title}",
        alarm=run.status in ("failed", "interrupted", "killed", DAMAGED, OTHER_DATA),
        facts=tuple(facts),
        own=own | {"Error", "Attempts"},
        code=str((error or {}).get("traceback") or "").strip("\n"),
    )


def signatures(study: Study) -> tuple[str, ...]:
    """SacreBLEU's signatures of the test scores, each once."""
    names = {"bleu": "BLEU", "chrf": "chrF", "ter": "TER"}
    tests = [run.test for run in study.runs if run.comparable]
    pairs = [(names[key], test.get(f"{key}_signature")) for test in tests for key in names]
    return tuple(dict.fromkeys(f"{name} {text}" for name, text in pairs if text))


def commit(git: Commit | None) -> str:
    """The commit a run was made from."""
    if git is None:
        return "not under version control"
    return f"{git.commit}{' with uncommitted changes' if git.dirty else ''}"


def descent(ancestors: Sequence[Ancestor]) -> str | None:
    """The runs whose weights a run descends from, the nearest first."""
    told = (f"{one.name} ({one.id}), {one.checkpoint}, weights {one.weights_sha256}" for one in ancestors)
    return "; that one from ".join(told) or None


def _attempt(attempt: Mapping[str, Any]) -> str:
    facts = [str(attempt.get("started") or ""), str(attempt.get("outcome") or "no end noted")]
    facts += [f"exit code {attempt['exit_code']}"] if attempt.get("exit_code") is not None else []
    facts += [str(attempt["signal"])] if attempt.get("signal") else []
    facts += [" ".join(attempt["overrides"])] if attempt.get("overrides") else []
    return ", ".join(facts)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_text(inner) or 'none'}" for key, inner in value.items())
    return value_text(value) if value is not None else ""


def _known(show: Callable[[float | None], str], value: float | None) -> str | None:
    return None if value is None else show(value)
