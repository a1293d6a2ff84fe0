"""The language of ``where``, held to a table of truth and to sentences for what it does not say."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnsearch.runs.known.conditions import Answer, check, parse
from rnnsearch.runs.known.listing import ABSENT
from rnnsearch.runs.known.names import Name

RUN: Mapping[str, Any] = {
    "bleu": 31.5,
    "seed": 0,
    "status": "finished",
    "model/context": "additive",
    "model.encoder.layers": 2,
    "model.dropout": 0.2,
    "test": True,
    "budget.tokens": None,
    "tags": ["paper", "first try"],
    "started": "2026-11-30T23:51:54Z",
    "code": "007",
}


def holds(text: str) -> Answer:
    return parse(text).answer(lambda name: RUN.get(name, ABSENT))


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("bleu>30", True),
        ("bleu > 31.5", False),
        ("bleu>=3.15e1", True),
        ("bleu<-1", False),
        ("bleu>30 and model/context=additive", True),
        ("BLEU>30", None),  # names are as they are
        ("bleu>30 AND NOT status=failed", True),
        ("seed=0", True),
        ("seed=0.0", True),
        ("seed!=1", True),
        ("model.dropout=0.20", True),
        ("test=true", True),
        ("test=1", False),
        ("test>0", None),  # no number
        ("budget.tokens=null", True),
        ("budget.tokens>5", None),
        ("status~FINISH", True),
        ("status~failed", False),
        ("tags=paper", True),
        ("tags=first", False),
        ("tags='first try'", True),
        ('tags="first try"', True),
        ("tags~first", True),
        ("tags!=paper", False),
        ("tags!=draft", True),
        ("started>2026-11-30", True),
        ("started>2026-12", False),
        ("code=007", True),
        ("code=7", False),
        ("chrf>30", None),
        ("not chrf>30", None),
        ("chrf>30 or bleu>30", True),
        ("chrf>30 or bleu>40", None),
        ("chrf>30 and bleu>40", False),
        ("chrf>30 and bleu>30", None),
        ("bleu>40 or bleu>30 and seed=1", False),
        ("(bleu>40 or bleu>30) and seed=0", True),
        ("not bleu>40 and seed=0", True),
        ("not (bleu>40 or seed=0)", False),
    ],
)
def test_one_run(text: str, answer: Answer) -> None:
    assert holds(text) is answer


LEAVES = st.sampled_from(["a=1", "b=1", "c=1"])
TEXTS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner),
    ),
    max_leaves=12,
)
TRUTH = st.dictionaries(st.sampled_from("abc"), st.booleans())  # a name without a value is unknown


def spelt(tree: Any) -> str:
    return tree if isinstance(tree, str) else f"({' '.join(map(spelt, tree))})"


def possible(tree: Any, truth: Mapping[str, bool]) -> set[bool]:
    """The answers of Kleene's tables, with a set of two for what is unknown."""
    if isinstance(tree, str):
        return {truth[tree[0]]} if tree[0] in truth else {True, False}
    if tree[0] == "not":
        return {not value for value in possible(tree[1], truth)}
    left, right = possible(tree[0], truth), possible(tree[2], truth)
    return {(a and b) if tree[1] == "and" else (a or b) for a in left for b in right}


@given(TEXTS, TRUTH)
def test_three_valued_logic(tree: Any, truth: Mapping[str, bool]) -> None:
    values = {name: int(value) for name, value in truth.items()}
    expected = possible(tree, truth)
    answer = parse(spelt(tree)).answer(lambda name: values.get(name, ABSENT))
    assert answer is (None if len(expected) == 2 else expected.pop())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bleu>", "can't be read at its end"),
        ("bleu>30 and", "can't be read at 'and'"),
        ("bleu>30 chrf>30", "can't be read at 'chrf>30'"),
        ("(bleu>30", "at its end"),
        ("and=1", "at 'and=1'"),
        ("bleu>>30", "at '>30'"),
        ("tags='a", "at"),
        ("not " * 20_000 + "a=1", "too many conditions"),
        ("(" * 60 + "a=1", "more than 50 levels"),
        ("__import__('os').system('true')", "at"),
    ],
)
def test_what_is_no_condition(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"where=|nested") as error:
        parse(text)
    assert said in str(error.value)


def test_what_can_hold_of_no_run() -> None:
    names = {"bleu": Name("bleu", lambda run: 0, "number"), "status": Name("status", lambda run: "", "text")}
    with pytest.raises(ValueError, match="bleu>good: bleu is a number, and 'good' is none"):
        check(parse("not bleu>good"), names)
    with pytest.raises(ValueError, match="status<failed: status is a text; compare it with = or !=, or ~ for"):
        check(parse("bleu>1 or status<failed"), names)
    check(parse("bleu~3 and status~f"), names)
