"""Notes and doubts, as words and as fields: each kind in a study that has it, and none in one that has nothing."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.study.many import change_rows

from rnnsearch.records.run_record import Record, record_of
from rnnsearch.records.study_description import StudyDescription, description_of
from rnnsearch.study import trained_enough, unequal
from rnnsearch.study.doubts import remarks, seeds_changed
from rnnsearch.study.folder import Run, Study, read_study
from rnnsearch.study.remarks import Remark
from rnnsearch.study.report import write_report
from rnnsearch.study.statistics import compare

Edit = Callable[[Path, Callable[[Any], None]], None]


def found(folder: Path) -> dict[tuple[str, str], Remark]:
    """What is said of a study, by level and kind."""
    study = read_study(folder)
    told = remarks(study, compare(study, resamples=20))
    assert [one.level for one in told] == sorted(one.level for one in told)
    return {(one.level, one.kind): one for one in told}


@pytest.fixture
def small(make_study: Callable[..., Path], tmp_path: Path) -> Path:
    """Two members and one seed."""
    return make_study(tmp_path / "study", seeds=(0,), sentences=60, matrices=0)


def change_record(folder: Path, **values: Any) -> None:
    path = folder / "record.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **values}), encoding="utf-8")


def test_a_plain_comparison_of_one_seed_has_notes_and_no_doubt(small: Path, edit_json: Edit) -> None:
    edit_json(small / "study.json", lambda study: study["tuning"].update(chosen={"fixed": 0.001, "additive": 0.001}))
    assert found(small).keys() == {("note", "one_seed"), ("note", "not_converged")}


def test_the_fields_stand_beside_the_report(small: Path) -> None:
    write_report(small)
    told = json.loads((small / "report.json").read_text(encoding="utf-8"))
    assert told["format"] == 1
    assert told["headline"].startswith("Additive − fixed: these two runs differ by")
    assert told["doubts"] == []
    one_seed = next(note for note in told["notes"] if note["kind"] == "one_seed")
    assert one_seed == {"kind": "one_seed", "text": one_seed["text"], "members": [], "values": {"seeds": [0]}}
    for name in ("report.html", "report.md"):
        assert one_seed["text"].partition(";")[0] in (small / name).read_text(encoding="utf-8")


def test_few_seeds_are_a_note(make_study: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_study(tmp_path / "study", seeds=(0, 1), sentences=20, matrices=0)
    assert found(folder)["note", "few_seeds"].values == {"seeds": [0, 1]}


def test_models_that_have_learnt_nothing_are_a_doubt_and_one_of_two_a_note(small: Path) -> None:
    change_rows(small / "fixed-seed0", lambda row: row.update(hypothesis="no " * len(row["reference"].split())))
    told = found(small)
    assert told["note", "floor"].members == ("fixed",)
    assert told["note", "floor"].values["fixed"] < 1.0
    assert ("doubt", "weak") not in told
    change_rows(small / "additive-seed0", lambda row: row.update(hypothesis="no " * len(row["reference"].split())))
    told = found(small)
    assert told["doubt", "weak"].members == ("fixed", "additive")
    assert ("note", "floor") not in told


def test_short_translations_are_a_doubt_with_their_ratio_and_penalty(small: Path) -> None:
    """Each reference ends in a full stop, a token of its own, so that 4 of 5 tokens are left of "a b c d ."."""

    def halve(row: dict[str, Any]) -> None:
        row["reference"] = "a man sees a dog in the grass ."
        row["hypothesis"] = "a man sees a dog in ."

    for member in ("fixed", "additive"):
        change_rows(small / f"{member}-seed0", halve)
    told = found(small)["doubt", "length_ratio"]
    assert told.members == ("fixed", "additive")
    assert told.values["fixed"]["ratio"] == pytest.approx(7 / 9)
    assert told.values["fixed"]["brevity_penalty"] == pytest.approx(2.718281828 ** (1 - 9 / 7))
    assert "fixed 0.78, brevity penalty 0.75" in told.text


def test_translations_that_are_short_at_some_lengths_alone_are_a_note(
    make_study: Callable[..., Path], edit_json: Edit, tmp_path: Path
) -> None:
    folder = make_study(tmp_path / "study", seeds=(0,), sentences=160, matrices=0)
    lengths = sorted(int(row["source_words"]) for row in read_study(folder).runs[0].rows)
    edit_json(folder / "study.json", lambda study: study.update(length_edges=[lengths[55]]))

    def shorten_the_short(row: dict[str, Any]) -> None:
        if row["source_words"] <= lengths[55]:
            words = row["hypothesis"].split()
            row["hypothesis"] = " ".join(words[: len(words) - 1])

    change_rows(folder / "additive-seed0", shorten_the_short)
    told = found(folder)
    assert ("doubt", "length_ratio") not in told
    assert told["note", "length_ratio"].members == ("additive",)
    [label] = told["note", "length_ratio"].values["additive"]["by_length"].keys() - {f"{lengths[55] + 1}–{lengths[-1]}"}
    assert told["note", "length_ratio"].values["additive"]["by_length"][label] < 0.85
    assert f" at {label} source words)" in told["note", "length_ratio"].text


def test_of_many_members_the_worst_length_alone_is_told(make_study: Callable[..., Path], tmp_path: Path) -> None:
    names = ("a", "b", "c", "d")
    folder = make_study(tmp_path / "study", members=names, seeds=(0,), sentences=160, matrices=0)

    def shorten(row: dict[str, Any]) -> None:
        words = row["hypothesis"].split()
        row["hypothesis"] = " ".join(words[: len(words) // (3 if row["source_words"] > 15 else 2)])
        row["at_limit"] = row["source_words"] > 15 or row["index"] % 5 == 0

    for name in names:
        change_rows(folder / f"{name}-seed0", shorten)
    told = found(folder)
    ratios, limited = told["note", "length_ratio"], told["note", "runaway"]  # so short that they are weak
    for name in names:
        lengths, shares = ratios.values[name]["by_length"], limited.values[name]["by_length"]
        assert min(len(lengths), len(shares)) > 1
        worst, most = min(lengths, key=lengths.__getitem__), max(shares, key=shares.__getitem__)
        short = rf"\b{name} [\d.]+, brevity penalty [\d.]+ \({lengths[worst]:.2f} at {worst} source words\)"
        assert re.search(short, ratios.text)
        assert re.search(rf"\b{name} [\d.]+ % \({100 * shares[most]:.1f} % at {most} source words\)", limited.text)
    for remark in (ratios, limited):
        assert remark.text.endswith("; in brackets the worst length of each.")


def test_runaway_translations_are_those_at_the_limit(small: Path) -> None:
    def mark(row: dict[str, Any]) -> None:
        row["at_limit"] = row["index"] < 3

    change_rows(small / "additive-seed0", mark)
    told = found(small)["doubt", "runaway"]
    assert told.members == ("additive",)  # the other's rows, of an earlier version, do not say it
    assert told.values["additive"]["share"] == pytest.approx(3 / 60)
    assert "additive 5.0 %" in told.text


def test_translations_that_run_away_beyond_trained_lengths_alone_are_a_note(small: Path, edit_json: Edit) -> None:
    longest = sorted(int(row["source_words"]) for row in read_study(small).runs[0].rows)[40]

    def mark_the_long(row: dict[str, Any]) -> None:
        row["at_limit"] = row["source_words"] > longest

    change_rows(small / "additive-seed0", mark_the_long)
    edit_json(small / "study.json", lambda study: study.update(trained_length=longest))
    told = found(small)
    assert told["note", "runaway"].members == ("additive",)
    assert ("doubt", "runaway") not in told
    edit_json(small / "study.json", lambda study: study.update(trained_length=longest + 99))
    assert found(small)["doubt", "runaway"].members == ("additive",)


def test_lengths_of_a_member_at_the_floor_are_a_note(small: Path) -> None:
    change_rows(small / "fixed-seed0", lambda row: row.update(hypothesis="no", at_limit=True))
    told = found(small)
    assert told["note", "length_ratio"].members == told["note", "runaway"].members == ("fixed",)
    assert not {("doubt", "length_ratio"), ("doubt", "runaway")} & told.keys()


def test_failed_seeds_are_a_doubt_and_those_to_come_another(small: Path) -> None:
    change_record(small / "fixed-seed0", status="failed", error={"type": "X", "message": "", "traceback": ""})
    told = found(small)
    assert told["doubt", "failed_seeds"].values == {"runs": [{"member": "fixed", "seed": 0, "status": "failed"}]}
    assert ("doubt", "unfinished") not in told


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        (
            "code",
            {"git": {"commit": "d" * 40, "dirty": False}},
            "2 versions of the program (commits c0ffeec0f, ddddddddd)",
        ),
        (
            "code",
            {"git": {"commit": "c0ffee" * 6 + "c0ff", "dirty": True}},
            "(commits c0ffeec0f, c0ffeec0f with changes)",
        ),
        ("versions", {"versions": {"python": "3.11.7", "torch": "2.12.0"}}, "torch 2.13.0+cpu and 2.12.0;"),
    ],
)
def test_other_code_and_other_libraries_are_doubts(small: Path, kind: str, change: dict[str, Any], said: str) -> None:
    change_record(small / "additive-seed0", **change)
    told = found(small)["doubt", kind]
    assert told.members == ("additive",)
    assert said in told.text


def test_what_needs_no_translations_is_said_of_speeds_too(small: Path, edit_json: Edit) -> None:
    edit_json(small / "study.json", lambda study: study.update(kind="sweep", protocol={"metric": "tokens_per_second"}))
    change_record(small / "additive-seed0", versions={"python": "3.11.7", "torch": "2.12.0"})
    study = read_study(small)
    assert [one.kind for one in remarks(study, None) if one.level == "doubt"] == ["versions"]


def asked(*times: tuple[str, list[int]]) -> Study:
    """Seeds asked for at some times, in a study whose seeds 0 and 1 ended at noon."""
    runs = tuple(
        Run("a", seed, Path(f"a{seed}"), "finished", Record(ended="2026-01-01T12:00:00Z"), ()) for seed in (0, 1)
    )
    description = {"asked_seeds": [{"seeds": seeds, "at": at} for at, seeds in times]}
    return Study(Path("study"), description_of({"format": 1, **description}, Path()), ("a",), (0, 1, 2), runs)


def test_seeds_that_were_added_after_others_had_ended_are_a_doubt() -> None:
    first = ("2026-01-01T09:00:00Z", [0, 1])
    assert seeds_changed(asked(first)) == []
    early = seeds_changed(asked(first, ("2026-01-01T11:00:00Z", [0, 1, 2])))  # nothing was to be seen yet
    assert [one.kind for one in early] == ["seeds_gone"]
    assert seeds_changed(asked(first, ("2026-01-01T13:00:00Z", [0, 1]))) == []
    [told, _] = seeds_changed(asked(first, ("2026-01-01T13:00:00Z", [0, 1, 2])))
    assert (told.level, told.kind, told.values) == ("doubt", "seeds_added", {"seeds": [2]})
    [told] = seeds_changed(asked(("2026-01-01T09:00:00Z", [4, 0]), ("2026-01-01T10:00:00Z", [0, 1])))
    assert (told.level, told.kind, told.values) == ("doubt", "seeds_gone", {"seeds": [4]})
    assert seeds_changed(Study(Path("study"), StudyDescription(), ("a",), (0,), ())) == []


def enough(
    records: Sequence[Mapping[str, Any]], settings: Sequence[Mapping[str, Any]] | None = None
) -> dict[tuple[str, str], Remark]:
    """What is said of one run a member, with these records."""
    names = [f"m{number}" for number in range(len(records))]
    runs = tuple(
        Run(name, 0, Path(name), "finished", record_of({"format": 1, **record}, Path()), ({},))
        for name, record in zip(names, records, strict=True)
    )
    members = [{"name": name, "settings": of} for name, of in zip(names, settings or [{}] * len(names), strict=True)]
    study = Study(Path("study"), description_of({"format": 1, "members": members}, Path()), tuple(names), (0,), runs)
    told = trained_enough.remarks(study, {run.member: (run,) for run in runs})
    return {(one.level, one.kind): one for one in told}


def scored(bleu: float, updates: int) -> dict[str, Any]:
    return {"updates": updates, "results": {"metrics": {"test": {"bleu": bleu, "chrf": 1.0, "nll": 1.0}}}}


def test_converged_is_said_where_the_rule_ended_every_run_before_its_cap() -> None:
    ended = {"converged": True, "decay_from": 800, "updates": 1000}
    told = enough([ended, {**ended, "updates": 1500}])
    assert told.keys() == {("note", "converged")}
    assert "before the cap of the budget (1,000 to 1,500 updates)" in told["note", "converged"].text
    capped = {"converged": False, "decay_from": 1600, "updates": 2000}
    told = enough([ended, capped])
    assert told.keys() == {("doubt", "not_converged")}
    assert told["doubt", "not_converged"].members == ("m1",)
    assert "m1 seed 0 (after 2,000 updates)" in told["doubt", "not_converged"].text


def test_converged_is_said_where_twice_the_budget_gained_less_than_the_bound() -> None:
    settings = [{"budget.updates": 1000}, {"budget.updates": 2000}]
    told = enough([scored(30.0, 1000), scored(30.4, 2000)], settings)
    assert "or is the longest of its kind: twice the budget or more moved none by more than +0.40 BLEU" in (
        told["note", "converged"].text
    )
    told = enough([scored(30.0, 1000), scored(30.6, 2000)], settings)
    assert "moved the score by 0.50 BLEU or more (m0 seed 0 +0.60)" in told["note", "not_converged"].text
    told = enough([scored(30.0, 1000), scored(30.1, 1900)], settings)
    assert told["note", "not_converged"].text.startswith("Trained for a set budget")
    told = enough([scored(30.0, 1000), scored(30.1, 2000)], [*settings[:1], {**settings[1], "optimizer.lr": 1}])
    assert told["note", "not_converged"].text.startswith("Trained for a set budget")


@pytest.mark.parametrize(
    ("scores", "kind", "text"),
    [
        ((30.0, 32.0, 30.3), "not_converged", "m0 seed 0 +2.00, m1 seed 0 −1.70"),
        ((30.0, 30.3, 30.4), "converged", "moved none by more than +0.40 BLEU"),
        ((30.0, 30.3, 5.0), "not_converged", "m0 seed 0 −25.00, m1 seed 0 −25.30"),
    ],
)
def test_all_longer_runs_count(scores: tuple[float, ...], kind: str, text: str) -> None:
    settings = [{"budget.updates": updates} for updates in (1000, 2000, 4000)]
    told = enough([scored(one, of["budget.updates"]) for one, of in zip(scores, settings, strict=True)], settings)
    assert told.keys() == {("note", kind)}
    assert text in told["note", kind].text


def test_a_capped_run_beside_a_longer_one_like_it_is_no_doubt() -> None:
    settings = [{"budget.updates": 1000}, {"budget.updates": 2000}]
    short, long = ({**scored(30.0, of["budget.updates"]), "converged": False} for of in settings)
    told = enough([short, long], settings)
    assert told["doubt", "not_converged"].members == ("m1",)
    assert ("note", "converged") not in told


def test_unequal_budgets_are_no_doubt_where_each_training_ends_by_itself() -> None:
    runs = tuple(Run(name, 1, Path(name), "finished", Record(updates=n), ()) for name, n in (("a", 100), ("b", 300)))
    study = Study(
        Path("study"), StudyDescription(budget={"updates": 1000, "until": "converged"}), ("a", "b"), (1,), runs
    )
    [told] = unequal.sizes_and_budgets(study, {run.member: (run,) for run in runs})
    assert (told.level, told.kind, told.values) == ("note", "budgets", {"of": "updates", "b": 300, "a": 100})


SAME: dict[str, Any] = {
    "parameters": 1000,
    "flops_per_token": 50.0,
    "updates": 10,
    "tokens_seen": 400,
    "training_seconds": 3.0,
}


def doubts_of(description: dict[str, Any], **other: float) -> list[str]:
    """What is said of two runs that are the same but for ``other`` in the second."""
    runs = tuple(
        Run(name, 1, Path(name), "finished", Record(**record), ())
        for name, record in (("fixed", SAME), ("additive", {**SAME, **other}))
    )
    study = Study(
        Path("study"), description_of({"format": 1, **description}, Path()), ("fixed", "additive"), (1,), runs
    )
    return [one.text for one in unequal.sizes_and_budgets(study, {run.member: (run,) for run in runs})]


@pytest.mark.parametrize(
    ("match", "key", "sentence"),
    [
        ("parameters", "parameters", "additive has {} total parameters, fixed 1,000: more than 1 % apart."),
        ("flops", "flops_per_token", "additive has {} operations a target token, fixed 50: more than 1 % apart."),
    ],
)
def test_what_is_matched_must_be_equal(match: str, key: str, sentence: str) -> None:
    other = {"parameters": "flops_per_token", "flops_per_token": "parameters"}[key]
    assert doubts_of({"match": match}, **{key: 1.02 * SAME[key]}) == [sentence.format(f"{1.02 * SAME[key]:,.0f}")]
    assert doubts_of({"match": match}, **{key: 1.009 * SAME[key], other: 9 * SAME[other]}) == []
    assert doubts_of({"match": "none"}, **{key: 2 * SAME[key]}) == []


@pytest.mark.parametrize(
    ("budget", "key", "sentence"),
    [
        ({"updates": 10}, "updates", "additive has 20 updates, fixed 10"),
        ({"updates": 10, "tokens": 400}, "tokens_seen", "additive has 800 target tokens, fixed 400"),
        ({"updates": 10, "seconds": 3.0}, "training_seconds", "additive has 6 training seconds, fixed 3"),
        ({"flops": 2e4}, "tokens_seen", "additive has 40,000 operations, fixed 20,000"),
        ({}, "updates", "additive has 20 updates, fixed 10"),
    ],
)
def test_the_budget_must_be_equal_in_its_own_unit(budget: dict[str, float], key: str, sentence: str) -> None:
    nulls = {"updates": None, "tokens": None, "seconds": None, "flops": None}
    description = {"budget": {**nulls, **budget}}
    assert doubts_of(description, **{key: 2 * SAME[key]}) == [f"{sentence}: more than 1 % apart."]
    assert doubts_of(description, **{key: 1.005 * SAME[key]}) == []


def test_equal_operations_may_be_other_updates() -> None:
    assert doubts_of({"budget": {"flops": 2e4}}, flops_per_token=25.0, tokens_seen=800, updates=20) == []
