"""The tuning of a study: both forms of its description, the table, the figure, the cost."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rnnsearch.records.run_record import Record
from rnnsearch.records.study_description import StudyDescription, description_of
from rnnsearch.study import costs, tuning
from rnnsearch.study.drawing import drawn
from rnnsearch.study.folder import Run, Study

HALVING = {  # validation's likelihood of the built-in corpus, as trials of 1,600 updates have it
    "additive": {
        0.004: {400: 2.16, 800: 0.76},
        0.008: {400: 1.28, 800: 0.49, 1600: 0.32},
        0.016: {400: 1.49, 800: 0.92},
        0.032: {400: 4.40},
    },
    "fixed": {0.004: {400: 3.45}, 0.008: {400: 2.93, 800: 2.24}, 0.016: {400: 2.82, 800: 2.26}, 0.064: {}},
}


def trial(member: str, rate: float, curve: Mapping[int, float]) -> dict[str, Any]:
    return {
        "member": member,
        "values": {"optimizer.lr": rate},
        "folder": f"{member}-{rate:g}",
        "status": "finished" if 1600 in curve else "paused" if curve else "diverged",
        "values_at": [{"update": update, "value": value} for update, value in curve.items()],
        "updates": max(curve, default=100),
        "seconds": max(curve, default=100) / 8,
    }


def study(**more: Any) -> Study:
    """Fixed and additive, tuned on the seed whose run of additive is its chosen trial."""
    described: dict[str, Any] = {
        "measure": "nll",
        "seed": 0,
        "rungs": [{"share": 0.25, "keep": 2, "updates": 400}, {"share": 0.5, "keep": 1, "updates": 800}],
        "warmups": 2,
        "trials": [trial(member, rate, curve) for member, of in HALVING.items() for rate, curve in of.items()],
        "chosen": {"additive": {"optimizer.lr": 0.008}, "fixed": {"optimizer.lr": 0.008}},
        "at_edge": [],
    }
    record = Record(updates=1600, training_seconds=200.0)
    runs = (
        Run("fixed", 1, Path("fixed-seed1"), "finished", record, ({},)),
        Run("additive", 0, Path("additive-0.008"), "finished", record, ({},)),
    )
    told = {"tuning": {**described, **more}, "budget": {"updates": 1600}, "members": []}
    return Study(Path("study"), description(told), ("fixed", "additive"), (0, 1), runs)


OLD = {
    "learning_rates": [0.001, 0.002, 0.004],
    "updates": 200,
    "trials": [
        {"member": member, "learning_rate": rate, "nll": 1.0 + rate}
        for member in ("fixed", "additive")
        for rate in (0.001, 0.002, 0.004)
    ],
    "chosen": {"fixed": 0.001, "additive": 0.002},
}


def description(values: Mapping[str, Any]) -> StudyDescription:
    return description_of({"format": 1, **values}, Path())


def old() -> Study:
    record = Record(updates=1600, training_seconds=200.0)
    runs = tuple(Run(name, 1, Path(name), "finished", record, ({},)) for name in ("fixed", "additive"))
    return Study(Path("study"), description({"tuning": OLD}), ("fixed", "additive"), (1,), runs)


def test_rungs_say_shares_and_updates() -> None:
    table = tuning.table(study())
    assert table is not None
    assert table.header[2:4] == ("25 % of the budget, 400 updates", "50 % of the budget, 800 updates")
    table = tuning.table(study(rungs=[{"share": 0.25, "updates": None, "keep": 1}]))  # each at updates of its own
    assert table is not None
    assert table.header[2] == "25 % of the budget"
    assert table.rows[0][2] == "2.1600\nafter 400 updates"


def test_the_table_has_every_trial_with_its_judgements_and_the_choice() -> None:
    table = tuning.table(study())
    assert table is not None
    assert table.header == (
        *("member", "learning rate", "25 % of the budget, 400 updates", "50 % of the budget, 800 updates", "done", ""),
    )
    assert table.rows[1] == ("additive", "0.008", "1.2800", "0.4900", "1,600 updates, 3 min 20 s\nfinished", "chosen")
    assert table.rows[3] == ("additive", "0.032", "4.4000", "–", "400 updates, 50 s\npaused", "")
    assert table.rows[7] == ("fixed", "0.064", "–", "–", "100 updates, 12 s\ndiverged", "")
    assert "every member had the same ones" not in table.caption  # fixed was tried at 0.064, additive at 0.032
    old_table = tuning.table(old())
    assert old_table is not None
    assert "every member had the same ones" in old_table.caption


def test_the_rule_is_told_with_what_it_cost() -> None:
    [text] = tuning.section(study()).text
    assert "The one that was left is the run of that seed" not in text  # fixed's is of no seed of the study
    assert text.endswith("Those that are no runs took 4,100 updates and 8 min 32 s in all.")


def test_the_old_form_stays_readable() -> None:
    table = tuning.table(old())
    assert table is not None
    assert table.header == ("member", "learning rate", "200 updates", "")
    assert table.rows[0] == ("fixed", "0.001", "1.0010", "chosen")
    assert [row[-1] for row in table.rows].count("chosen") == 2
    [picture] = tuning.section(old()).pictures
    assert len(picture.draw().axes) >= 2
    assert [one.members for one in tuning.at_edge(old())] == [("fixed",)]


def test_the_figure_has_a_line_for_each_judgement_a_ring_and_a_cross() -> None:
    [picture] = tuning.section(study()).pictures
    additive, fixed = picture.draw().axes[:2]
    assert additive.get_xscale() == "log"
    first, second, ring = additive.get_lines()
    assert [*first.get_xdata()] == [0.004, 0.008, 0.016, 0.032]
    assert [*first.get_ydata()] == [2.16, 1.28, 1.49, 4.40]
    assert [*second.get_ydata()] == [0.76, 0.49, 0.92]
    assert ([*ring.get_xdata()], [*ring.get_ydata()]) == ([0.008], [0.49])
    assert [*fixed.get_lines()[-1].get_xdata()] == [0.064]
    assert not drawn(picture, Path("none.png")).left_out


def test_values_that_are_no_numbers_have_a_table_alone() -> None:
    trials = [{**trial("fixed", 1.0, {400: 2.0}), "values": {"optimizer": name}} for name in ("adam", "sgd")]
    section = tuning.section(study(trials=trials, chosen={"fixed": {"optimizer": "adam"}}))
    assert len(section.tables) == 1
    assert section.pictures == ()


def test_a_study_that_was_not_tuned_has_no_section() -> None:
    untuned = Study(Path("study"), description({"tuning": None}), ("fixed",), (1,), ())
    assert tuning.section(untuned).empty
    assert tuning.at_edge(untuned) == []


@pytest.mark.parametrize(("rate", "doubted"), [(0.001, True), (0.002, False), (0.004, True)])
def test_a_learning_rate_at_an_end_of_those_tried_is_a_doubt(rate: float, doubted: bool) -> None:
    tuned = {"learning_rates": [0.001, 0.002, 0.004], "chosen": {"fixed": 0.002, "additive": rate}}
    found = tuning.at_edge(Study(Path("study"), description({"tuning": tuned}), ("fixed", "additive"), (1,), ()))
    assert [(one.level, one.kind, one.members) for one in found] == (
        [("doubt", "rate_at_edge", ("additive",))] if doubted else []
    )
    assert all(f"additive {rate:g}." in one.text for one in found)


def test_an_edge_is_what_the_tuning_says_it_is() -> None:
    assert tuning.at_edge(study()) == []
    [told] = tuning.at_edge(study(at_edge=["fixed"]))
    assert told.text == "Learning rates at an end of those tried, so that a better one may lie beyond: fixed 0.008."
    assert told.values == {"fixed": {"optimizer.lr": 0.008}}


def test_the_cost_counts_every_trial_once() -> None:
    """Of fixed a run of 1,600, trials of 400, 800, 800, 100; of additive 800, 800, 400, and one that is its run."""
    rows = {row[0]: row[1:] for row in costs.table(study()).rows}
    assert rows["learning rate, tuned"] == ("0.008", "0.008")
    assert rows["updates"] == ("1,600", "1,600\n× 1.000")
    assert rows["updates, all runs and trials"] == ("3,700", "3,600\n× 0.973")
    assert rows["training time, all runs and trials"][0] == "7 min 42 s"  # 200 + (400 + 800 + 800 + 100) / 8


def test_what_no_trial_says_is_left_out_of_the_cost() -> None:
    rows = {row[0]: row[1:] for row in costs.table(old()).rows}
    assert rows["updates, all runs and trials"] == ("2,200", "2,200\n× 1.000")  # three trials of 200 each
    assert "training time, all runs and trials" not in rows
