import random

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.significance import PairedTest

from rnnsearch.evaluation.bleu import bleu_of_sums, bleu_statistics
from rnnsearch.evaluation.significance import (
    Resampled,
    difference,
    estimate,
    p_value,
    perplexity_of_sums,
    resample,
    resampled_sums,
    smallest_detectable,
)

WORDS = "a the man dog red house runs sits on in with green ball plays child street two of and hat"
VOCABULARY = WORDS.split()


def corpus(wrong: float, *, seed: int, sentences: int = 250) -> tuple[list[str], list[str]]:
    text, noise = random.Random(7), random.Random(seed)
    references = [" ".join(text.choices(VOCABULARY, k=text.randint(4, 18))) for _ in range(sentences)]
    hypotheses = [
        " ".join(noise.choice(VOCABULARY) if noise.random() < wrong else word for word in reference.split())
        for reference in references
    ]
    return hypotheses, references


def resampled(*systems: tuple[list[str], list[str]], resamples: int = 2000):
    return resample([bleu_statistics(*system) for system in systems], bleu_of_sums, seed=3, resamples=resamples)


def test_resamples_draw_with_replacement_and_are_shared() -> None:
    ones = np.ones((2, 40, 1))
    assert (resampled_sums(ones, seed=0, resamples=300) == 40).all()
    rows = np.arange(40.0)[None, :, None]
    first, again = (resampled_sums(rows, seed=5, resamples=300) for _ in range(2))
    assert (first == again).all()
    assert not (first == resampled_sums(rows, seed=6, resamples=300)).all()
    both = resampled_sums(np.concatenate([rows, 2 * rows]), seed=5, resamples=300)
    assert np.allclose(both[:, 0], first[:, 0])
    assert np.allclose(both[:, 1], 2 * first[:, 0])
    assert first.std() == pytest.approx(np.sqrt(40) * np.arange(40).std(), rel=0.15)


def test_interval_agrees_with_sacrebleus_own_bootstrap() -> None:
    hypotheses, references = corpus(0.3, seed=1)
    theirs = BLEU().corpus_score(hypotheses, [references], n_bootstrap=2000)
    ours = estimate(resampled((hypotheses, references)))
    assert ours.value == pytest.approx(theirs.score, abs=1e-9)
    assert (ours.interval.high - ours.interval.low) / 2 == pytest.approx(theirs._ci, rel=0.1)
    assert (ours.interval.high + ours.interval.low) / 2 == pytest.approx(theirs._mean, abs=0.3)
    assert ours.interval == ours.sentences
    assert ours.deviation is None


def test_p_value_is_twice_sacrebleus_which_counts_one_side() -> None:
    (first, references), (second, _) = corpus(0.30, seed=1), corpus(0.315, seed=2)
    named = [("baseline", first), ("system", second)]
    test = PairedTest(named, {"BLEU": BLEU(references=[references])}, None, test_type="bs", n_samples=2000)
    theirs = test()[1]["BLEU"][1].p_value
    ours = difference(resampled((first, references)), resampled((second, references))).p_value
    assert 0.05 < theirs < 0.25
    assert ours == pytest.approx(2 * theirs, abs=0.06)


def test_p_value_is_below_a_tenth_about_a_tenth_of_the_time_without_a_difference() -> None:
    generator, below = np.random.default_rng(1), 0
    for trial in range(300):
        rows_NK = np.stack([generator.normal(0, 2, 80), np.ones(80)], axis=1)
        mean = resample(rows_NK[None], lambda sums: sums[..., 0] / sums[..., 1], seed=trial, resamples=400)
        below += p_value(mean.draws_RS[:, 0]) < 0.1
    assert 0.06 <= below / 300 <= 0.15


def test_identical_systems_do_not_differ() -> None:
    system = resampled(corpus(0.3, seed=1), corpus(0.3, seed=2))
    found = difference(system, system)
    assert (found.value, found.interval.low, found.interval.high) == (0, 0, 0)
    assert not found.interval.excludes_zero
    assert found.p_value == found.p_value_sentences == 1


@pytest.mark.parametrize("seeds", [1, 3])
def test_swapped_systems_negate_the_difference(seeds: int) -> None:
    one = resampled(*(corpus(0.2, seed=10 + i) for i in range(seeds)))
    other = resampled(*(corpus(0.4, seed=20 + i) for i in range(seeds)))
    ahead, behind = difference(other, one), difference(one, other)
    assert ahead.value == -behind.value > 0
    assert ahead.interval.low == pytest.approx(-behind.interval.high, abs=1e-9)
    assert ahead.interval.high == pytest.approx(-behind.interval.low, abs=1e-9)
    assert ahead.p_value == pytest.approx(behind.p_value)
    assert ahead.p_value < 0.01
    assert ahead.interval.excludes_zero
    assert behind.interval.excludes_zero


def test_pairing_narrows_the_interval() -> None:
    hypotheses, references = corpus(0.3, seed=1)
    worse = ["a hat" if number % 25 == 0 else text for number, text in enumerate(hypotheses)]
    one, other = resampled((hypotheses, references)), resampled((worse, references))
    paired = difference(one, other).interval
    unpaired = np.quantile(other.draws_RS[:, 0] - np.roll(one.draws_RS[:, 0], 1), [0.025, 0.975])
    assert paired.high - paired.low < 0.6 * (unpaired[1] - unpaired[0])


def test_seeds_widen_the_interval_by_the_spread_of_their_mean() -> None:
    scores_S = np.array([10.0, 12.0, 17.0, 13.0])
    nearly_sure = np.tile(scores_S[:, None, None], (1, 500, 1)) / 500
    found = estimate(resample(nearly_sure, lambda sums: sums[..., 0], seed=0, resamples=2000))
    assert found.value == pytest.approx(13)
    assert found.deviation == pytest.approx(scores_S.std(ddof=1))
    assert found.sentences.high - found.sentences.low == pytest.approx(0, abs=1e-9)
    standard_error = scores_S.std(ddof=1) / 2
    assert (found.interval.high - found.interval.low) / 2 == pytest.approx(3.182446 * standard_error)  # t_{0.975, 3}


def with_seeds(generator: np.random.Generator, *, sentences: float, seeds: float, count: int = 3) -> Resampled:
    """Normal scores whose truth is 0: an error of the sentences that all seeds share, and one of each seed."""
    score_S = generator.normal(0, sentences) + generator.normal(0, seeds, count)
    return Resampled(score_S, score_S + generator.normal(0, sentences, (600, 1)))


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("seeds", [0.3, 1.0, 8.0])
def test_few_seeds_find_no_more_than_chance_does(seeds: float, count: int) -> None:
    generator = np.random.default_rng(3)
    nothing = Resampled(np.zeros(count), np.zeros((600, count)))
    trials = [with_seeds(generator, sentences=1.0, seeds=seeds, count=count) for _ in range(400)]
    found = [difference(nothing, trial) for trial in trials]
    assert sum(one.p_value < 0.05 for one in found) <= 33  # 20 are expected, and 33 are three standard deviations more
    assert sum(one.interval.excludes_zero for one in found) <= 33


def test_sentences_and_seeds_are_the_sum_of_both_by_brute_force() -> None:
    generator = np.random.default_rng(0)
    system = with_seeds(generator, sentences=1.0, seeds=1.5)
    moves = generator.standard_t(2, 600 * 400) * system.score_S.std(ddof=1) / np.sqrt(3)
    summed = np.repeat(system.draws_RS.mean(axis=1), 400) + moves
    found = estimate(system).interval
    assert (found.low, found.high) == pytest.approx(np.quantile(summed, [0.025, 0.975]), rel=0.03)
    nothing = Resampled(np.zeros(3), np.zeros((600, 3)))
    either = 2 * min((summed < 0).mean(), (summed > 0).mean())
    assert difference(nothing, system).p_value == pytest.approx(either, abs=0.01)


def test_seeds_that_agree_leave_the_interval_over_sentences() -> None:
    draws_R = np.random.default_rng(0).normal(5, 1, (500, 1))
    found = estimate(Resampled(np.full(3, 5.0), np.repeat(draws_R, 3, axis=1)))
    assert found.interval == found.sentences
    almost = estimate(Resampled(np.array([5.0, 5.0, 5.0 + 1e-9]), np.repeat(draws_R, 3, axis=1)))
    assert (almost.interval.low, almost.interval.high) == pytest.approx(
        (found.sentences.low, found.sentences.high), abs=0.1
    )


def test_smallest_detectable_differences_by_hand() -> None:
    draws_R = np.array([-1.0, 0.0, 1.0])  # variance 1
    assert smallest_detectable(draws_R) == pytest.approx(1.959964 + 0.841621)
    # seeds: variance 2 / 2 = 1; Satterthwaite: (1 + 1)^2 / 1^2 = 4 degrees of freedom; t_0.975 and t_0.8 from a table
    assert smallest_detectable(draws_R, [0.0, 2.0]) == pytest.approx((2.776445 + 0.940965) * np.sqrt(2))
    assert smallest_detectable(np.full(3, 1.0), [0.0, 2.0]) == pytest.approx(12.706205 + 1.376382)  # seeds alone


def test_several_seeds_are_averaged_within_each_resample() -> None:
    systems = [corpus(0.2, seed=1), corpus(0.3, seed=2)]
    both, apart = resampled(*systems), [resampled(system) for system in systems]
    assert np.allclose(both.draws_RS, np.concatenate([one.draws_RS for one in apart], axis=1))
    found = estimate(both)
    assert found.value == pytest.approx(np.mean([one.score_S[0] for one in apart]))
    assert found.by_seed == pytest.approx([one.score_S[0] for one in apart])


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    generator, covered = np.random.default_rng(0), 0
    for trial in range(200):
        rows = np.stack([generator.normal(5, 2, 80), np.ones(80)], axis=1)[None]
        mean = resample(rows, lambda sums: sums[..., 0] / sums[..., 1], seed=trial, resamples=300)
        interval = estimate(mean).interval
        covered += interval.low <= 5 <= interval.high
    assert 0.89 <= covered / 200 <= 0.99


def test_perplexity_weighs_by_tokens() -> None:
    sums = np.array([[2.0, 1.0], [9.0, 9.0]]).sum(axis=0)
    assert perplexity_of_sums(sums[None])[0] == pytest.approx(np.exp(11 / 10))


def test_p_value_by_hand() -> None:
    assert p_value(np.array([-1.0, 1, 2, 3, 4, 5, 6, 7, 8])) == pytest.approx((2 * 1 + 1) / 10)
    assert p_value(np.array([1.0, 2, 3])) == p_value(np.array([-1.0, -2, -3])) == pytest.approx(1 / 4)


def test_what_cannot_be_paired_is_refused() -> None:
    one, two = resampled(corpus(0.2, seed=1)), resampled(corpus(0.2, seed=1), corpus(0.2, seed=2))
    with pytest.raises(ValueError, match="paired test needs the same"):
        difference(one, two)
    with pytest.raises(ValueError, match="seeds × sentences × counts"):
        resample(np.zeros((1, 0, 10)), bleu_of_sums, seed=0)
