"""WMT'14 on several GPUs: figures worked out by hand, properties, and what the command prints."""

from dataclasses import replace
from io import BytesIO

import pyarrow as pa
import pytest
from benchmarks.__main__ import main
from benchmarks.launches import Launches, count, launches, passes_over_weights, tiny
from benchmarks.scaling import ROW_BYTES, Corpus, Gpu, Model, disk_bytes, enough, gpu_bytes, stops, update
from benchmarks.wmt14 import grown

from rnnsearch.data.corpus import Pair
from rnnsearch.data.encode_pairs import SCHEMA, encode

MODEL = Model(
    parameters=1000, operations=lambda length: 50.0, launches=Launches(10, 2, 3), passes=5, token_bytes=7,
    logits_bytes=100,
)  # fmt: skip
GPU = Gpu(peak=2000, share=0.5, launch=0.1, bandwidth=20_000, link=8000)


def test_an_update_by_hand() -> None:
    """80 pairs of 4 tokens: 80·4·50 / 1000 = 16 s; launches (10 + 4·2 + 4·3) · 0.1 = 3 s; weights 5·4000 / 20000 = 1 s;
    on 4 GPUs the gradients cross 2·3/4·4000 / 8000 = 0.75 s."""
    one = update(MODEL, GPU, 4, gpus=4, pairs=80)
    assert (one.operations, one.launches, one.weights, one.reduce) == pytest.approx((16, 3, 1, 0.75))
    assert one.seconds == pytest.approx(17.75)
    assert update(MODEL, GPU, 4, gpus=1, pairs=80).seconds == pytest.approx(17)


def test_the_greater_floor_counts() -> None:
    """With 15 pairs both floors are 3 s."""
    seconds = [update(MODEL, GPU, 4, gpus=1, pairs=pairs).seconds for pairs in (1, 14, 15, 16)]
    assert seconds == pytest.approx([4, 4, 4, 4.2])


def test_where_the_batch_of_80_stops() -> None:
    """n GPUs: 16/n s of operations beside 1 s of weights, (1 - 1/n) s of all-reduce and 3 s of launches: with 5, 3.2 of
    5.0 s; with 6, 2.67 of 4.83 s, with 7, 2.29 of 4.86 s, the first below half."""
    assert stops(MODEL, GPU, 4) == 7
    assert stops(MODEL, replace(GPU, peak=200_000), 4) == 1
    assert stops(replace(MODEL, passes=0), replace(GPU, launch=0, link=1e12), 4) is None


@pytest.mark.parametrize("gpus", [1, 8, 64])
@pytest.mark.parametrize("bandwidth", [2000, 20_000])
def test_with_enough_pairs_operations_are_half(gpus: int, bandwidth: float) -> None:
    gpu = replace(GPU, bandwidth=bandwidth)
    pairs = enough(MODEL, gpu, 4, gpus=gpus)
    assert update(MODEL, gpu, 4, gpus=gpus, pairs=pairs).busy == pytest.approx(0.5)


def test_a_measured_update_replaces_the_formula() -> None:
    """Of 20 s a quarter of the pairs takes 5 s, a 16th no less than launches and weights, 4 s; all-reduce is added."""
    gpu = replace(GPU, step=20)
    found = [update(MODEL, gpu, 4, gpus=gpus, pairs=80 / gpus).seconds for gpus in (1, 4, 16)]
    assert found == pytest.approx([20, 5.75, 4.9375])
    assert update(MODEL, gpu, 4, gpus=4, pairs=80).seconds == pytest.approx(20.75)
    assert update(MODEL, replace(GPU, step=2), 4, gpus=1, pairs=80).seconds == 2


def test_memory_of_a_gpu() -> None:
    """16 bytes a parameter, 20 beside others; 51 tokens of 7 bytes a pair; more GPUs never need more each."""
    assert gpu_bytes(MODEL, gpus=1, pairs=10) == 16_000 + 3570 + 100
    assert gpu_bytes(MODEL, gpus=2, pairs=10) == 20_000 + 3570 + 100
    shared = [gpu_bytes(MODEL, gpus=gpus, pairs=80 / gpus) for gpus in range(1, 81)]
    assert shared == sorted(shared, reverse=True)
    assert len({gpu_bytes(MODEL, gpus=gpus, pairs=80) for gpus in range(2, 81)}) == 1


def test_more_gpus_do_more_pairs_a_second_with_80_each() -> None:
    speeds = [gpus / update(MODEL, GPU, 4, gpus=gpus, pairs=80).seconds for gpus in range(1, 81)]
    assert speeds == sorted(speeds)


def test_an_encoded_corpus_on_disk() -> None:
    """Beside ids and texts an Arrow file has 40 bytes a pair, and little for each batch."""

    class Words:
        def encode(self, text: str) -> list[int]:
            return [1] * len(text.split())

    pairs = [Pair(source="words " * 9, target="mots " * 11, line=line) for line in range(1000)]
    file = BytesIO()
    with pa.ipc.new_stream(file, SCHEMA) as writer:
        writer.write_batch(encode(pairs, Words(), Words()))
    beside = len(file.getvalue()) - 1000 * (4 * 20 + 6 * 9 + 5 * 11)
    assert beside == pytest.approx(1000 * ROW_BYTES, rel=0.06)
    assert disk_bytes(Corpus(pairs=10, words=100)) == (1200, 1200 + 400 + 800)


def test_a_straight_line_through_the_largest_sizes() -> None:
    rows = [{"sizes": {"pairs": pairs}, "value": value} for pairs, value in ((1, 50.0), (20, 70.0), (10, 60.0))]
    assert grown(rows, 100) == pytest.approx(150)


def test_launches_grow_with_both_lengths() -> None:
    """Forward and backward, a step has at least a product and a cell's two halves each, and a target step attention."""
    found = launches()
    assert count(tiny(), 8, 8) == pytest.approx(found.of(8, 8), abs=2)
    assert 8 <= found.source < 40
    assert 12 <= found.target < 40


def test_passes_over_weights() -> None:
    """The norm reads, clipping reads and writes: 3. Adadelta at the least reads four and writes three: 7."""
    assert 10 <= passes_over_weights() < 40


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["wmt14", "--step-seconds", "0.5"]) == 0
    said = capsys.readouterr().out
    assert "| an update of 80 pairs | 500 ms | measured by you: --step-seconds |" in said
    assert said.count("| 64 | 80 |") == 2


@pytest.mark.parametrize("words", ["--price 0", "--link x", "--step-seconds nan", "--bandwidth inf"])
def test_numbers_that_make_no_sense(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["wmt14", *words.split()])
    assert "is no number above 0" in capsys.readouterr().err
