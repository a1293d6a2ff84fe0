"""Conditions of attention on a split, each against what translating and scoring under it gives."""

import math
from typing import Any

import pytest
from tests.evaluation.test_translating import SOURCE, TARGET, random_model, search, system

from rnnsearch.evaluation.attention_at_test_time import Replacement, evaluate_conditions, length_ratio
from rnnsearch.evaluation.comparison import Chance
from rnnsearch.evaluation.corpus_scores import score
from rnnsearch.evaluation.forcing import force
from rnnsearch.evaluation.scoring import EARLIER
from rnnsearch.evaluation.splits import evaluate_split
from rnnsearch.evaluation.system import System
from rnnsearch.evaluation.translating import translate
from rnnsearch.search.attention_conditions import Permuted, of_other_run, uniform
from rnnsearch.search.replaced_attention import ReplacedTranslator

CHANCE = Chance(resamples=50, shuffles=50, seed=1)
PAIRS = [
    {"source_text": " ".join(SOURCE[i : i + 1 + i % 4]), "target_text": " ".join(TARGET[i % 3 : 4])} for i in range(8)
] + [{"source_text": "", "target_text": "t1 t2"}]
ROWS = [{**pair, "links": None, "line": line} for line, pair in enumerate(PAIRS)]


@pytest.fixture(scope="module")
def attention() -> System:
    return system(random_model("additive"))


def test_each_condition_is_compared_with_the_learnt_weights(attention: System) -> None:
    learned = evaluate_split(attention, ROWS, search(), scoring=EARLIER, resamples=50)
    replacements = {
        "uniform": Replacement(uniform),
        "other_run": Replacement(of_other_run, other=attention, not_free="because"),
    }
    settings: Any = {"chance": CHANCE, "scoring": EARLIER}
    found = evaluate_conditions(attention, learned.rows, search(), replacements, **settings)
    assert list(found) == [*replacements]
    same = found["other_run"]
    assert (list(same.compared), same.length_ratio, same.not_free) == (["nll"], None, "because")
    assert same.compared["nll"].run == pytest.approx(learned.metrics["nll"], rel=1e-12)

    replaced = Replacement(uniform).in_(attention)
    assert isinstance(replaced.model, ReplacedTranslator)
    texts = [pair["source_text"] for pair in PAIRS]
    hypotheses = [best.text for best, *_ in translate(replaced, search(), texts)]
    under = found["uniform"]
    assert list(under.compared) == ["nll", "bleu", "chrf"]
    assert under.compared["chrf"].run == pytest.approx(score(hypotheses, [p["target_text"] for p in PAIRS])["chrf"])
    assert under.compared["chrf"].baseline == pytest.approx(learned.metrics["chrf"])
    assert under.compared["chrf"].difference.together == len(replacements)
    ids = [(replaced.source_ids(p["source_text"]), replaced.target.encode(p["target_text"])) for p in PAIRS]
    forced = [one for _, one in force(replaced, ids, weights=False)]
    nll = -math.fsum(one.log_prob for one in forced) / sum(one.tokens for one in forced)
    assert under.compared["nll"].run == pytest.approx(nll)
    assert under.compared["nll"].run != pytest.approx(learned.metrics["nll"])
    rows = [{"hypothesis": h, "reference": p["target_text"]} for h, p in zip(hypotheses, PAIRS, strict=True)]
    written, wanted = (sum(len(row[side].split()) for row in rows) for side in ("hypothesis", "reference"))
    assert under.length_ratio == length_ratio(rows, EARLIER) == pytest.approx(written / wanted)


def test_every_member_of_an_ensemble_is_replaced(attention: System) -> None:
    both = System.joined([attention, attention], ["a", "b"])
    pairs = [(both.source_ids("s1 s2 s3"), [4, 5]), (both.source_ids("s4"), [6])]
    alone = [(sources[:1], target) for sources, target in pairs]
    one, two = (Replacement(Permuted(3)).in_(of) for of in (attention, both))
    for (_, expected), (_, found) in zip(force(one, alone), force(two, pairs), strict=True):
        assert found.log_prob == pytest.approx(expected.log_prob, rel=1e-12)
