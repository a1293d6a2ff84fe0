"""The loss and its gradients, validation's figures, and learning itself."""

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import sacrebleu
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.plugins import MixedPrecision
from tests.search.searches import beam_search
from torch.utils.data import DataLoader

from rnnsearch.data.batching import Batch, Row, collate
from rnnsearch.data.tokenizer import EOS
from rnnsearch.evaluation.scoring import EARLIER
from rnnsearch.model.build import build_translator
from rnnsearch.model.translator import Translator
from rnnsearch.training.budget import Budget
from rnnsearch.training.callbacks import Clock
from rnnsearch.training.convergence import Convergence
from rnnsearch.training.faults import Diverged, Watch
from rnnsearch.training.initialization import initialize
from rnnsearch.training.module import TranslationModule
from rnnsearch.training.schedules import Constant, Cosine, Plateau, Schedule

VOCABULARY = 14
SEARCH = beam_search(beam_size=1, max_length_ratio=2.0)


def greedy(model: Translator, batch: Batch) -> list[list[int]]:
    found = SEARCH.search(model, (batch.source_BS, batch.source_mask_BS), batch.source_mask_BS.sum(-1) - 1)
    return [n_best[0].ids for n_best in found]


class Letters:
    """A tokenizer of single letters; id 4 is a."""

    size = VOCABULARY
    checksum = ""

    def encode(self, text: str) -> list[int]:
        return [ord(letter) - ord("a") + 4 for letter in text.split()]

    def decode(self, ids: Sequence[int]) -> str:
        return " ".join(chr(i - 4 + ord("a")) if i >= 4 else "?" for i in ids)

    def pieces(self, ids: Sequence[int]) -> list[str]:
        return self.decode(ids).split()

    def word_of_piece(self, ids: Sequence[int]) -> list[int]:
        return list(range(len(ids)))

    def state(self) -> dict[str, Any]:
        return {}


def translator(
    hidden: int = 8, dropout: float = 0.0, context: str = "Additive", cell: str = "cudnn", kernels: str = "fused"
) -> Translator:
    drop = {"embedding_dropout": dropout, "variational_dropout": False}
    attention = {"attention_size": hidden, "normed": False} if context == "Additive" else {}
    model = {
        "encoder": {
            "_target_": "rnnsearch.model.encoder.RecurrentEncoder", "embedding_size": hidden, "hidden_size": hidden,
            "cell": cell, "layers": 1, "bidirectional": True, "residual": False, "layer_dropout": 0.0,
        } | drop,
        "context": {"_target_": f"rnnsearch.model.context.{context}"} | attention,
        "decoder": {
            "_target_": "rnnsearch.model.decoder.Decoder", "embedding_size": hidden, "hidden_size": hidden,
            "cell": cell, "query_state": "previous", "readout_state": "after", "readout": "tanh",
            "readout_size": hidden, "input_feeding": False, "initial_state": "ends", "readout_dropout": dropout,
        } | drop,
        "tied_embeddings": "none",
    }  # fmt: skip
    torch.manual_seed(3)
    built = build_translator(model, source_size=VOCABULARY, target_size=VOCABULARY, kernels=kernels)
    initialize(built, scheme="modern")
    return built


def module(
    model: Translator,
    texts: Sequence[str] = (),
    *,
    smoothing: float = 0.0,
    updates: int = 1,
    schedule: Schedule | None = None,
    optimizer: Any = None,
    convergence: Convergence | None = None,
) -> TranslationModule:
    return TranslationModule(
        translator=model,
        optimizer=optimizer or functools.partial(torch.optim.SGD, lr=0.5),
        schedule=schedule or Constant(warmup=0),
        budget=Budget(updates=updates, tokens=None, seconds=None, flops=None, flops_per_token=0.0),
        convergence=convergence,
        label_smoothing=smoothing,
        target=Letters(),
        references=lambda rows: [texts[row] for row in rows],
        scoring=EARLIER,
        search=SEARCH,
        cuda_graphs=False,
        watch=Watch(limit=2, above=None, lines=lambda rows: [row + 1 for row in rows]),
        seed=5,
        checkpoint_content={"format": 1},
    )


def rows(count: int, *, longest: int = 6, seed: int = 0, order: int = 1) -> list[Row]:
    """Random letters; the target is the source in the given order."""
    random = np.random.default_rng(seed)
    sources = [random.integers(4, VOCABULARY, random.integers(1, longest + 1)).tolist() for _ in range(count)]
    return [Row(index=i, source=source, target=source[::order]) for i, source in enumerate(sources)]


def fit(
    module: TranslationModule,
    batches: Sequence[Batch],
    *,
    validation: Any = None,
    accelerator: str = "cpu",
    more: Sequence[Any] = (),
    **options: Any,
) -> Trainer:
    trainer = Trainer(
        accelerator=accelerator, devices=1, max_epochs=-1, max_steps=-1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0, callbacks=[Clock(), *more],
        limit_val_batches=1.0 if validation else 0, **options,
    )  # fmt: skip
    loaders = [DataLoader(part, batch_size=None) for part in (batches, validation or batches)]
    trainer.fit(module, *loaders)
    return trainer


def by_hand(model: Translator, row: Row) -> tuple[float, int]:
    """-log p of one target, from the search's step-by-step interface, and its tokens."""
    batch = collate([row])
    state, memory = model.encode(batch.source_BS, batch.source_mask_BS)
    nll = 0.0
    for i, (given, wanted) in enumerate(zip(batch.target_in_BT[0], batch.target_out_BT[0], strict=True)):
        log_probs_BV, state, _ = model.step(given.view(1), state, memory, i)
        nll -= log_probs_BV[0, wanted].item()
    return nll, len(row["target"]) + 1


def test_the_loss_is_the_sum_over_real_tokens() -> None:
    model, some = translator().double(), rows(5)
    summed = sum(by_hand(model, row)[0] for row in some)
    loss = module(model).log_likelihood_loss(collate(some), 0.0)
    assert loss.item() == pytest.approx(summed, rel=1e-10)
    assert collate(some).target_tokens == sum(len(row["target"]) + 1 for row in some)


def test_an_update_follows_the_gradient_of_the_mean_over_tokens() -> None:
    model, some = translator().double(), rows(6)
    batch = collate(some)
    tokens = batch.target_tokens
    (module(model).log_likelihood_loss(batch, 0.0) / tokens).backward()
    expected = {name: p.detach() - 0.5 * p.grad for name, p in model.named_parameters() if p.grad is not None}
    trained = translator().double()
    fit(module(trained), [batch])
    for name, value in trained.named_parameters():
        torch.testing.assert_close(value.detach(), expected[name], rtol=0, atol=1e-12, msg=name)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
@pytest.mark.parametrize("parts", [2, 3])
def test_accumulated_batches_equal_one(dtype: torch.dtype, tolerance: float, parts: int) -> None:
    some = rows(12)
    cuts = [0, 2, 7, 12] if parts == 3 else [0, 3, 12]  # parts of unequal numbers of tokens
    pieces = [collate(some[start:end]) for start, end in itertools.pairwise(cuts)]
    start, whole, accumulated = translator().to(dtype), translator().to(dtype), translator().to(dtype)
    fit(module(whole, smoothing=0.1, updates=2), [collate(some)])
    fit(module(accumulated, smoothing=0.1, updates=2), pieces, accumulate_grad_batches=parts)
    for one, other in zip(whole.parameters(), accumulated.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=tolerance)
    assert any((a - b).abs().max() > 1e-3 for a, b in zip(whole.parameters(), start.parameters(), strict=True))


def test_clipping_is_of_the_mean_gradient() -> None:
    some = [collate(rows(12))]
    free, clipped = translator().double(), translator().double()
    start = [p.detach().clone() for p in free.parameters()]
    fit(module(free), some)
    fit(module(clipped), some, gradient_clip_val=0.01)
    moves = [
        torch.cat([(p.detach() - s).flatten() for p, s in zip(m.parameters(), start, strict=True)])
        for m in (free, clipped)
    ]
    assert float(moves[0].norm()) > 0.05
    assert float(moves[1].norm()) == pytest.approx(0.5 * 0.01, rel=1e-3)


def test_values_may_be_clipped_instead() -> None:
    some, model = [collate(rows(12))], translator().double()
    start = [p.detach().clone() for p in model.parameters()]
    fit(module(model), some, gradient_clip_val=1e-4, gradient_clip_algorithm="value")
    moves = torch.cat([(p.detach() - s).flatten() for p, s in zip(model.parameters(), start, strict=True)])
    assert float(moves.abs().max()) == pytest.approx(0.5e-4, rel=1e-6)  # the learning rate times the clip


@pytest.mark.parametrize("fused", [False, True])
def test_scaled_gradients_are_clipped_as_others(fused: bool) -> None:
    """Half precision multiplies the loss by a scale, which must be out again before clipping."""
    some, moves = [collate(rows(12))], []
    for scale in (1.0, 1024.0):
        model = translator()
        start = [p.detach().clone() for p in model.parameters()]
        half = MixedPrecision("16-mixed", "cpu", scaler=torch.amp.GradScaler("cpu", init_scale=scale))
        optimizer = functools.partial(torch.optim.SGD, lr=0.5, fused=fused)
        fit(module(model, optimizer=optimizer), some, gradient_clip_val=0.01, plugins=[half])
        moves.append(torch.cat([(p.detach() - s).flatten() for p, s in zip(model.parameters(), start, strict=True)]))
    assert float(moves[1].norm()) == pytest.approx(0.5 * 0.01, rel=1e-2)
    torch.testing.assert_close(moves[1], moves[0], rtol=0.02, atol=2e-5)


def test_a_step_does_not_wait_for_its_device() -> None:
    """On the meta device nothing has a value: whatever asked for one, or counted by a mask, would raise."""
    waiting = module(translator(cell="paper", dropout=0.1).to("meta"), smoothing=0.1)
    waiting.trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_model_summary=False)
    waiting.training_step(collate(rows(6)).to("meta"), 0)["loss"].backward()
    waiting.configure_gradient_clipping(waiting.make_optimizer(waiting.translator.parameters()), 1.0)
    assert all(p.grad is not None and p.grad.is_meta for p in waiting.translator.parameters())
    with pytest.raises(RuntimeError, match="meta"):
        torch.ones(3, device="meta").sum().item()


def test_smoothing_is_training_s_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    some = rows(4)
    smoothed = module(translator(), [Letters().decode(row["target"]) for row in some], smoothing=0.3)
    asked: list[float] = []
    original = smoothed.log_likelihood_loss
    monkeypatch.setattr(
        smoothed, "log_likelihood_loss", lambda batch, smoothing: asked.append(smoothing) or original(batch, smoothing)
    )
    fit(smoothed, [collate(some)], validation=[collate(some)])
    assert asked == [0.3, 0.0]
    batch = collate(some)
    assert original(batch, 0.3).item() != pytest.approx(original(batch, 0.0).item(), rel=1e-3)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_validation_equals_sacrebleu_and_the_likelihood_by_hand(precision: str) -> None:
    some = rows(9, longest=9)
    texts = [Letters().decode(row["target"]) for row in some]
    model = translator(dropout=0.5)
    validation = [collate(some[:4]), collate(some[4:])]
    trainer = fit(module(model, texts), [collate(some)], validation=validation, precision=precision)
    found = {name: float(value) for name, value in trainer.callback_metrics.items()}
    model.eval()
    batch = collate(some)
    with torch.inference_mode():
        hypotheses = [Letters().decode(ids) for ids in greedy(model, batch)]
        by_token = [by_hand(model, row) for row in some]
    nll = sum(n for n, _ in by_token) / sum(t for _, t in by_token)
    assert found["validation/nll"] == pytest.approx(nll, rel=1e-5)
    assert found["validation/perplexity"] == pytest.approx(math.exp(nll), rel=1e-5)
    assert found["validation/bleu"] == pytest.approx(sacrebleu.corpus_bleu(hypotheses, [texts]).score, rel=1e-5)
    assert found["validation/chrf"] == pytest.approx(sacrebleu.corpus_chrf(hypotheses, [texts]).score, rel=1e-5)


def test_dropout_is_a_function_of_seed_and_batch() -> None:
    batch, drawn = collate(rows(4)), []
    for seed, batches, noise in ((5, 7, 0), (5, 7, 1), (5, 8, 0), (6, 7, 0)):
        one = module(translator(dropout=0.5))
        one.seed, one.counters.batches = seed, batches
        torch.manual_seed(noise)
        one.on_train_batch_start(batch, 0)
        drawn.append(one.log_likelihood_loss(batch, 0.0).item())
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) == 3


def test_a_validation_loss_that_is_no_number_ends_the_run() -> None:
    model, some = translator(), rows(3)
    with torch.no_grad():
        next(model.parameters()).fill_(math.nan)
    with pytest.raises(Diverged, match=r"loss became NaN at update \d+"):
        fit(module(model, ["a"] * 3), [collate(some)], validation=[collate(some)])


def test_the_plateau_rule_lowers_the_rate_for_good() -> None:
    some = rows(4)
    plateau = Plateau(warmup=0, shrink=0.5, patience=1)
    still = module(
        translator(),
        ["a"] * 4,
        updates=6,
        schedule=plateau,
        optimizer=functools.partial(torch.optim.SGD, lr=0.0),  # nothing gets better
    )
    trainer = fit(still, [collate(some)], validation=[collate(some)], val_check_interval=1)
    assert still.plateau.falls == 5
    assert trainer.optimizers[0].param_groups[0]["initial_lr"] == 0.0
    assert still.learning_rate_factor(100) == 0.5**5


def rates_of(lr: float, updates: int) -> tuple[TranslationModule, list[float]]:
    """A training until validation gets no better, of patience 2 and a decay of half the updates; and its rates."""
    some = rows(4)
    watched = module(
        translator(),
        ["a"] * 4,
        updates=updates,
        schedule=Cosine(warmup=2, final=0.1),
        optimizer=functools.partial(torch.optim.SGD, lr=lr),
        convergence=Convergence(patience=2, least=0.0, decay=0.5),
    )
    used: list[float] = []
    original = watched.learning_rate_factor
    watched.learning_rate_factor = lambda update: used.append(original(update)) or used[-1]
    fit(watched, [collate(some)], validation=[collate(some)], val_check_interval=1)
    return watched, used


def test_training_ends_after_a_decay_where_nothing_gets_better() -> None:
    watched, used = rates_of(lr=0.0, updates=100)
    assert (watched.converging.decay_from, watched.counters.updates) == (4, 6)
    assert used[:5] == [0.5, 1.0, 1.0, 1.0, 1.0]
    assert watched.converging.length == 2


def test_training_that_gets_better_decays_before_its_cap() -> None:
    watched, used = rates_of(lr=0.5, updates=9)
    assert (watched.converging.decay_from, watched.converging.length, watched.counters.updates) == (6, None, 9)
    fall = [0.1 + 0.45 * (1.0 + math.cos(math.pi * share)) for share in (0.0, 1 / 3, 2 / 3)]
    assert used[:7] == [0.5, *[1.0] * 6]
    assert used[7:10] == pytest.approx(fall)


def learnt(order: int, updates: int, hidden: int = 32) -> float:
    """The share of unseen sequences that are copied (order 1) or reversed (-1) without an error."""
    training = rows(4000, longest=5, seed=1, order=order)
    batches = [collate(training[start : start + 50]) for start in range(0, 4000, 50)]
    model = translator(hidden)
    fit(
        module(model, updates=updates, optimizer=functools.partial(torch.optim.Adam, lr=0.02)),
        batches,
        gradient_clip_val=1.0,
    )
    unseen = rows(200, longest=5, seed=2, order=order)
    batch = collate(unseen)
    model.eval()
    with torch.inference_mode():
        found = greedy(model, batch)
    return sum(ids == [*row["target"]] for ids, row in zip(found, unseen, strict=True)) / len(unseen)


@pytest.mark.parametrize("order", [pytest.param(1, id="copy", marks=pytest.mark.slow), pytest.param(-1, id="reverse")])
def test_attention_learns(order: int) -> None:
    assert EOS not in range(4, VOCABULARY)
    assert learnt(order, updates=200) > 0.95


@pytest.mark.parametrize("order", [pytest.param(1, id="copy", marks=pytest.mark.slow), pytest.param(-1, id="reverse")])
def test_learning_takes_training(order: int) -> None:
    assert learnt(order, updates=10) < 0.5
