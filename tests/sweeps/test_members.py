"""Members, seeds and protocols: one machine, whatever the command is called. Nothing is trained."""

import json
from typing import Any

import pytest
from omegaconf import OmegaConf

from rnnsearch.config.compose import compose
from rnnsearch.records.json_files import write_object

EQUAL = ("model=tiny", "match=none", "tuning=none")
OWN = ("members=null", '+members.gru=["model.cell=cudnn"]', '+members.lstm=["model.cell=lstm"]')


def told(plan: Any, study: str) -> dict[str, tuple[str, int, str]]:
    return {point.key: (point.member, point.seed, point.folder.name) for point in plan.points(study)}


def test_a_comparison_is_a_sweep_with_a_protocol(plan: Any) -> None:
    plan("compare study=one", *EQUAL, "seeds=[0,1]")
    plan("sweep study=two protocol=fixed_vs_attention", *EQUAL, "seed=0,1")
    assert told(plan, "one") == told(plan, "two")
    assert {name for name, *_ in told(plan, "one").values()} == {"fixed", "additive"}
    one, two = plan.described("one"), plan.described("two")
    for key in ("kind", "question", "protocol", "seeds", "match", "tuning", "config_difference"):
        assert one[key] == two[key], key
    assert one["kind"] == "comparison"
    assert one["protocol"]["comparisons"] == [["additive", "fixed"]]


@pytest.mark.parametrize(
    ("words", "seeds"),
    [
        ("compare", {1}),
        ("compare seed=4", {4}),
        ("compare seed=4,5", {4, 5}),
        ("compare seeds=[2,3]", {2, 3}),
        ("sweep protocol=fixed_vs_attention", {0, 1, 2}),
        ("sweep protocol=fixed_vs_attention seed=7", {7}),
        ("sweep protocol=fixed_vs_attention seeds=[7,8]", {7, 8}),
        ("sweep model/context=fixed,additive seeds=[7,8]", {7, 8}),
        ("sweep model/context=fixed,additive", {1}),
    ],
)
@pytest.mark.slow
def test_seeds_are_asked_for_alike(plan: Any, words: str, seeds: set[int]) -> None:
    plan(f"{words} study=s", *EQUAL)
    assert {point.seed for point in plan.points("s")} == seeds
    assert len(plan.points("s")) == 2 * len(seeds)


def test_members_of_one_s_own_have_no_question_of_another(plan: Any) -> None:
    plan("compare data=controlled study=cells", *EQUAL, "seeds=[0]", *OWN)
    found = plan.described("cells")
    assert [member["name"] for member in found["members"]] == ["gru", "lstm"]
    assert found["question"] is None
    assert {key: value for key, value in found["protocol"].items() if value is not None} == {"metric": "bleu"}
    plan("compare data=controlled study=asked", *EQUAL, "seeds=[0]", *OWN, "protocol.question='Which cell?'")
    assert plan.described("asked")["question"] == plan.described("asked")["protocol"]["question"] == "Which cell?"


def test_members_times_values(plan: Any) -> None:
    plan("compare study=s", *EQUAL, "seeds=[0]", "model.dropout=0.1,0.2")
    assert {point.member for point in plan.points("s")} == {
        f"{member}, dropout={dropout}" for member in ("fixed", "additive") for dropout in ("0.1", "0.2")
    }


@pytest.mark.slow
def test_planned_pairs_are_compared_in_every_combination_of_what_else_is_swept(plan: Any) -> None:
    plan("compare study=s", *EQUAL, "seeds=[0]", "model.dropout=0.1,0.2")
    stated = plan.described("s")["protocol"]
    assert stated["comparisons"] == [[f"additive, dropout={x}", f"fixed, dropout={x}"] for x in (0.1, 0.2)]
    assert stated["baseline"] == "fixed, dropout=0.1"
    assert plan.described("s")["members"][0]["name"] == "fixed, dropout=0.1"
    pairs = "protocol.comparisons=[[additive,fixed]]"
    plan("sweep study=t", *EQUAL, "model/context=fixed,additive,mean", "model.cell=cudnn,lstm", pairs)
    stated = plan.described("t")["protocol"]
    assert stated["comparisons"] == [[f"additive, cell={x}", f"fixed, cell={x}"] for x in ("cudnn", "lstm")]


@pytest.mark.slow
def test_a_plain_sweep_may_name_its_baseline(plan: Any) -> None:
    words = ("sweep study=s", *EQUAL, "model/context=additive,fixed", "seed=0,1")
    plan(*words)
    assert plan.described("s")["protocol"] is None
    plan(*words, "protocol.baseline=fixed", "protocol.metric=chrf")
    found = plan.described("s")
    assert {key: one for key, one in found["protocol"].items() if one} == {"baseline": "fixed", "metric": "chrf"}
    assert [member["name"] for member in found["members"]] == ["fixed", "additive"]


@pytest.mark.slow
def test_runs_of_another_rate_than_the_chosen_one_are_members_of_their_own(plan: Any) -> None:
    words = ("sweep study=s model=tiny match=none seed=1", "tuning=none")
    plan(*words, "model/context=additive,fixed", "optimizer.lr=0.016")
    found = plan.described("s")
    chosen = {name: {"optimizer.lr": 0.016} for name in ("additive", "fixed")}
    tuning = {"measure": "nll", "rungs": [], "trials": [], "chosen": chosen, "at_edge": []}
    del found["sha256"]
    write_object(plan.outputs / "s" / "study.json", {**found, "tuning": tuning})
    plan(*words, "model/context=fixed", "optimizer.lr=0.002")
    found = plan.described("s")
    assert sorted(run["member"] for run in found["runs"]) == ["additive", "fixed", "fixed, lr=0.002"]
    assert found["tuning"]["chosen"] == chosen


@pytest.mark.slow
def test_a_key_that_one_member_lacks_is_the_others(plan: Any) -> None:
    plan("compare study=s", *EQUAL, "seeds=[0]", "model.context.attention_size=8")
    sizes = {point.member: "model.context.attention_size=8" in point.overrides for point in plan.points("s")}
    assert sizes == {"fixed": False, "additive": True}


@pytest.mark.slow
def test_paired_values(plan: Any) -> None:
    lists = "sweep.points=[[model.hidden_size=8,model.dropout=0.1],[model.hidden_size=16,model.dropout=0.2]]"
    plan("sweep study=s", *EQUAL, lists, "model/context=fixed,additive", "seed=0,1")
    assert len(plan.points("s")) == 8
    assert {point.member for point in plan.points("s")} == {
        f"{context}, hidden_size={size}, dropout={dropout}"
        for context in ("fixed", "additive")
        for size, dropout in ((8, 0.1), (16, 0.2))
    }


@pytest.mark.slow
def test_a_seed_may_stand_in_a_list(plan: Any) -> None:
    plan("sweep study=s", *EQUAL, "sweep.points=[[seed=3,model.dropout=0.2],[seed=4,model.dropout=0.2],[seed=4]]")
    found = {(point.seed, "model.dropout=0.2" in point.overrides) for point in plan.points("s")}
    assert found == {(3, True), (4, True), (4, False)}
    assert len({point.member for point in plan.points("s")}) == 2


def test_a_point_gets_no_key_of_the_sweep_s_own(plan: Any) -> None:
    plan("compare study=s", *EQUAL, "length_edges=[5,9]", "jobs=2", "question=Why?")
    (first, *_) = plan.points("s")
    keys = {one.partition("=")[0] for one in first.overrides}
    assert keys == {"model", "model/context", "seed", "study", "member"}
    assert plan.described("s")["length_edges"] == [5, 9]


@pytest.mark.slow
def test_rates_of_an_earlier_comparison_are_not_chosen_anew(plan: Any) -> None:
    trials = [{"member": name, "learning_rate": 0.5, "nll": 3.0} for name in ("fixed", "additive")]
    tuning = {"learning_rates": [0.25, 0.5], "updates": 9, "trials": trials, "chosen": {"fixed": 0.5, "additive": 0.25}}
    old = {"format": 1, "kind": "comparison", "name": "s", "members": [], "seeds": [], "runs": [], "tuning": tuning}
    write_object(plan.outputs / "s" / "study.json", old)
    plan("compare study=s model=tiny match=none seeds=[0,5]")
    rates = {(point.member, one) for point in plan.points("s") for one in point.overrides if "optimizer.lr" in one}
    assert rates == {("fixed", "optimizer.lr=0.5"), ("additive", "optimizer.lr=0.25")}
    assert len(plan.points("s")) == 4
    found = plan.described("s")["tuning"]
    assert found["chosen"] == {"fixed": {"optimizer.lr": 0.5}, "additive": {"optimizer.lr": 0.25}}
    assert found["trials"][0]["values_at"] == [{"update": 9, "value": 3.0}]


@pytest.mark.slow
def test_what_seeds_were_asked_for_and_when(plan: Any) -> None:
    for seeds in ("0,1", "1", "0,1,2"):
        plan("sweep study=s", *EQUAL, "model/context=fixed,additive", f"seed={seeds}")
    asked = plan.described("s")["asked_seeds"]
    assert [one["seeds"] for one in asked] == [[0, 1], [0, 1, 2]]
    assert asked[0]["at"] <= asked[1]["at"]
    earlier = {key: one for key, one in plan.described("s").items() if key not in ("asked_seeds", "sha256")}
    write_object(plan.outputs / "s" / "study.json", earlier)
    plan("sweep study=s", *EQUAL, "model/context=fixed,additive", "seed=3")
    assert [one["seeds"] for one in plan.described("s")["asked_seeds"]] == [[0, 1, 2], [0, 1, 2, 3]]


@pytest.mark.slow
def test_points_of_a_version_with_other_defaults_are_not_trained_anew_beside_it(
    plan: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("sweep study=s data=controlled seed=0,1", *EQUAL)
    plan(*words)
    first, *_ = plan.points("s")
    job = json.loads((first.folder / "job.json").read_text())
    key = "0" * len(first.key)
    old = first.folder.with_name(first.folder.name.replace(first.key[:8], key[:8]))
    first.folder.rename(old)
    write_object(old / "job.json", {**{name: one for name, one in job.items() if name != "sha256"}, "key": key})
    config = compose("train", first.overrides)
    config.optimizer.lr = 0.001
    (old / "config.yaml").write_text(OmegaConf.to_yaml(config, resolve=True))
    assert plan(*words) == 1
    error = capsys.readouterr().err
    assert f"{old.name} was asked for by the same words" in error
    assert "(optimizer.lr was 0.001, is 0.008)" in error
    assert plan.launched == []
    assert plan(*words, "optimizer.lr=0.004") == 1
    assert len(plan.launched) == 2


@pytest.mark.slow
def test_a_member_of_other_settings_takes_the_place_of_the_earlier_one(plan: Any) -> None:
    plan("compare study=s", *EQUAL, "seeds=[0,1]")
    first = plan.described("s")["runs"]
    plan("compare study=s", *EQUAL, "seeds=[0]", "label_smoothing=0.2")
    second = plan.described("s")["runs"]
    assert [(run["member"], run["seed"]) for run in second] == [("fixed", 0), ("additive", 0)]
    assert not {run["folder"] for run in first} & {run["folder"] for run in second}
    assert len(plan.points("s")) == 6  # none is lost
    plan("compare study=s", *EQUAL, "seeds=[1]", "label_smoothing=0.2")
    assert len(plan.described("s")["runs"]) == 4
    plan("compare study=s", *EQUAL, "seeds=[1]")
    assert {run["folder"] for run in plan.described("s")["runs"]} == {run["folder"] for run in first}
