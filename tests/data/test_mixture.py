"""Mixtures and shards: weights, members, counts, an order that seed and epoch decide, what is refused."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rnnsearch.data.datamodule import ParallelDataModule
from rnnsearch.data.files import FilesCorpus
from rnnsearch.data.mixture import MixtureCorpus

from .modules import data_module

COUNTS = {"news": 40, "talks": 20}


def files(folder: Path, name: str, texts: list[str], **changes: Any) -> FilesCorpus:
    given = {}
    for side in ("source", "target"):
        path = folder / f"{name}.{side}"
        path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
        given[side] = str(path)
    splits = {"train": given, "validation": given, "test": None, **changes}
    return FilesCorpus(**splits, source_language="de", target_language="en", reverse=False, name=name)


def mixture(folder: Path, **weights: float) -> MixtureCorpus:
    members = {name: files(folder, name, [f"{name} {k}" for k in range(count)]) for name, count in COUNTS.items()}
    return MixtureCorpus(members=members, weights=weights, name="mixture")


def module(folder: Path, corpus: MixtureCorpus) -> ParallelDataModule:
    return data_module(folder / "cache", corpus, evaluation_batch_size=8)


def epoch(data: ParallelDataModule) -> list[int]:
    return [row for batch in data.train_dataloader() for row in batch.index_B.tolist()]


def test_weights_say_how_often_a_pair_is_seen(tmp_path: Path) -> None:
    data = module(tmp_path, mixture(tmp_path, news=0.25, talks=2))
    data.setup("fit")
    first, second = epoch(data), epoch(data)
    members = data.rows("train")["member"][:]
    assert members == ["news"] * 40 + ["talks"] * 20
    for rows in (first, second):
        assert Counter(members[row] for row in rows) == {"news": 10, "talks": 40}
        assert set(Counter(row for row in rows if members[row] == "talks").values()) == {2}
    assert {r for r in first if r < 40} != {r for r in second if r < 40}  # another quarter each epoch
    again = module(tmp_path, mixture(tmp_path, news=0.25, talks=2))
    again.load_state_dict({"sampler": {"epoch": 1, "position": 0, "seed": 1}})
    again.setup("fit")
    assert epoch(again) == second


def test_mean_lengths_are_those_that_an_epoch_sees(tmp_path: Path) -> None:
    members = {"long": files(tmp_path, "long", ["a b c d e"] * 30), "short": files(tmp_path, "short", ["a"] * 10)}
    weights = {"long": 0.5, "short": 4.5}
    data = module(tmp_path, MixtureCorpus(members=members, weights=weights, name="mixture"))
    expected = (15 * 6 + 45 * 2) / 60  # ends of sentence included
    assert data.mean_lengths == (expected, expected)
    lengths = data.lengths("train")[0]
    assert lengths[epoch(data)].mean() == expected


def test_lines_and_counts_are_those_of_the_members(tmp_path: Path) -> None:
    data = module(tmp_path, mixture(tmp_path))
    data.setup("fit")
    assert data.rows("train")["line"][:] == [*range(1, 41), *range(1, 21)]
    report = data.description()["filters"]["train"]
    assert (report["kept"], report["news.kept"], report["talks.kept"]) == (60, 40, 20)
    assert len(data.rows("validation")) == 60


def test_what_does_not_mix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"data\.members is empty"):
        MixtureCorpus(members={}, weights={}, name="mixture")
    with pytest.raises(ValueError, match=r"data\.weights\.web is of no member"):
        mixture(tmp_path, web=1)
    with pytest.raises(ValueError, match="must be above 0"):
        mixture(tmp_path, news=0)


def shards(folder: Path, counts: dict[str, list[int]]) -> FilesCorpus:
    for side, several in counts.items():
        for number, count in enumerate(several):
            (folder / f"{number}.{side}").write_text("".join(f"{number} {k}\n" for k in range(count)), encoding="utf-8")
    train = {"source": str(folder / "*.de"), "target": str(folder / "*.en")}
    return FilesCorpus(
        train=train, validation=train, test=None, source_language="de", target_language="en", reverse=False, name="f"
    )


def test_shards_follow_each_other(tmp_path: Path) -> None:
    corpus = shards(tmp_path, {"de": [3, 1, 2], "en": [3, 1, 2]})
    corpus.prepare()
    pairs = list(corpus.pairs("train"))
    assert [pair.source for pair in pairs] == ["0 0", "0 1", "0 2", "1 0", "2 0", "2 1"]
    assert [pair.line for pair in pairs] == [1, 2, 3, 4, 5, 6]
    assert list(corpus.checksums())[:3] == ["train.source", "train.source[1]", "train.source[2]"]


def test_shards_that_do_not_pair_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"1\.de: 2 lines but .*1\.en: 1;"):
        list(shards(tmp_path, {"de": [3, 2], "en": [3, 1]}).pairs("train"))
    (tmp_path / "2.de").write_text("more\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"gives 3 files but .* gives 2"):
        shards(tmp_path, {"de": [], "en": []}).prepare()
    for path in tmp_path.iterdir():
        path.unlink()
    with pytest.raises(FileNotFoundError, match="matches no file"):
        shards(tmp_path, {}).prepare()
