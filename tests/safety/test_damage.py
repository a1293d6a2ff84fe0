"""A run whose files were flipped, cut or exchanged: it is refused in a sentence, or its results are the same."""

import json
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import rnnsearch
from rnnsearch.evaluation.scoring import EARLIER, Scoring
from rnnsearch.model import archive
from rnnsearch.model.checkpoint import load_translator, newest_whole, read_checkpoint
from rnnsearch.records.json_files import write_object
from rnnsearch.records.run_config import CONFIG
from rnnsearch.records.run_record import RECORD, read_record, read_values
from rnnsearch.runs import kept_pairs, run_folder
from rnnsearch.study.folder import _whole_run, read_attention
from rnnsearch.training.checkpoints import AtomicCheckpoints

LINES = ["the small house stood there", "a dog"]
FILES = ["checkpoints/best.ckpt", "checkpoints/last.ckpt", RECORD, CONFIG, "data/test.jsonl"]
FILES += ["translations.test.jsonl", "alignments.test.json", "metrics.csv"]


def results(run: Path) -> dict[str, Any]:
    """All that commands take from a run's folder."""
    loaded = run_folder.load_run(run, device="cpu")
    study = _whole_run("member", 1, run, "test")
    found = newest_whole(run)
    assert found is not None
    return {
        "record": loaded.record,
        "config": loaded.config,
        "texts": kept_pairs.split_rows(loaded, "test"),
        "translations": [one.text for one in loaded.model.translate(LINES)],
        "scores": [one.log_prob for one in loaded.model.score([(LINES[0], LINES[1])])],
        "study": (study.rows, study.record, read_attention(study)),
        "training": {key: value for key, value in read_checkpoint(found.path).items() if key != "callbacks"},
    }


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


def flip(content: bytes, draw: random.Random) -> bytes:
    place = draw.randrange(len(content))
    return content[:place] + bytes([content[place] ^ 1 << draw.randrange(8)]) + content[place + 1 :]


def cut(content: bytes, draw: random.Random) -> bytes:
    return content[: draw.randrange(len(content))]


def overwrite(content: bytes, draw: random.Random) -> bytes:
    start = draw.randrange(len(content))
    end = min(len(content), start + 512)
    return content[:start] + bytes(end - start) + content[end:]


@pytest.fixture(scope="module")
def another(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run like it: every file is whole, and holds something else."""
    folder = Path(shutil.copytree(trained, tmp_path_factory.mktemp("another") / "run"))
    for name in ("best", "last"):
        content = read_checkpoint(folder / "checkpoints" / f"{name}.ckpt")
        content["rnnsearch"]["run"] = "another"
        for weight in content["state_dict"].values():
            weight.add_(0.5)
        AtomicCheckpoints().save_checkpoint(content, folder / "checkpoints" / f"{name}.ckpt")
    record = read_values(folder)
    record["results"]["metrics"]["test"]["bleu"] = 99.0
    write_object(folder / RECORD, {**record, "id": "another"})
    (folder / CONFIG).write_text((folder / CONFIG).read_text().replace("beam_size: 2", "beam_size: 1"))
    for name in ("data/test.jsonl", "translations.test.jsonl"):
        (folder / name).write_text("".join((folder / name).read_text().splitlines(keepends=True)[::-1]))
    (folder / "alignments.test.json").write_text("[]\n")
    return folder


def passed_over(run: Path) -> tuple[str, ...]:
    found = newest_whole(run)
    assert found is not None
    return found.passed_over


def harmed(trained: Path, another: Path, place: Path, count: int) -> list[str]:
    """What was neither refused, naming the file, nor harmless."""
    right, draw = results(trained), random.Random(0)
    run = Path(shutil.copytree(trained, place / "run"))
    kinds: list[Callable[[bytes, random.Random], bytes]] = [flip, flip, cut, overwrite]
    cases = [(name, None) for name in FILES] + [
        (FILES[i % len(FILES)], kinds[i // len(FILES) % 4]) for i in range(count)
    ]
    wrong = []
    for name, damage in cases:
        content = (trained / name).read_bytes()
        (run / name).write_bytes(damage(content, draw) if damage else (another / name).read_bytes())
        try:
            found = results(run)
        except (ValueError, OSError) as error:
            if name not in str(error) and "was saved by the run" not in str(error):
                wrong.append(f"{name} {damage}: {error}")
        else:
            same = {key for key in right if equal(found[key], right[key])}
            told = {"training"} if name.endswith("last.ckpt") and passed_over(run) else set()
            wrong += [f"{name} {damage}: {sorted(right.keys() - same - told)}"] if same | told != right.keys() else []
        (run / name).write_bytes(content)
    return wrong


@pytest.mark.slow
def test_a_file_of_a_run_is_damaged_at_16_places(trained: Path, another: Path, tmp_path: Path) -> None:
    assert harmed(trained, another, tmp_path, 16) == []


@pytest.mark.slow
def test_a_file_of_a_run_is_damaged_at_200_places(trained: Path, another: Path, tmp_path: Path) -> None:
    assert harmed(trained, another, tmp_path, 192) == []


@pytest.mark.parametrize("flips", [12, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["best", "last", "update-2"])
def test_any_flipped_bit_of_a_checkpoint_is_refused(trained: Path, tmp_path: Path, name: str, flips: int) -> None:
    content = (trained / "checkpoints" / f"{'best' if name == 'update-2' else name}.ckpt").read_bytes()
    path, draw = tmp_path / f"{name}.ckpt", random.Random(name)
    for _ in range(flips):
        path.write_bytes(flip(content, draw))
        with pytest.raises(ValueError, match="not as it was saved"):
            read_checkpoint(path)


def test_a_checkpoint_of_an_earlier_version_is_loaded_with_a_note(
    trained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its entries have checksums, which torch does not compare."""
    from rnnsearch.model import checkpoint

    checkpoint._note_unsigned.cache_clear()
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    path = run / "checkpoints" / "best.ckpt"
    torch.save(read_checkpoint(path), path)
    assert not archive.check(path)
    with caplog.at_level("INFO"):
        for _ in range(2):
            assert equal(load_translator(run, "best")[0].state_dict(), load_translator(trained, "best")[0].state_dict())
    assert caplog.text.count("a checkpoint of an earlier version") == 1
    content = path.read_bytes()
    weight = read_checkpoint(trained / "checkpoints" / "best.ckpt")["state_dict"]["translator.encoder.embedding.weight"]
    place = content.index(weight.numpy().tobytes()[:64]) + 5
    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    with pytest.raises(ValueError, match="not as it was saved"):
        load_translator(run, "best")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers(trained: Path, tmp_path: Path, number: float) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    path = run / "checkpoints" / "best.ckpt"
    content = read_checkpoint(path)
    content["state_dict"]["translator.encoder.embedding.weight"][3, 2] = number
    torch.save(content, path)
    with pytest.raises(ValueError, match=r"no finite numbers \(translator\.encoder\.embedding\.weight\)"):
        rnnsearch.load(run, device="cpu")


Content = dict[str, Any]
STRUCTURES: dict[str, Callable[[Content], Any]] = {
    "no state": lambda content: content.pop("state_dict"),
    "a list": lambda content: content.update(state_dict=[]),
    "no numbers": lambda content: content["state_dict"].update(x="text"),
    "no sides": lambda content: content["rnnsearch"].update(tokenizers=7),
    "no model": lambda content: content["rnnsearch"]["model"].clear(),
    "a strange tokenizer": lambda content: content["rnnsearch"]["tokenizers"]["target"].update(kind="x"),
    "a tokenizer without words": lambda content: content["rnnsearch"]["tokenizers"]["target"].pop("words"),
    "a key too many": lambda content: content["rnnsearch"]["model"]["encoder"].update(x=1),
    "a weight less": lambda content: content["state_dict"].pop("translator.encoder.embedding.weight"),
    "another shape": lambda content: content["rnnsearch"]["model"]["encoder"].update(hidden_size=9),
    "no training": lambda content: content.update(loops=None),
    "another run's": lambda content: content["rnnsearch"].update(run="another"),
}


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.slow
def test_a_last_checkpoint_of_another_structure_gives_way_to_the_best(trained: Path, tmp_path: Path, name: str) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    last, best = (run / "checkpoints" / f"{which}.ckpt" for which in ("last", "best"))
    content = read_checkpoint(last)
    STRUCTURES[name](content)
    torch.save(content, last)
    found = newest_whole(run)
    assert found is not None
    assert found.path == best
    assert len(found.passed_over) == 1
    assert str(last) in found.passed_over[0]
    best.write_bytes(best.read_bytes()[:-30])
    with pytest.raises(ValueError, match="no other checkpoint is whole"):
        newest_whole(run)


def test_any_cut_of_the_last_checkpoint_gives_way_to_the_best(trained: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    last = run / "checkpoints" / "last.ckpt"
    content = last.read_bytes()
    for share in (0, 1, 30, 1000, len(content) // 2, len(content) - 50_000, len(content) - 2):
        last.write_bytes(content[:share])
        found = newest_whole(run)
        assert found is not None
        assert found.path == run / "checkpoints" / "best.ckpt"


WRONG = [
    *(
        (key, 5)
        for key in ("id", "name", "status", "config_hash", "data.source_language", "data.checksums", "data.pairs")
    ),
    *((key, 5) for key in ("data", "tokenizer", "tokenizer.notes", "tokenizer.source", "scoring", "files", "code")),
    *((key, 5) for key in ("corrected", "results", "results.curves", "results.metrics", "results.metrics.test", "git")),
    *((key, "x") for key in ("seed", "updates", "parameters", "flops_per_token", "converged", "pauses", "error")),
]


@pytest.mark.parametrize(("key", "value"), WRONG)
def test_a_record_of_another_structure_is_refused(tmp_path: Path, key: str, value: object) -> None:
    """One from before records held digests, or a stranger's."""
    *parents, last = key.split(".")
    record: dict[str, Any] = {"format": 1}
    place = record
    for parent in parents:
        place = place.setdefault(parent, {})
    (tmp_path / RECORD).write_text(json.dumps(record))
    read_record(tmp_path)
    with pytest.raises(ValueError, match=rf"is damaged: it lacks {re.escape(key)};"):
        read_record(tmp_path, needs=[key])
    place[last] = value
    (tmp_path / RECORD).write_text(json.dumps(record))
    with pytest.raises(ValueError, match=rf"is damaged: .*under {re.escape(key)};"):
        read_record(tmp_path)


@pytest.mark.parametrize("found", [{"bleu_tokenizer": "x"}, {"normalization": []}, {"primary": 5}, {"more": 1}])
def test_a_scoring_that_no_run_has_is_refused(found: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="no scoring that can be used"):
        Scoring.of_record(found)
    assert Scoring.of_record({"primary": "chrf", "warnings": ["one"]}).warnings == ("one",)
    assert Scoring.of_record({}) == EARLIER


@pytest.mark.parametrize("line", [{}, {"source_text": "a"}, {"source_text": 5, "target_text": "b"}])
def test_kept_texts_of_another_structure_are_refused(trained: Path, tmp_path: Path, line: dict[str, object]) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    record = read_values(run)
    write_object(run / RECORD, {key: value for key, value in record.items() if key != "files"})
    (run / "data" / "test.jsonl").write_text(json.dumps(line) + "\n")
    with pytest.raises(ValueError, match=r"test\.jsonl: line 1 is damaged: it holds no pair of texts"):
        kept_pairs.split_rows(run_folder.load_run(run, device="cpu"), "test")
