"""A run against a baseline: sacreBLEU's own command line is the oracle of its p-values."""

import os
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sacrebleu

from rnnsearch.evaluation.comparison import Chance, check_same_sentences, compare, sacrebleu_p_values

WORDS = "a the man dog red house runs sits on in with green ball plays child street two of and hat"
VOCABULARY = WORDS.split()
Row = dict[str, Any]


def rows(wrong: float, *, seed: int, sentences: int = 120) -> list[Row]:
    text, noise = random.Random(7), random.Random(seed)
    found = []
    for _ in range(sentences):
        reference = text.choices(VOCABULARY, k=text.randint(4, 14))
        written = [noise.choice(VOCABULARY) if noise.random() < wrong else word for word in reference]
        gold = " ".join(f"{i}-{i}" for i in range(len(reference)))
        links = " ".join(f"{i}-{i}" for i in range(len(reference)) if noise.random() > wrong)
        found.append({"reference": " ".join(reference), "hypothesis": " ".join(written), "gold": gold, "links": links})
    return found


@pytest.fixture(scope="module")
def systems() -> tuple[list[Row], list[Row]]:
    """A run, and a baseline that is a little worse."""
    return rows(0.28, seed=1), rows(0.31, seed=2)


def command_line(folder: Path, systems: tuple[list[Row], list[Row]], *test: str, seed: int) -> dict[str, float]:
    """The p-values that `sacrebleu` prints for files of the same text."""
    files = {"references": [row["reference"] for row in systems[0]]}
    files |= {name: [row["hypothesis"] for row in one] for name, one in zip(("run", "base"), systems, strict=True)}
    for name, lines in files.items():
        (folder / name).write_text("".join(f"{line}\n" for line in lines))
    words = ["references", "-i", "base", "run", "-m", "bleu", "chrf", *test, "-f", "text"]
    done = subprocess.run(
        [sys.executable, "-m", "sacrebleu", *words],
        cwd=folder,
        env={**os.environ, "SACREBLEU_SEED": str(seed)},
        check=True,
        capture_output=True,
        text=True,
    )
    p_values = re.findall(r"\(p = ([0-9.]+)\)", done.stdout)  # its JSON fails on a number of chrF's
    return {name: float(p) for name, p in zip(("bleu", "chrf"), p_values, strict=True)}


@pytest.mark.parametrize("seed", [12345, 8])
def test_p_values_are_those_of_sacrebleu(tmp_path: Path, systems: tuple[list[Row], list[Row]], seed: int) -> None:
    texts = [[row["hypothesis"] for row in one] for one in systems]
    references = [row["reference"] for row in systems[0]]
    found = sacrebleu_p_values(*texts, references, chance=Chance(300, 500, seed))
    bootstrap = command_line(tmp_path, systems, "--paired-bs", "--paired-bs-n", "300", seed=seed)
    randomization = command_line(tmp_path, systems, "--paired-ar", "--paired-ar-n", "500", seed=seed)
    for name in ("bleu", "chrf"):
        printed = {"bs": bootstrap[name], "ar": randomization[name]}
        assert found[name] == {test: pytest.approx(p, abs=5e-5 + 1e-9) for test, p in printed.items()}
    assert 0.002 < found["bleu"]["bs"] < 0.9  # else any p-value would do


def test_the_seed_of_the_process_stays(systems: tuple[list[Row], list[Row]], monkeypatch: pytest.MonkeyPatch) -> None:
    chance = Chance(20, 20, 3)
    monkeypatch.setenv("SACREBLEU_SEED", "77")
    compare(*systems, chance=chance)
    assert os.environ["SACREBLEU_SEED"] == "77"
    monkeypatch.delenv("SACREBLEU_SEED")
    compare(*systems, chance=chance)
    assert "SACREBLEU_SEED" not in os.environ


def test_figures_of_both_runs(systems: tuple[list[Row], list[Row]]) -> None:
    found = compare(*systems, chance=Chance(200, 200, 1))
    assert list(found) == ["bleu", "chrf", "aer"]
    for side, one in (("run", systems[0]), ("baseline", systems[1])):
        pairs = [row["hypothesis"] for row in one], [[row["reference"] for row in one]]
        assert getattr(found["bleu"], side) == pytest.approx(sacrebleu.corpus_bleu(*pairs, force=True).score)
        assert getattr(found["chrf"], side) == pytest.approx(sacrebleu.corpus_chrf(*pairs).score)
    for metric in found.values():
        assert metric.difference.value == pytest.approx(metric.run - metric.baseline)
        assert metric.difference.sentences.low < metric.difference.value < metric.difference.sentences.high
        assert metric.difference.detectable > 0
    assert found["aer"].p_bootstrap is None


def test_a_run_against_itself_and_without_links(systems: tuple[list[Row], list[Row]]) -> None:
    run = systems[0]
    alone = [row | {"links": None} for row in run]
    found = compare(run, alone, chance=Chance(50, 50, 1))
    assert list(found) == ["bleu", "chrf"]
    assert found["bleu"].difference.value == found["bleu"].difference.detectable == 0
    assert found["bleu"].difference.p_value_sentences == 1


def test_error_rates_are_compared_where_both_align(systems: tuple[list[Row], list[Row]]) -> None:
    run, baseline = ([dict(row) for row in one] for one in systems)
    run[0]["links"], baseline[1]["links"], run[2]["gold"] = None, None, None
    found, kept = (
        compare(*both, chance=Chance(20, 20, 1))["aer"] for both in ((run, baseline), (run[3:], baseline[3:]))
    )
    assert (found.run, found.baseline) == (kept.run, kept.baseline)


def test_other_sentences_are_refused_with_the_first_that_differs() -> None:
    texts = [("eins", "one"), ("zwei", "two"), ("drei", "three")]
    names = ("test of A", "test of B")
    check_same_sentences(texts, list(texts), names=names)
    with pytest.raises(ValueError, match="test of A has 3 sentences but test of B has 2"):
        check_same_sentences(texts, texts[:2], names=names)
    sentence = "differ first in sentence 2, in the reference ('two' and 'deux')"
    with pytest.raises(ValueError, match=re.escape(sentence)):
        check_same_sentences(texts, [texts[0], ("zwei", "deux"), ("x", "y")], names=names)


@pytest.mark.parametrize("wrong", [(1, 10, 1), (10, 0, 1), (10, 10, 0)])
def test_chance_that_says_nothing_is_refused(wrong: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"needed|none to sacreBLEU"):
        Chance(*wrong)
