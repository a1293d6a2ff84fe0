"""Rows: medians, ratios within a round, what a JSON row holds."""

from dataclasses import asdict
from types import SimpleNamespace

import pytest

from benchmarks import page, rows

FIELDS = {
    "benchmark", "system", "device", "dtype", "sizes", "length", "value", "unit", "ratio_to_ours",
    "operations_per_token", "share_of_peak", "repeats", "spread",
}  # fmt: skip
SHARED = {
    "benchmark": "training_step", "quantity": "forward and backward", "device": "cpu", "dtype": "float32",
    "threads": 2, "sizes": {"model": "tiny", "batch": 80}, "length": 30,
}  # fmt: skip


def test_ratios_are_of_one_round() -> None:
    """The machine slows down in the second round; the ratio is 2 in every round, and so is its median."""
    ours, loop = rows.make_rows(
        {"ours": [100.0, 10.0, 60.0], "plain_loop": [50.0, 5.0, 30.0]},
        operations={"ours": 3.0, "plain_loop": 4.0},
        peak=SimpleNamespace(best=[1000.0, 100.0, 600.0], torch=[500.0, 50.0, 300.0]),
        unit="tokens/s",
        **SHARED,
    )
    assert set(asdict(ours)) >= FIELDS
    assert (ours.value, ours.spread, ours.repeats) == (60.0, [10.0, 100.0], 3)
    assert (loop.ratio_to_ours, loop.ours_is_better_by, loop.ours_is_better_by_spread) == (0.5, 2.0, [2.0, 2.0])
    assert (ours.operations_per_second, ours.share_of_peak) == (pytest.approx(180.0), pytest.approx(0.3))
    assert (loop.share_of_peak, loop.share_of_torch_product) == (pytest.approx(0.2), pytest.approx(0.4))


def test_fewer_seconds_are_better() -> None:
    _, peer = rows.make_rows(
        {"ours": [2.0, 4.0], "joeynmt": [6.0, 12.0]},
        operations={"joeynmt": 5.0},
        tokens={"joeynmt": 30.0},
        peak=SimpleNamespace(best=[100.0, 50.0], torch=[100.0, 50.0]),
        unit="seconds",
        **SHARED,
    )
    assert (peer.ratio_to_ours, peer.ours_is_better_by) == (3.0, 3.0)
    assert peer.share_of_peak == pytest.approx(0.25)  # 30 · 5 / 6 of 100, 30 · 5 / 12 of 50


def test_single_precision_beside_bfloat16_has_its_own_type_and_no_share_of_the_others_peak() -> None:
    ours, single = rows.make_rows(
        {"ours": [4.0], "ours_float32": [2.0]},
        operations={"ours": 5.0, "ours_float32": 5.0},
        peak=SimpleNamespace(best=[100.0], torch=[100.0]),
        unit="tokens/s",
        **{**SHARED, "dtype": "bfloat16"},
    )
    assert (ours.dtype, ours.share_of_peak) == ("bfloat16", pytest.approx(0.2))
    assert (single.dtype, single.share_of_peak, single.ours_is_better_by) == ("float32", None, 2.0)


def test_without_ours_there_is_no_ratio() -> None:
    [row] = rows.make_rows({"plain_loop": [1.0]}, unit="tokens/s", **SHARED)
    assert (row.ratio_to_ours, row.share_of_peak) == (None, None)


def test_the_page_shows_every_row(tmp_path) -> None:
    found = rows.make_rows({"ours": [4000.0, 4100.0], "plain_loop": [2000.0, 2050.0]}, unit="tokens/s", **SHARED)
    document = {
        "benchmark": "training_step", "date": "2026-01-02", "options": {"command": "training_step", "lengths": [30]},
        "machine": {"cpu": "a cpu", "cores": 2, "gpus": [], "system": "a system"}, "versions": {"torch": "2.13"},
        "git": None, "rows": [asdict(row) for row in found], "left_out": [{"system": "joeynmt", "reason": "no peers"}],
    }  # fmt: skip
    machines = {"a_cpu": {}, "another_cpu_6_143": {"cpu": "another cpu", "cpu_family": [6, 143]}}
    for name, machine in machines.items():
        (tmp_path / name).mkdir()
        made = document | {"machine": document["machine"] | machine}
        assert page.folder_of(made["machine"]) == name
        rows.save(made, tmp_path / name / "training_step.json")
    overview = page.write(tmp_path).read_text(encoding="utf-8")
    assert "| what | against | a_cpu | another_cpu_6_143 |" in overview
    assert "| Training step: forward and backward, 30 words (80 a batch) | plain loop | 2.00× | 2.00× |" in overview
    assert "| [another_cpu_6_143](another_cpu_6_143/README.md) | another cpu; family 6, model 143 | 2 |" in overview
    text = (tmp_path / "a_cpu" / "README.md").read_text(encoding="utf-8")
    assert "| Training step: forward and backward, 30 words (80 a batch) | plain loop | 2.00× | 2.00–2.00 |" in text
    assert "`python -m benchmarks training_step --lengths 30`" in text
    assert "Left out: joeynmt (no peers)." in text
    assert (tmp_path / "a_cpu" / "training_step.png").read_bytes().startswith(b"\x89PNG")


def test_an_empty_folder_is_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="holds no results"):
        page.write(tmp_path)
