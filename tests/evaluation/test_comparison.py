"""A run against a baseline: sacreBLEU's own answers, what can be detected, and what is refused."""

import os
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sacrebleu

from rnnsearch.evaluation.comparison import Chance, check_same_sentences, compare
from rnnsearch.evaluation.power import detectable
from rnnsearch.evaluation.scoring import EARLIER
from rnnsearch.evaluation.significance import difference, resample

WORDS = ["a", "the", "dog", "man", "house", "runs", "sees", "red", "green", "into", "over", "and"]
CHANCE = Chance(resamples=400, shuffles=400, seed=12345)


def rows(count: int, noise: float, *, seed: int) -> list[dict[str, Any]]:
    """References, and hypotheses in which each word is replaced with probability `noise`."""
    draw, errors = random.Random(0), random.Random(seed)
    found = []
    for _ in range(count):
        reference = draw.choices(WORDS, k=draw.randrange(4, 12))
        hypothesis = [errors.choice(WORDS) if errors.random() < noise else word for word in reference]
        found.append(
            {"reference": " ".join(reference), "hypothesis": " ".join(hypothesis), "gold": None, "links": None}
        )
    return found


@pytest.mark.parametrize(("test", "name"), [("bs", "p_bootstrap"), ("ar", "p_randomization")])
def test_p_values_are_those_of_sacrebleu_s_command(
    test: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, baseline = rows(120, 0.30, seed=1), rows(120, 0.34, seed=2)
    found = compare(run, baseline, chance=CHANCE, scoring=EARLIER)
    for file, texts in (
        ("reference", [row["reference"] for row in run]),
        ("run", [row["hypothesis"] for row in run]),
        ("baseline", [row["hypothesis"] for row in baseline]),
    ):
        (tmp_path / file).write_text("".join(f"{text}\n" for text in texts))
    monkeypatch.setenv("SACREBLEU_SEED", "12345")
    words = [tmp_path / "reference", "-i", tmp_path / "baseline", tmp_path / "run", "-m", "bleu", "chrf"]
    words += [f"--paired-{test}", f"--paired-{test}-n", "400", "--format", "text", "--force"]
    done = subprocess.run([sys.executable, "-m", "sacrebleu", *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    printed = [float(value) for value in re.findall(r"\(p = ([\d.]+)\)", done.stdout)]
    assert [round(getattr(found[metric], name), 4) for metric in ("bleu", "chrf")] == printed
    assert 0.0 < printed[0] < 1.0


def test_both_scores_are_sacrebleu_s_and_its_seed_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    run, baseline = rows(60, 0.30, seed=1), rows(60, 0.34, seed=2)
    monkeypatch.setenv("SACREBLEU_SEED", "77")
    found = compare(run, baseline, chance=CHANCE, scoring=EARLIER)
    assert os.environ["SACREBLEU_SEED"] == "77"
    for side, system in (("run", run), ("baseline", baseline)):
        texts = [row["hypothesis"] for row in system], [[row["reference"] for row in system]]
        assert getattr(found["bleu"], side) == pytest.approx(sacrebleu.corpus_bleu(*texts, force=True).score)
        assert getattr(found["chrf"], side) == pytest.approx(sacrebleu.corpus_chrf(*texts).score)
    for one in found.values():
        assert one.difference.value == pytest.approx(one.run - one.baseline)
        assert one.difference.interval.low < one.difference.value < one.difference.interval.high
    monkeypatch.delenv("SACREBLEU_SEED")
    assert compare(run, baseline, chance=CHANCE, scoring=EARLIER) == found
    assert "SACREBLEU_SEED" not in os.environ


def test_a_system_is_no_better_than_itself() -> None:
    same = rows(60, 0.3, seed=1)
    found = compare(same, same, chance=CHANCE, scoring=EARLIER)["bleu"]
    assert (found.run, found.difference.value, found.difference.p_value) == (found.baseline, 0.0, 1.0)
    assert detectable(found.difference.errors, error=0.05) == 0.0


def test_aer_is_compared_over_sentences_with_links_on_both_sides() -> None:
    run, baseline = rows(3, 0.3, seed=1), rows(3, 0.3, seed=2)
    for row, links in zip(run, ("0-0 1-1", "0-0", None), strict=True):
        row |= {"gold": "0-0 1-1", "links": links}
    for row, links in zip(baseline, ("1-0 0-1", None, "0-0"), strict=True):
        row |= {"gold": "0-0 1-1", "links": links}
    found = compare(run, baseline, chance=CHANCE, scoring=EARLIER)["aer"]
    assert (found.run, found.baseline, found.p_bootstrap) == (0.0, 1.0, None)
    assert "aer" not in compare(rows(3, 0.3, seed=1), baseline, chance=CHANCE, scoring=EARLIER)


def test_the_smallest_detectable_difference_is_found_four_times_in_five() -> None:
    """Sentence scores with a true difference of just that much: the interval leaves out 0 in about 80 % of samples."""
    generator = np.random.default_rng(0)
    sentences, deviation = 100, 0.7
    true = 2.8016 * deviation / np.sqrt(sentences)
    seen, smallest = [], []
    for _ in range(300):
        baseline = generator.normal(size=(sentences, 1))
        run = baseline + generator.normal(true, deviation, size=(sentences, 1))
        drawn = [
            resample([one], lambda sums_RK: sums_RK[..., 0] / sentences, seed=1, resamples=300)
            for one in (baseline, run)
        ]
        found = difference(*drawn)
        seen.append(found.interval.excludes_zero)
        smallest.append(detectable(found.errors, error=found.error))
    assert np.mean(seen) == pytest.approx(0.8, abs=0.07)
    assert np.mean(smallest) == pytest.approx(true, rel=0.05)


def test_other_sentences_are_refused() -> None:
    texts = [("a", "b"), ("c", "d")]
    check_same_sentences(texts, list(texts), names=("one", "two"))
    with pytest.raises(ValueError, match=r"one and two differ first in sentence 2, in the reference \('d' and 'e'\)"):
        check_same_sentences(texts, [("a", "b"), ("c", "e")], names=("one", "two"))
    with pytest.raises(ValueError, match="one has 2 sentences but two has 1"):
        check_same_sentences(texts, texts[:1], names=("one", "two"))


@pytest.mark.parametrize(
    ("values", "sentence"), [((1, 1, 1), "1 resamples"), ((2, 0, 1), "0 shuffles"), ((2, 1, 0), "is none")]
)
def test_too_little_chance_is_refused(values: tuple[int, int, int], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Chance(resamples=values[0], shuffles=values[1], seed=values[2])
