"""Two million pairs are to train within 2 GiB, which two smaller corpora foretell."""

import json
from pathlib import Path

import pytest
from benchmarks.__main__ import main

from benchmarks import corpora

# Both are large enough for the processes that encode to be busy; the model is tiny, for the activations of a larger one
# differ from run to run by as much as the corpora do.
PAIRS, ASKED = (50_000, 250_000), 2_000_000
MOST = 2048  # MiB

pytestmark = pytest.mark.slow


def test_memory_grows_slowly_enough_for_two_million_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The peaks of encoding and training in processes of their own, drawn on along a straight line."""
    monkeypatch.setattr(corpora, "SENTENCES", 5_000)  # whose pairings make as many lines as there need be
    for step in ("start", "stream"):
        monkeypatch.delitem(corpora.QUANTITIES, step)
    found = tmp_path / "found.json"
    assert (
        main(
            ["corpora", "--pairs", ",".join(map(str, PAIRS)), "--model", "tiny", "--updates", "5", "--json", str(found)]
        )
        == 0
    )
    peaks: dict[str, dict[int, float]] = {}
    for row in json.loads(found.read_text())["rows"]:
        if row["unit"] == "MiB":
            peaks.setdefault(row["quantity"], {})[row["sizes"]["pairs"]] = row["value"]
    assert len(peaks) == 4  # of the main process and of all, in both steps
    few, many = PAIRS
    for quantity, peak in peaks.items():
        growth = max(0.0, (peak[many] - peak[few]) / (many - few))
        assert peak[many] + growth * (ASKED - many) < MOST, (quantity, peak)
