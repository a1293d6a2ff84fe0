"""What a resumed run may get otherwise than it began with."""

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from rnnsearch.cli.main import main
from rnnsearch.config.compose import Composer
from rnnsearch.config.identity import config_hash
from rnnsearch.config.keys.roles import CORRECTED
from rnnsearch.config.plain_values import plain
from rnnsearch.records.json_files import write_json
from rnnsearch.records.run_record import read_record
from rnnsearch.runs.resume import check_named, corrections

compose = Composer("train")


def begun(folder: Path, *words: str) -> Path:
    config = compose(words)
    write_json(folder / "record.json", {"format": 1, "config_hash": config_hash(plain(config))})
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(plain(config)))
    return folder


def corrected(folder: Path, *words: str) -> dict[str, Any]:
    config = compose(words)
    return corrections(config, folder, read_record(folder), config_hash(plain(config)))


def test_what_validation_does_not_read_may_be_corrected(tmp_path: Path) -> None:
    folder = begun(tmp_path, "search.n_best=9", "search.coverage_penalty=0.1")
    assert corrected(folder, "search.n_best=9", "search.coverage_penalty=0.1", "budget.updates=7", "test=false") == {}
    assert corrected(folder, "search.n_best=3", "search.beam_size=12") == {
        "search.beam_size": {"was": 5, "is": 12},
        "search.coverage_penalty": {"was": 0.1, "is": 0.0},
        "search.n_best": {"was": 9, "is": 3},
    }


@pytest.mark.parametrize(
    "word",
    ["search.max_length_ratio=3", "search.no_repeat_ngram=2", "search=sampling", "seed=2", "validation.monitor=nll"],
)
def test_what_training_or_validation_reads_stays(tmp_path: Path, word: str) -> None:
    folder = begun(tmp_path)
    with pytest.raises(ValueError, match="was trained with other settings"):
        corrected(folder, word, "search.n_best=2")


@pytest.mark.parametrize("word", ["tokenizer.normalization=nfkc", "tokenizer.normalization=none"])
def test_another_form_of_text_than_the_usual_is_said_again(tmp_path: Path, word: str) -> None:
    folder = begun(tmp_path, word)
    assert corrected(folder, word, "budget.updates=7") == {}
    with pytest.raises(ValueError, match=r"tokenizer\.normalization was nf?\w+, is nfc"):
        corrected(folder, "budget.updates=7")


def test_the_greedy_search_of_validation_reads_none_of_them() -> None:
    from rnnsearch.config.build import build_greedy

    given = {"beam_size": 3, "n_best": 2, "normalization": "gnmt", "length_alpha": 0.1, "coverage_penalty": 0.2}
    search = build_greedy(compose([f"search.{key}={value}" for key, value in given.items()]).search)
    assert (search.beam_size, search.n_best, search.coverage_penalty) == (1, 1, 0.0)
    drawn = build_greedy(compose(["search=sampling", "search.temperature=9", "search.n_best=4"]).search)
    assert (drawn.top_k, drawn.n_best) == (1, 1)
    names = set(compose([]).search) | set(compose(["search=sampling"]).search)
    assert {key.removeprefix("search.") for key in CORRECTED} <= names


def test_a_run_that_goes_on_has_a_name() -> None:
    with pytest.raises(ValueError, match=r"hydra\.run\.dir="):
        check_named("last", "${paths.output}/runs/${run_id:}")
    check_named("last", "outputs/runs/mine")
    check_named(None, "${paths.output}/runs/${run_id:}")


def test_a_refused_training_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    for words in (["ckpt=last"], ["validation.every=0"], ["keep_best=-1", "hydra.run.dir=new/RUN"]):
        assert main(["train", "model=tiny", "trainer=cpu", *words]) != 0
        assert capfd.readouterr().err.count("\n") == 1
        assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert main(["train", "model=tiny", "validation.every=0", "hydra.run.dir=mine"]) != 0
    assert (tmp_path / "mine").is_dir()  # which was there
