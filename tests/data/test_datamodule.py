"""The data module: splits, filters, caches, descriptions, and an order that survives a stop in Lightning's loop."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import pytest
import torch

from rnnsearch.data.batching import Batch, BucketBatches, PaperBatches, Planner
from rnnsearch.data.corpus import Pair
from rnnsearch.data.datamodule import ParallelDataModule
from rnnsearch.data.filters import Filters
from rnnsearch.data.sentencepiece_tokenizer import SentencePieceTraining
from rnnsearch.data.tokenizer import GivenTokenizers, TokenizerPair
from rnnsearch.data.word_tokenizer import WordTraining

from .modules import SETTINGS, data_module

BUCKETS: Planner = SETTINGS["batches"]
TOKENS = BucketBatches(unit="tokens", size=45, pool=3)


class SmallCorpus:
    """Fifty training pairs of 1 to 7 words, one of them empty and one too long; ten and five for the other splits."""

    name = "small"
    source_language = "de"
    target_language = "en"

    def __init__(self, *, version: str = "1", counts: dict[str, int] | None = None) -> None:
        self.counts = {"train": 50, "validation": 10, "test": 5} if counts is None else counts
        self.version = version
        self.read: list[str] = []

    def prepare(self) -> None:
        """Nothing to fetch."""

    def splits(self) -> tuple[str, ...]:
        return tuple(self.counts)

    def pairs(self, split: str) -> Iterator[Pair]:
        self.read.append(split)
        for k in range(self.counts[split]):
            source = "" if k == 3 else f"{'Haus ' * (k % 7)}{split}{k}"
            yield Pair(source, " ".join(["house"] * (k % 5 + 1 + 40 * (k == 4))), k + 1, ((0, 0),) if k else None)

    def checksums(self) -> dict[str, str]:
        return {"small": self.version}


class CountedTraining:
    """Word tokenizers, counting how often they are learnt."""

    def __init__(self, size: int = 100) -> None:
        self.inner = WordTraining(source_size=size, target_size=size)
        self.calls = 0

    def settings(self) -> dict[str, object]:
        return self.inner.settings()

    def fit(self, pairs: Any, source_language: str, target_language: str) -> TokenizerPair:
        self.calls += 1
        return self.inner.fit(pairs, source_language, target_language)


def module(cache: Path, *, corpus: SmallCorpus | None = None, **changed: Any) -> ParallelDataModule:
    return data_module(cache, corpus or SmallCorpus(), **({"tokenizer": CountedTraining()} | changed))


def rows_of(loader: Any) -> list[list[int]]:
    return [batch.index_B.tolist() for batch in loader]


def test_filters_touch_training_alone(tmp_path: Path) -> None:
    data = module(tmp_path)
    data.setup()
    assert {split: len(rows) for split, rows in data.prepared.datasets.items()} == {
        "train": 48,
        "validation": 10,
        "test": 5,
    }
    description = data.description()
    assert description["filters"] == {
        "train": {"read": 50, "empty": 1, "too_long": 1, "ratio": 0, "duplicate": 0, "kept": 48}
    }
    assert data.rows("train")["line"][:] == [k for k in range(1, 51) if k not in (4, 5)]
    assert list(data.texts("validation")) == [(pair.source, pair.target) for pair in SmallCorpus().pairs("validation")]
    assert data.rows("test")["links"][:2] == [None, "0-0"]


def test_the_description_says_what_the_data_is(tmp_path: Path) -> None:
    data = module(tmp_path)
    data.setup("fit")
    described = data.description()
    assert described["name"] == "small"
    assert (described["source_language"], described["target_language"]) == ("de", "en")
    assert described["checksums"] == {"small": "1"}
    assert described["pairs"] == {"train": 48, "validation": 10}
    assert described["tokenizer"]["source"] == {
        "size": data.tokenizers.source.size,
        "checksum": data.tokenizers.source.checksum,
    }
    assert described["tokenizer"]["notes"]["target"] == {"requested": 100, "obtained": 5}
    real = sum(int(lengths.sum()) for lengths in data.lengths("train"))
    batches = list(data.train_dataloader())
    padded = sum(batch.source_BS.numel() + batch.target_out_BT.numel() for batch in batches)
    assert described["padding_share"] == pytest.approx(1 - real / padded)


def test_mean_lengths_are_those_of_training_pairs_with_their_ends(tmp_path: Path) -> None:
    kept = [k for k in range(50) if k not in (3, 4)]  # empty, too long
    source, target = (sum(words) / len(kept) + 1 for words in ([k % 7 + 1 for k in kept], [k % 5 + 1 for k in kept]))
    assert module(tmp_path).mean_lengths == pytest.approx((source, target), abs=6e-4)


def test_batches_hold_the_rows_they_name(tmp_path: Path) -> None:
    data = module(tmp_path)
    data.setup("fit")
    seen = []
    for batch in data.train_dataloader():
        assert isinstance(batch, Batch)
        for k, row in enumerate(batch.index_B.tolist()):
            stored = data.rows("train")[row]
            assert batch.source_BS[k][batch.source_mask_BS[k]].tolist() == [*stored["source"], 3]
            assert batch.target_out_BT[k][batch.target_mask_BT[k]].tolist() == [*stored["target"], 3]
            seen.append(row)
    assert sorted(seen) == list(range(48))


def test_evaluation_reads_the_longest_first_and_every_pair_once(tmp_path: Path) -> None:
    data = module(tmp_path, validation_sentences=7, evaluation_batch_size=3)
    data.setup()
    validation = rows_of(data.val_dataloader())
    assert [len(rows) for rows in validation] == [3, 3, 1]
    order = list(chain.from_iterable(validation))
    assert sorted(order) == list(range(7))
    lengths = data.lengths("validation")[0][order].tolist()
    assert lengths == sorted(lengths, reverse=True)
    assert sorted(chain.from_iterable(rows_of(data.test_dataloader()))) == list(range(5))
    assert rows_of(data.val_dataloader()) == validation


def test_the_second_start_reads_the_cache(tmp_path: Path) -> None:
    first, second = CountedTraining(), CountedTraining()
    module(tmp_path, tokenizer=first).prepare_data()
    corpus = SmallCorpus()
    data = module(tmp_path, tokenizer=second, corpus=corpus)
    data.prepare_data()
    data.setup()
    assert (first.calls, second.calls, corpus.read) == (1, 0, [])
    assert data.description()["filters"]["train"]["kept"] == 48


@pytest.mark.parametrize(
    "changed",
    [
        {"corpus": SmallCorpus(version="2")},
        {"tokenizer": CountedTraining(50)},
        {"filters": Filters(max_length=29, max_length_ratio=None, drop_duplicates=False, unit="words")},
    ],
    ids=["corpus", "tokenizer", "filters"],
)
def test_a_change_of_data_or_settings_is_not_taken_from_the_cache(tmp_path: Path, changed: dict[str, Any]) -> None:
    module(tmp_path).prepare_data()
    corpus = changed.setdefault("corpus", SmallCorpus())
    module(tmp_path, **changed).prepare_data()
    assert "train" in corpus.read


def test_batches_and_seed_share_the_cache(tmp_path: Path) -> None:
    module(tmp_path).prepare_data()
    corpus = SmallCorpus()
    module(tmp_path, corpus=corpus, batches=TOKENS, seed=9, validation_sentences=2).prepare_data()
    assert corpus.read == []


def test_a_damaged_cache_is_made_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    module(tmp_path).prepare_data()
    for path in tmp_path.rglob("*.arrow"):
        path.write_bytes(path.read_bytes()[:-7])
    data = module(tmp_path)
    data.setup("fit")
    assert len(data.rows("train")) == 48
    assert caplog.text.count("is damaged; making it anew") == 2  # the test split is not opened


def test_token_filters_count_tokens(tmp_path: Path) -> None:
    filters = Filters(max_length=8, max_length_ratio=None, drop_duplicates=False, unit="tokens")
    pieces = SentencePieceTraining(
        algorithm="bpe", source_size=290, target_size=290, joint=False, character_coverage=1.0, threads=1
    )
    data = module(tmp_path, filters=filters, tokenizer=pieces)
    data.setup("fit")
    assert max(len(ids) for ids in data.rows("train")["source"][:]) <= 8
    report = data.description()["filters"]["train"]
    assert 0 < report["too_long"] < 49
    assert report["too_long"] + report["kept"] == 49


def test_given_tokenizers_need_no_training_text(tmp_path: Path) -> None:
    learnt = module(tmp_path)
    learnt.setup("fit")
    corpus = SmallCorpus(counts={"test": 5})
    data = module(tmp_path / "other", corpus=corpus, tokenizer=GivenTokenizers(learnt.tokenizers))
    data.setup("test")
    assert len(rows_of(data.test_dataloader())) == 2
    assert set(corpus.read) == {"test"}
    assert data.description()["pairs"] == {"test": 5}


@pytest.mark.parametrize("stage", ["prepare", "fit", "validate"])
def test_a_corpus_without_validation_is_refused(tmp_path: Path, stage: str) -> None:
    data = module(tmp_path, corpus=SmallCorpus(counts={"train": 5}))
    with pytest.raises(ValueError, match=r"small has no validation split, only train; give data\.validation\.source"):
        data.prepare_data() if stage == "prepare" else data.setup(stage)


def test_a_corpus_without_test_trains_but_does_not_test(tmp_path: Path) -> None:
    data = module(tmp_path, corpus=SmallCorpus(counts={"train": 9, "validation": 2}))
    data.prepare_data()
    data.setup()
    with pytest.raises(ValueError, match=r"has no test split, only train, validation; give data\.test\.source"):
        data.test_dataloader()


def test_an_empty_split_is_refused_and_not_cached(tmp_path: Path) -> None:
    corpus = SmallCorpus(counts={"train": 9, "validation": 0})
    for _ in range(2):
        with pytest.raises(ValueError, match="the validation split of small has no pairs"):
            module(tmp_path, corpus=corpus).prepare_data()


def test_filters_that_leave_nothing_say_so(tmp_path: Path) -> None:
    filters = Filters(max_length=None, max_length_ratio=1.0, drop_duplicates=False, unit="words")
    corpus = SmallCorpus(counts={"train": 2, "validation": 2})
    corpus.pairs = lambda split: iter([Pair("a b", "x", 1)])
    with pytest.raises(ValueError, match=r"no training pair is left after filtering \(1 pairs read.* 1 ratio"):
        module(tmp_path, corpus=corpus, filters=filters).prepare_data()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"validation_sentences": 0}, "validation.sentences=0: must be at least 1"),
        ({"evaluation_batch_size": 0}, "validation.batch_size=0: must be at least 1"),
        ({"workers": -1}, "data_workers=-1: must be at least 0"),
    ],
)
def test_senseless_numbers_are_refused(tmp_path: Path, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        module(tmp_path, **wrong)


RACER = """
import logging, sys
from pathlib import Path
from rnnsearch.data.batching import BucketBatches
from rnnsearch.data.datamodule import ParallelDataModule
from rnnsearch.data.files import FilesCorpus
from rnnsearch.data.filters import Filters
from rnnsearch.data.sentencepiece_tokenizer import SentencePieceTraining
logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
files = {"source": sys.argv[1] + "/a.de", "target": sys.argv[1] + "/a.en"}
corpus = FilesCorpus(name="files", source_language="de", target_language="en", train=files, validation=files,
                     test={"source": None, "target": None}, reverse=False)
data = ParallelDataModule(
    corpus=corpus, filters=Filters(max_length=30, max_length_ratio=None, drop_duplicates=False, unit="words"),
    tokenizer=SentencePieceTraining(algorithm="bpe", source_size=300, target_size=300, joint=False,
                                    character_coverage=1.0, threads=1),
    batches=BucketBatches(unit="sentences", size=8, pool=2), cache=sys.argv[1] + "/cache", seed=1,
    validation_sentences=None, evaluation_batch_size=4, workers=0)
data.prepare_data()
data.setup("fit")
print(data.tokenizers.source.checksum, len(data.rows("train")), sum(1 for _ in data.train_dataloader()))
"""


@pytest.mark.slow
def test_two_processes_share_one_learning(tmp_path: Path) -> None:
    for side, word in (("de", "Haus"), ("en", "house")):
        lines = "".join(f"{word} {'abc' * (k % 6)} {k}\n" for k in range(300))
        (tmp_path / f"a.{side}").write_text(lines, encoding="utf-8")
    racers = [
        subprocess.Popen([sys.executable, "-c", RACER, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    outputs = [racer.communicate(timeout=300) for racer in racers]
    assert outputs[0][0] == outputs[1][0] != b"", outputs
    assert outputs[0][0].split()[1:] == [b"300", b"38"]
    logs = (outputs[0][1] + outputs[1][1]).decode()
    assert logs.count("learning a bpe vocabulary") == 2  # source and target, once each
    assert logs.count("encoded 300 pairs of the train split") == 1


# In Lightning's loop

IN_LIGHTNING = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers",
    "ignore:.*LeafSpec:FutureWarning",  # Lightning 2.6 with torch 2.13
    "ignore:.*overfit",
)


class Order(lightning.LightningModule):
    """A model of one weight that notes the rows it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Linear(1, 1)
        self.seen: list[list[int]] = []

    def training_step(self, batch: Batch, index: int) -> torch.Tensor:
        self.seen.append(batch.index_B.tolist())
        loss: torch.Tensor = self.weight(torch.ones(1, 1)).sum()
        return loss

    def validation_step(self, batch: Batch, index: int) -> None:
        """Nothing is measured."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class SaveAlways(lightning.Callback):
    """Keeps a checkpoint after every update, every validation and every epoch."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        trainer.save_checkpoint(self.folder / f"batch-{trainer.global_step}.ckpt")

    def on_validation_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        if not trainer.sanity_checking:
            trainer.save_checkpoint(self.folder / f"validation-{trainer.global_step}.ckpt")

    def on_train_epoch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        trainer.save_checkpoint(self.folder / f"epoch-{trainer.global_step}.ckpt")


def fit(
    data: ParallelDataModule, *, steps: int, save: Path | None = None, resume: Path | None = None, **flags: Any
) -> Order:
    model = Order()
    trainer = lightning.Trainer(
        max_steps=steps,
        max_epochs=-1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[SaveAlways(save)] if save else [],
        **flags,
    )
    trainer.fit(model, datamodule=data, ckpt_path=resume, weights_only=True)
    return model


def in_order(data: ParallelDataModule, count: int) -> list[list[int]]:
    """The first batches that the sampler plans, epoch after epoch."""
    data.setup("fit")
    order: list[list[int]] = []
    for epoch in range(count):
        data.order.seek(epoch)
        order += data.order.plan()
    return order[:count]


@pytest.fixture
def quiet() -> None:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


@pytest.mark.usefixtures("quiet")
@IN_LIGHTNING
@pytest.mark.parametrize(
    ("batches", "flags"),
    [
        (BUCKETS, {}),
        (BUCKETS, {"val_check_interval": 4, "check_val_every_n_epoch": None}),
        (TOKENS, {}),
        (TOKENS, {"reload_dataloaders_every_n_epochs": 1}),
        (PaperBatches(batch_size=8, pool=3), {"limit_train_batches": 5}),
    ],
    ids=["epochs", "intervals", "tokens", "reloaded", "limited"],
)
@pytest.mark.slow
def test_a_stopped_training_continues_the_order(tmp_path: Path, batches: Planner, flags: dict[str, Any]) -> None:
    """From any checkpoint, in mid-epoch, at an epoch's end or at a validation, the rest is what it would have been."""
    save, steps = tmp_path / "saved", 20
    whole = fit(module(tmp_path, batches=batches), steps=steps, save=save, **flags).seen
    assert whole == in_order(module(tmp_path, batches=batches), steps)
    checkpoints = [
        path for path in sorted(save.iterdir()) if int(path.stem.split("-")[1]) in (1, 4, 5, 6, 7, 12, 16, 17)
    ]
    assert len(checkpoints) > 8
    for path in checkpoints:
        done = int(path.stem.split("-")[1])
        rest = fit(module(tmp_path, batches=batches), steps=steps, resume=path, **flags).seen
        assert rest == whole[done:], path.name


@pytest.mark.usefixtures("quiet")
@IN_LIGHTNING
@pytest.mark.filterwarnings("ignore:.*fork")
def test_workers_change_neither_order_nor_place(tmp_path: Path) -> None:
    alone = fit(module(tmp_path), steps=9, save=tmp_path / "alone")
    helped = fit(module(tmp_path, workers=2), steps=9, save=tmp_path / "helped")
    assert helped.seen == alone.seen
    places = [
        torch.load(tmp_path / name / "batch-4.ckpt", weights_only=True)["ParallelDataModule"]["sampler"]
        for name in ("alone", "helped")
    ]
    assert places == [{"epoch": 0, "position": 4, "seed": 1}] * 2


@pytest.mark.usefixtures("quiet")
@IN_LIGHTNING
def test_overfitting_sees_the_same_batches(tmp_path: Path) -> None:
    seen = fit(module(tmp_path), steps=6, overfit_batches=2).seen
    assert seen[:2] == seen[2:4] == seen[4:6]
    assert seen[0] != seen[1]
