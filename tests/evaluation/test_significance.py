import random

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.significance import PairedTest
from scipy import stats

from rnnsearch.evaluation.corpus_scores import bleu_of_sums, bleu_statistics
from rnnsearch.evaluation.significance import (
    Resampled,
    difference,
    equivalence,
    estimate,
    interval,
    perplexity_of_sums,
    resample,
    resampled_sums,
)

WORDS = "a the man dog red house runs sits on in with green ball plays child street two of and hat"
VOCABULARY = WORDS.split()
TWO_SIDES = ((-0.5, "greater"), (0.5, "less"))


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
    assert ours.deviation is None
    quantiles = interval(bleu_statistics(hypotheses, references), bleu_of_sums, resamples=2000, seed=3)
    assert (quantiles.low, quantiles.high) == pytest.approx((ours.interval.low, ours.interval.high), abs=0.3)


def test_p_value_is_twice_sacrebleus_which_counts_one_side() -> None:
    (first, references), (second, _) = corpus(0.30, seed=1), corpus(0.315, seed=2)
    named = [("baseline", first), ("system", second)]
    test = PairedTest(named, {"BLEU": BLEU(references=[references])}, None, test_type="bs", n_samples=2000)
    theirs = test()[1]["BLEU"][1].p_value
    ours = difference(resampled((first, references)), resampled((second, references))).p_value
    assert 0.05 < theirs < 0.25
    assert ours == pytest.approx(2 * theirs, abs=0.06)


def test_identical_systems_do_not_differ() -> None:
    system = resampled(corpus(0.3, seed=1), corpus(0.3, seed=2))
    found = difference(system, system)
    assert (found.value, found.interval.low, found.interval.high) == (0, 0, 0)
    assert not found.interval.excludes_zero
    assert found.p_value == 1
    unknown = difference(system, Resampled(system.score_S * np.nan, system.draws_RS * np.nan))
    assert np.isnan(unknown.p_value)
    assert not unknown.holds


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


@pytest.mark.parametrize(
    ("gap", "spread", "shown"), [(0.1, 0.2, True), (-0.1, 0.2, True), (0.1, 2.0, False), (0.9, 0.2, False)]
)
def test_two_one_sided_tests_agree_with_students_t_and_the_90_percent_interval(
    gap: float, spread: float, shown: bool
) -> None:
    """With sentences that all agree, only the seeds vary, and both tests are Student's."""
    draws_RS = np.zeros((50, 6))
    differences_S = gap + spread * np.array([-1.2, -0.7, -0.1, 0.2, 0.6, 1.2])
    found = equivalence(difference(Resampled(np.zeros(6), draws_RS), Resampled(differences_S, draws_RS)), 0.5)
    low, high = (stats.ttest_1samp(differences_S, edge, alternative=side).pvalue for edge, side in TWO_SIDES)
    assert found.p_value == pytest.approx(max(low, high), rel=1e-4)
    assert found.holds == shown == (found.interval.low > -0.5 and found.interval.high < 0.5)
    half = stats.t.ppf(0.95, 5) * differences_S.std(ddof=1) / 6**0.5
    assert (found.interval.low, found.interval.high) == pytest.approx((gap - half, gap + half))


def test_one_seed_is_equivalent_to_nothing() -> None:
    draws_RS = np.zeros((50, 1))
    assert not equivalence(difference(Resampled(np.zeros(1), draws_RS), Resampled(np.zeros(1), draws_RS)), 0.5).holds


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
    standard_error = scores_S.std(ddof=1) / 2
    assert (found.interval.high - found.interval.low) / 2 == pytest.approx(3.182446 * standard_error)  # t_{0.975, 3}


def with_seeds(generator: np.random.Generator, *, sentences: float, seeds: float, count: int = 3) -> Resampled:
    """Normal scores whose truth is 0: an error of the sentences that all seeds share, and one of each seed."""
    score_S = generator.normal(0, sentences) + generator.normal(0, seeds, count)
    return Resampled(score_S, score_S + generator.normal(0, sentences, (600, 1)))


def test_seeds_that_agree_leave_the_interval_over_sentences() -> None:
    draws_R = np.random.default_rng(0).normal(5, 1, (500, 1))
    alone = estimate(Resampled(np.full(1, 5.0), draws_R)).interval
    found = estimate(Resampled(np.full(3, 5.0), np.repeat(draws_R, 3, axis=1))).interval
    almost = estimate(Resampled(np.array([5.0, 5.0, 5.0 + 1e-9]), np.repeat(draws_R, 3, axis=1))).interval
    for one in (found, almost):
        assert (one.low, one.high) == pytest.approx((alone.low, alone.high), abs=1e-6)


def test_what_a_seed_does_with_a_sentence_is_counted_once() -> None:
    """Sentences that move seeds alike are the sentences' variance; those that move one seed are in its spread."""
    generator = np.random.default_rng(0)
    shared, own = generator.normal(0, 1.0, (20000, 1)), generator.normal(0, 2.0, (20000, 3))
    errors = estimate(Resampled(np.array([1.0, 2.0, 6.0]), shared + own)).errors
    assert errors.sentences == pytest.approx(1.0, abs=0.1)
    assert errors.seeds == pytest.approx(7.0 / 3)
    opposed = Resampled(np.array([1.0, 2.0]), np.hstack([own[:, :1], -own[:, :1]]))
    assert estimate(opposed).errors.sentences == 0


def test_intervals_stay_in_the_values_that_a_score_can_have() -> None:
    draws_RS = np.random.default_rng(0).normal(0, 0.1, (100, 2))
    low, high = Resampled(np.array([1.0, 3.0]), draws_RS), Resampled(np.array([96.0, 99.0]), draws_RS)
    bounds = (0.0, 100.0)
    assert estimate(low, within=bounds).interval.low == 0
    assert estimate(high, within=bounds).interval.high == 100
    assert estimate(low).interval.low < -5
    gap = difference(low, high, within=bounds).interval
    assert gap.high == 100
    assert gap.low > -100


def test_one_seed_says_nothing_of_the_systems_and_several_comparisons_are_read_together() -> None:
    one, other = (resampled(corpus(wrong, seed=1)) for wrong in (0.2, 0.4))
    found = difference(other, one)
    assert found.interval.excludes_zero
    assert not found.holds
    alone, among = (
        difference(
            resampled(*(corpus(0.22, seed=i) for i in range(3))),
            resampled(*(corpus(0.2, seed=10 + i) for i in range(3))),
            together=n,
        )
        for n in (1, 5)
    )
    assert among.p_value == pytest.approx(min(1.0, 5 * alone.p_value))
    assert among.interval.low < alone.interval.low < alone.interval.high < among.interval.high
    assert (among.error, alone.error) == (0.01, 0.05)


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


def test_what_cannot_be_paired_is_refused() -> None:
    one, two = resampled(corpus(0.2, seed=1)), resampled(corpus(0.2, seed=1), corpus(0.2, seed=2))
    with pytest.raises(ValueError, match="paired test needs the same"):
        difference(one, two)
    with pytest.raises(ValueError, match="seeds × sentences × counts"):
        resample(np.zeros((1, 0, 10)), bleu_of_sums, seed=0)
