"""Batches: padding and masks by hand; plans hold every pair once and depend on seed and epoch alone; saved places."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnnsearch.data.batching import (
    BucketBatches,
    Lengths,
    PaperBatches,
    Planner,
    Row,
    collate,
    longest_first,
    pad,
    padding_share,
)
from rnnsearch.data.sampler import BatchSampler

ROWS = [Row(index=7, source=[4, 5, 6], target=[8]), Row(index=2, source=[], target=[9, 10])]
LENGTHS = st.lists(st.tuples(st.integers(1, 80), st.integers(1, 80)), max_size=200)
PLANNERS: list[Planner] = [
    BucketBatches(unit="sentences", size=8, pool=3),
    BucketBatches(unit="tokens", size=100, pool=3),
    PaperBatches(batch_size=8, pool=4),
]
SEEDS = st.integers(0, 2**63)


def arrays(lengths: list[tuple[int, int]]) -> tuple[Lengths, Lengths]:
    both = np.array(lengths, dtype=np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def some_lengths(count: int) -> tuple[Lengths, Lengths]:
    random = np.random.default_rng(0)
    source = random.integers(2, 40, count)
    return source, np.maximum(2, source + random.integers(-3, 4, count))


def test_collate_by_hand() -> None:
    batch = collate(ROWS)
    assert batch.source_BS.tolist() == [[4, 5, 6, 3], [3, 0, 0, 0]]
    assert batch.source_mask_BS.tolist() == [[True] * 4, [True, False, False, False]]
    assert batch.target_in_BT.tolist() == [[2, 8, 0], [2, 9, 10]]
    assert batch.target_out_BT.tolist() == [[8, 3, 0], [9, 10, 3]]
    assert batch.target_mask_BT.tolist() == [[True, True, False], [True] * 3]
    assert batch.index_B.tolist() == [7, 2]
    assert batch.target_tokens == 5
    assert batch.target_out_BT.flatten()[batch.real_N].equal(batch.target_out_BT[batch.target_mask_BT])
    assert len(batch) == 2
    assert batch.source_BS.dtype == batch.target_in_BT.dtype == batch.index_B.dtype == torch.int64
    assert batch.source_mask_BS.dtype == batch.target_mask_BT.dtype == torch.bool


def test_a_batch_is_frozen_and_moves() -> None:
    batch = collate(ROWS)
    with pytest.raises(dataclasses.FrozenInstanceError):
        batch.index_B = batch.index_B
    moved = batch.to("meta")
    values = [getattr(moved, field.name) for field in dataclasses.fields(moved)]
    assert {value.device.type for value in values if isinstance(value, torch.Tensor)} == {"meta"}
    assert moved.all_tokens == batch.all_tokens == 5


def test_empty_sources_hold_their_end() -> None:
    source_BS, mask_BS = pad([[], []])
    assert source_BS.tolist() == [[3], [3]]
    assert mask_BS.tolist() == [[True], [True]]


@pytest.mark.parametrize("planner", PLANNERS)
@given(lengths=LENGTHS, seed=SEEDS, epoch=st.integers(0, 1000))
def test_every_pair_once(planner: Planner, lengths: list[tuple[int, int]], seed: int, epoch: int) -> None:
    source, target = arrays(lengths)
    plan = planner.plan(source, target, seed=seed, epoch=epoch)
    assert sorted(row for rows in plan for row in rows) == list(range(len(lengths)))
    assert all(rows for rows in plan)
    assert plan == planner.plan(source, target, seed=seed, epoch=epoch)


@given(lengths=LENGTHS, seed=SEEDS, size=st.integers(1, 300), pool=st.integers(1, 10))
def test_the_token_budget_holds(lengths: list[tuple[int, int]], seed: int, size: int, pool: int) -> None:
    source, target = arrays(lengths)
    plan = BucketBatches(unit="tokens", size=size, pool=pool).plan(source, target, seed=seed, epoch=0)
    for rows in plan:
        longest = max(int(source[rows].max()), int(target[rows].max()))
        assert len(rows) * longest <= size or len(rows) == 1


@given(lengths=LENGTHS, seed=SEEDS, size=st.integers(1, 30), pool=st.integers(1, 10))
def test_the_sentence_budget_holds(lengths: list[tuple[int, int]], seed: int, size: int, pool: int) -> None:
    plan = BucketBatches(unit="sentences", size=size, pool=pool).plan(*arrays(lengths), seed=seed, epoch=0)
    assert len(plan) == -(-len(lengths) // size)
    assert all(len(rows) <= size for rows in plan)


def test_the_papers_batches() -> None:
    """Pools of 1600 pairs, 20 batches of 80, each pool in rising order of length."""
    source, target = some_lengths(4000)
    plan = PaperBatches(batch_size=80, pool=20).plan(source, target, seed=0, epoch=0)
    assert [len(rows) for rows in plan] == [80] * 50
    longer = np.maximum(source, target)
    for start in (0, 20, 40):
        pool = [int(longer[row]) for rows in plan[start : start + 20] for row in rows]
        assert pool == sorted(pool)
    pools = [{row for rows in plan[start : start + 20] for row in rows} for start in (0, 20, 40)]
    assert [len(pool) for pool in pools] == [1600, 1600, 800]


@pytest.mark.parametrize("planner", PLANNERS)
def test_seeds_and_epochs_change_the_order(planner: Planner) -> None:
    lengths = some_lengths(500)
    plans = [str(planner.plan(*lengths, seed=seed, epoch=epoch)) for seed in (0, 1, 2) for epoch in (0, 1, 2)]
    assert len(set(plans)) == 9


@pytest.mark.slow
def test_the_order_is_the_same_in_another_process() -> None:
    code = (
        "import numpy as np; from rnnsearch.data.batching import BucketBatches;"
        "n = np.arange(2, 60); print(BucketBatches(unit='tokens', size=90, pool=2).plan(n, n[::-1], seed=5, epoch=3))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    n = np.arange(2, 60)
    assert out.strip() == str(BucketBatches(unit="tokens", size=90, pool=2).plan(n, n[::-1], seed=5, epoch=3))


def test_the_order_does_not_touch_global_randomness() -> None:
    np.random.seed(0)
    torch.manual_seed(0)
    before, torch_before = np.random.get_state()[1].copy(), torch.get_rng_state()
    PLANNERS[0].plan(*some_lengths(50), seed=0, epoch=0)
    assert (before == np.random.get_state()[1]).all()
    assert torch.equal(torch_before, torch.get_rng_state())


def test_padding_share_by_hand() -> None:
    source, target = np.array([3, 1, 2]), np.array([1, 1, 4])
    # batch {0, 1}: 4 of 6 and 2 of 2; batch {2}: 2 of 2 and 4 of 4 are real: 12 of 14
    assert padding_share([[0, 1], [2]], source, target) == pytest.approx(2 / 14)
    assert padding_share([], source, target) == 0.0


def test_buckets_pad_less_than_chance() -> None:
    lengths = some_lengths(5000)
    shares = [
        padding_share(BucketBatches(unit="sentences", size=50, pool=pool).plan(*lengths, seed=0, epoch=0), *lengths)
        for pool in (1, 10, 100)
    ]
    assert shares[0] > 0.4
    assert shares[0] > 2 * shares[1] > 2 * shares[2]
    assert shares[2] < 0.1


def test_longest_first() -> None:
    assert longest_first(np.array([2, 9, 5, 9, 1]), 2) == [[1, 3], [2, 0], [4]]


def sampler(count: int = 45, seed: int = 3, rank: int = 0, replicas: int = 1, stay: bool = False) -> BatchSampler:
    return BatchSampler(PLANNERS[0], *some_lengths(count), seed=seed, rank=rank, replicas=replicas, stay=stay)


def take(places: BatchSampler, count: int) -> list[list[int]]:
    """`count` batches, as a loader hands them out."""
    taken: list[list[int]] = []
    while len(taken) < count:
        for rows in places:
            places.delivered()
            taken.append(rows)
            if len(taken) == count:
                break
    return taken


@given(done=st.integers(0, 20), more=st.integers(0, 20))
def test_a_saved_place_continues_the_order(done: int, more: int) -> None:
    whole = take(sampler(), done + more)
    first = sampler()
    assert take(first, done) == whole[:done]
    second = sampler()
    second.load_state_dict(first.state_dict())
    assert (second.epoch, second.position) == (done // 6, done % 6)
    assert take(second, more) == whole[done:]


def test_reading_ahead_does_not_move_the_place() -> None:
    places = sampler()
    ahead = list(places)
    assert len(ahead) == len(places) == 6
    assert places.state_dict() == {"epoch": 0, "position": 0, "seed": 3}


def test_a_place_of_another_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="saved under seed=3, not 4; keep the seed"):
        sampler(seed=4).load_state_dict(sampler(seed=3).state_dict())


def test_a_place_that_the_corpus_lacks_is_refused() -> None:
    places = sampler(count=45)
    places.seek(2, len(places.plan()))
    with pytest.raises(ValueError, match=r"has no batch \d+ of epoch 3, where this run stopped"):
        next(iter(places))


def test_staying_gives_the_same_epoch_again() -> None:
    places = sampler(stay=True)
    assert take(places, 6) == take(places, 6) == sampler().plan()


@given(count=st.integers(1, 60), processes=st.integers(1, 7), epoch=st.integers(0, 2))
def test_processes_share_each_batch(count: int, processes: int, epoch: int) -> None:
    samplers = [sampler(count, rank=rank, replicas=processes) for rank in range(processes)]
    for one in samplers:
        one.seek(epoch)
    whole = sampler(count)
    whole.seek(epoch)
    shares = [list(one) for one in samplers]
    assert {len(share) for share in shares} == {len(whole)}
    for together, batch in zip(zip(*shares, strict=True), whole, strict=True):
        assert sorted(row for share in together for row in share) == sorted(batch)  # none lost, none twice
        assert max(map(len, together)) - min(map(len, together)) <= 1


def test_shares_are_about_equally_long() -> None:
    longer = np.maximum(*some_lengths(4000))  # by which batches are sorted
    pairs = [sampler(4000, rank=rank, replicas=2) for rank in range(2)]
    for rows in zip(*pairs, strict=True):
        first, second = (int(longer[share].sum()) for share in rows)
        assert abs(first - second) <= longer[rows[0] + rows[1]].max()


def test_every_process_is_told_the_tokens_of_all() -> None:
    lengths = some_lengths(45)[1]
    for rank in range(3):
        places = sampler(rank=rank, replicas=3)
        for batch in places.plan():
            assert places.delivered() == lengths[batch].sum()


def test_an_empty_share_counts_nothing_and_is_a_batch() -> None:
    empty = collate([])
    assert (len(empty), empty.target_tokens, empty.all_tokens) == (0, 0, 0)
    assert empty.source_mask_BS.tolist() == [[True]]
    assert empty.to("cpu").index_B.dtype == torch.int64


@pytest.mark.parametrize(
    ("planner", "message"),
    [
        (lambda: BucketBatches(unit="sentences", size=0, pool=1), r"batches\.size=0: must be at least 1"),
        (lambda: BucketBatches(unit="words", size=1, pool=1), r"batches\.unit=words: allowed are sentences and"),
        (lambda: PaperBatches(batch_size=80, pool=-1), r"batches\.pool=-1: must be at least 1"),
    ],
)
def test_senseless_numbers_are_refused(planner: type[Planner], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        planner()


def lists_of_batches(planner: Planner, source: Lengths, target: Lengths, seed: int, epoch: int) -> list[list[int]]:
    """The plan as loops over lists, from the planners' descriptions."""
    random = np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, epoch))))
    shorter, longer = np.minimum(source, target), np.maximum(source, target)
    order = random.permutation(len(longer)).tolist()
    if isinstance(planner, PaperBatches):
        many, size, shuffled = planner.pool * planner.batch_size, planner.batch_size, False
    else:
        mean = max(1.0, float(longer.mean()) if len(longer) else 1.0)
        tokens = max(1, round(planner.size * planner.pool / mean))
        many, size, shuffled = planner.size * planner.pool, planner.size, True
        many = many if planner.unit == "sentences" else tokens
    batches: list[list[int]] = []
    for start in range(0, len(order), many):
        pool = sorted(order[start : start + many], key=lambda row: (longer[row], shuffled and shorter[row]))
        fresh = True
        for row in pool:
            by_tokens = isinstance(planner, BucketBatches) and planner.unit == "tokens"
            cost = (len(batches[-1]) + 1) * (int(longer[row]) if by_tokens else 1) if batches else 0
            if fresh or cost > size:
                batches.append([])
            batches[-1].append(row)
            fresh = False
    return [batches[i] for i in random.permutation(len(batches))] if shuffled else batches


@pytest.mark.parametrize("planner", PLANNERS)
@given(lengths=LENGTHS, seed=SEEDS, epoch=st.integers(0, 9))
def test_compact_plans_are_those_of_lists(
    planner: Planner, lengths: list[tuple[int, int]], seed: int, epoch: int
) -> None:
    expected = lists_of_batches(planner, *arrays(lengths), seed, epoch)
    plan = planner.plan(*arrays(lengths), seed=seed, epoch=epoch)
    assert list(plan) == expected
    assert list(plan[1::2]) == expected[1::2]


def test_a_plan_of_many_pairs_is_small() -> None:
    plan = BucketBatches(unit="sentences", size=80, pool=20).plan(*some_lengths(100_000), seed=0, epoch=0)
    assert plan.rows.nbytes + plan.starts.nbytes + plan.stops.nbytes < 8.3 * 100_000
