"""Which points a sweep has. Configs are made up here: a context has the keys of its option, as in conf/."""

from collections.abc import Sequence
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnsearch.config.compose import UnknownKey
from rnnsearch.config.overrides import key_of
from rnnsearch.sweeps.combinations import Axis, Composed, active, combinations, composed
from rnnsearch.sweeps.describe_study import no_differences
from rnnsearch.sweeps.labels import in_words, labels

KEYS = {"additive": ("attention_size", "normed"), "multiplicative": ("scaled",), "fixed": ()}


def compose(overrides: Sequence[str]) -> Composed:
    """What Hydra would make of the overrides: `size` has no effect beside a fixed context."""
    given = {key_of(one): one.partition("=")[2] for one in overrides}
    option = given.get("context", "additive")
    own = {f"context.{key}" for key in KEYS[option]}
    for key in given:
        if key not in own | {"context", "hidden", "seed", "size"}:
            raise UnknownKey(key, f"{key} is unknown")
    if option == "fixed":
        given.pop("size", None)
    values = {"context": option, "hidden": "8", "seed": "1", "size": "4", **given}
    return Composed(tuple(overrides), repr(sorted(values.items())), int(values["seed"]))


def points(*axes: str, fixed: Sequence[str] = (), lists: Sequence[Sequence[str]] = ()) -> list[tuple[str, ...]]:
    split = [Axis(key, tuple(values.split(","))) for key, _, values in (axis.partition("=") for axis in axes)]
    return [one.overrides for one in composed(combinations(fixed, split, lists), compose)]


def test_the_last_axis_is_fastest_and_fixed_overrides_are_in_every_point() -> None:
    assert points("hidden=1,2", "seed=0,1", fixed=["context=fixed"]) == [
        ("context=fixed", "hidden=1", "seed=0"),
        ("context=fixed", "hidden=1", "seed=1"),
        ("context=fixed", "hidden=2", "seed=0"),
        ("context=fixed", "hidden=2", "seed=1"),
    ]


def test_paired_lists_go_together_and_are_combined_with_the_axes() -> None:
    pairs = [["hidden=8", "context.attention_size=4"], ["hidden=16", "context.attention_size=8"]]
    assert points("seed=0,1", lists=pairs) == [(*pair, f"seed={seed}") for pair in pairs for seed in (0, 1)]


def test_a_sweep_without_axes_is_one_point() -> None:
    assert points(fixed=["hidden=3"]) == [("hidden=3",)]


def test_keys_that_a_point_lacks_are_dropped_and_equal_points_run_once() -> None:
    found = points("context=additive,fixed", "context.attention_size=8,16", "seed=0,1")
    assert len(found) == 6
    assert [one for one in found if "context=fixed" in one] == [
        ("context=fixed", "seed=0"),
        ("context=fixed", "seed=1"),
    ]


def test_two_kinds_of_keys_are_dropped_where_each_is_lacking() -> None:
    found = points("context=additive,multiplicative,fixed", "context.normed=1,2", "context.scaled=3,4")
    assert len(found) == 2 + 2 + 1
    assert not any("context.scaled" in one for point in found if "context=additive" in point for one in point)


def test_a_key_without_effect_makes_no_second_point_and_stays_out_of_it() -> None:
    assert points("context=fixed,additive", "size=8,16") == [
        ("context=fixed",),
        ("context=additive", "size=8"),
        ("context=additive", "size=16"),
    ]


def test_a_value_given_twice_or_the_default_in_other_words_is_one_point() -> None:
    assert len(points("hidden=8,8,9")) == 2
    assert len(points(fixed=["context=additive"], lists=[[], ["hidden=8"]])) == 1


@pytest.mark.parametrize("key", ["context.attention_siz", "nonsense", "context.scaled"])
def test_a_key_that_no_point_has_is_an_error(key: str) -> None:
    with pytest.raises(UnknownKey) as caught:
        points("context=additive,fixed", f"{key}=1,2")
    assert caught.value.key == key


def test_an_unknown_key_that_is_no_override_is_an_error() -> None:
    def broken(overrides: Sequence[str]) -> None:
        raise UnknownKey("data.root", "a YAML file asks for data.root")

    with pytest.raises(UnknownKey):
        active(("hidden=8",), broken)


@given(
    st.lists(st.sampled_from(sorted(KEYS)), min_size=1, max_size=3, unique=True),
    st.lists(st.integers(1, 4), min_size=1, max_size=3, unique=True),
    st.lists(st.integers(0, 3), min_size=1, max_size=3, unique=True),
)
def test_points_are_those_of_an_enumeration(contexts: list[str], sizes: list[int], seeds: list[int]) -> None:
    axes = [f"context={','.join(contexts)}", f"size={','.join(map(str, sizes))}", f"seed={','.join(map(str, seeds))}"]
    found = {compose(one).key for one in points(*axes)}
    every = product(contexts, sizes, seeds)
    assert found == {compose((f"context={c}", f"size={s}", f"seed={n}")).key for c, s, n in every}
    assert len(points(*axes)) == len(found)


# Labels


def words(*overrides: Sequence[str], without: Sequence[str] = ("seed",)) -> list[str]:
    settings = labels({str(i): tuple(one) for i, one in enumerate(overrides)}, without=without)
    return list(in_words(settings).values())


def test_labels_say_what_differs_and_nothing_else() -> None:
    assert words(
        ["data=x", "model/context=additive", "model.context.attention_size=8", "seed=0"],
        ["data=x", "model/context=additive", "model.context.attention_size=16", "seed=1"],
        ["data=x", "model/context=fixed", "seed=0"],
    ) == ["additive, attention_size=8", "additive, attention_size=16", "fixed"]
    assert words(["data=x", "seed=0"], ["data=x", "seed=1"]) == ["all", "all"]


def test_an_option_that_only_looks_tells_nothing_apart() -> None:
    without = no_differences("none")
    fixed = ["model/context=fixed", "seed=0"]
    for watched in ("logger=csv", "callbacks=throughput", "callbacks=[throughput, samples]"):
        assert words(fixed, [*fixed, watched], without=without) == ["all", "all"]
    stopped = [*fixed, "callbacks=[throughput,early_stopping]"]
    assert len(set(words(fixed, stopped, without=without))) == 2


def test_a_key_that_tells_nothing_more_is_left_out() -> None:
    additive, fixed = ["a.size=8", "model/context=additive"], ["model/context=fixed"]
    assert words(additive, fixed) == ["additive", "fixed"]
    assert words(additive, fixed, ["model/context=additive"]) == ["additive, size=8", "fixed", "additive"]
    assert words(["a.size=1"], []) == ["size=1", "all"]


def test_a_number_or_a_truth_value_stands_beside_its_key_an_option_alone() -> None:
    assert words(["label_smoothing=0.1"], ["label_smoothing=0"]) == ["label_smoothing=0.1", "label_smoothing=0"]
    assert words(["test=True"], ["test=False"]) == ["test=True", "test=False"]
    assert words(["trainer=cpu"], ["trainer=ddp_cpu"]) == ["cpu", "ddp_cpu"]


def test_other_settings_have_another_label() -> None:
    assert words(["model.encoder.hidden_size=8"], ["model.decoder.hidden_size=8"], ["model.encoder.hidden_size=9"]) == [
        "model.encoder.hidden_size=8",
        "model.decoder.hidden_size=8",
        "hidden_size=9",
    ]
    assert words(["model/query=all"], []) == ["model/query=all", "all"]


def test_what_is_left_out_sets_nothing_apart() -> None:
    both = [["paths.output=a", "samples=0", "hidden=1"], ["paths.output=b", "hidden=1"]]
    assert words(*both, without=["paths", "samples"]) == ["all", "all"]


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["a.size", "b.size", "model/a", "model/b", "kind"]),
            st.sampled_from(["1", "2", "x", "all", "size=1"]),
            max_size=4,
        ),
        min_size=1,
        max_size=6,
    )
)
def test_equal_labels_mean_equal_settings(settings: list[dict[str, str]]) -> None:
    names = in_words({str(i): dict(sorted(one.items())) for i, one in enumerate(settings)})
    for i, one in enumerate(settings):
        for j, other in enumerate(settings):
            assert (names[str(i)] == names[str(j)]) == (one == other)


def test_a_study_that_grows_keeps_its_labels() -> None:
    first = [["model/context=additive", "lr=1", "seed=0"], ["model/context=fixed", "lr=1", "seed=0"]]
    more = [["model/context=bilinear", "lr=1", "seed=0"], ["model/context=fixed", "lr=1", "seed=1"]]
    assert words(*first, *more)[:2] == words(*first) == ["additive", "fixed"]
    assert words(*first, ["model/context=fixed", "lr=1", "hidden=9"])[:2] == words(*first)
