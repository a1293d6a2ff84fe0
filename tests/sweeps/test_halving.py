"""The rule of a tuning, driven by tables of losses: what it trains, in which order, what it chooses."""

import math
from collections.abc import Mapping

import pytest

from rnnsearch.sweeps.halving import AllDiverged, Chosen, Rule, Rung, Values, Waiting, judged

RUNGS = (Rung(share=0.25, keep=2), Rung(share=0.5, keep=1))
NONE: tuple[Values, ...] = ((),)


def rule(*rates: float, extensions: int = 2, others: tuple[Values, ...] = NONE) -> Rule:
    return Rule(key="lr", values=rates, others=others, rungs=RUNGS, extensions=extensions)


def tuned(found: Rule, losses: Mapping[float, tuple[float, float]]) -> tuple[list[tuple[float, int]], Chosen]:
    """What was trained, as rate and rung, and what was chosen, by losses at both rungs."""
    trained: list[tuple[float, int]] = []

    def loss(trial: Values, rung: int) -> float | None:
        rate = dict(trial)["lr"]
        return losses[rate][rung] if (rate, rung) in trained else None

    while isinstance(step := judged(found, loss), Waiting):
        new = [(dict(trial)["lr"], step.rung) for trial in step.trials]
        assert not set(new) & set(trained)
        trained += new
    return trained, step


# A fixed context on the built-in corpus: validation's likelihood at updates 400 and 800 of 1,600
FIXED = {0.002: (4.2, 3.4), 0.004: (3.45, 2.60), 0.008: (2.93, 2.24), 0.016: (2.82, 2.26), 0.032: (4.59, 4.77)}


def test_the_leader_of_the_first_rung_may_lose() -> None:
    trained, chosen = tuned(rule(0.004, 0.008, 0.016), FIXED)
    assert trained == [(0.004, 0), (0.008, 0), (0.016, 0), (0.016, 1), (0.008, 1)]
    assert chosen == Chosen((("lr", 0.008),), (0.004, 0.008, 0.016), at_edge=False)


def test_rates_grow_while_the_best_is_an_end() -> None:
    trained, chosen = tuned(rule(0.001, 0.002, 0.004), {0.001: (5.0, 4.8), **FIXED})
    assert chosen == Chosen((("lr", 0.008),), (0.001, 0.002, 0.004, 0.008, 0.016), at_edge=False)
    assert trained == [
        *((rate, 0) for rate in (0.001, 0.002, 0.004)), (0.004, 1), (0.002, 1),
        (0.008, 0), (0.008, 1), (0.016, 0), (0.016, 1),
    ]  # fmt: skip


def test_a_rate_beyond_that_is_bad_at_once_costs_one_rung() -> None:
    trained, chosen = tuned(rule(0.008, 0.016, extensions=2), {**FIXED, 0.016: (2.8, 2.2)})
    assert chosen == Chosen((("lr", 0.016),), (0.008, 0.016, 0.032), at_edge=False)
    assert trained == [(0.008, 0), (0.016, 0), (0.016, 1), (0.008, 1), (0.032, 0)]


def test_growing_has_a_cap_which_is_said() -> None:
    falling = {float(f"{0.001 * 2**n:.6g}"): (9.0 - n, 9.0 - n) for n in range(8)}
    for cap in range(3):
        _, chosen = tuned(rule(0.001, 0.002, extensions=cap), falling)
        assert chosen.at_edge
        assert len(chosen.tried) == 2 + cap
        assert dict(chosen.trial)["lr"] == chosen.tried[-1]
    _, chosen = tuned(rule(0.032, 0.064, extensions=9), {rate: (rate, rate) for rate in falling} | {0.0005: (1.0, 1.0)})
    assert chosen == Chosen((("lr", 0.001),), (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064), at_edge=False)


def test_what_diverged_is_never_chosen() -> None:
    worse = {0.004: (3.0, 3.0), 0.008: (math.inf, math.inf), 0.016: (math.inf, math.inf), 0.002: (4.0, 4.0)}
    _, chosen = tuned(rule(0.004, 0.008, 0.016), worse)
    assert chosen == Chosen((("lr", 0.004),), (0.002, 0.004, 0.008, 0.016), at_edge=False)
    late = {0.004: (3.0, 3.0), 0.008: (2.0, math.inf), 0.016: (5.0, 5.0), 0.002: (4.0, 4.0)}
    assert dict(tuned(rule(0.002, 0.004, 0.008), late)[1].trial)["lr"] == 0.004


def test_where_all_diverge_lower_ones_are_tried() -> None:
    diverged = (math.inf, math.inf)
    losses = {0.004: diverged, 0.008: diverged, 0.002: diverged, 0.001: (3.0, 3.0), 0.0005: (4.0, 4.0)}
    assert dict(tuned(rule(0.004, 0.008, extensions=3), losses)[1].trial)["lr"] == 0.001
    with pytest.raises(AllDiverged, match=r"down to lr=0\.002"):
        tuned(rule(0.004, 0.008, extensions=1), losses)


def test_other_keys_are_tried_with_every_rate() -> None:
    found = rule(0.004, 0.008, others=((("dropout", 0.1),), (("dropout", 0.2),)), extensions=0)
    step = judged(found, lambda trial, rung: None)
    assert isinstance(step, Waiting)
    assert len(step.trials) == 4
    chosen = judged(found, lambda trial, rung: dict(trial)["dropout"] + dict(trial)["lr"])
    assert isinstance(chosen, Chosen)
    assert chosen.trial == (("lr", 0.004), ("dropout", 0.1))


def test_one_rate_is_chosen_without_a_neighbour() -> None:
    _, chosen = tuned(rule(0.008), FIXED)
    assert chosen == Chosen((("lr", 0.008),), (0.008,), at_edge=False)


def test_equal_losses_go_to_the_first() -> None:
    _, chosen = tuned(rule(0.002, 0.004, 0.008, extensions=0), dict.fromkeys((0.002, 0.004, 0.008), (1.0, 1.0)))
    assert dict(chosen.trial)["lr"] == 0.002
