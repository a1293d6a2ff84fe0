"""Pictures drawn by several processes are those that one draws."""

import os
from functools import partial
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from rnnsearch.plots import score_bars
from rnnsearch.plots.score_bars import Bar
from rnnsearch.study.blocks import Picture
from rnnsearch.study.drawers import MANY, drawn_together, helpers


def picture(number: int) -> Picture:
    bars = [Bar(f"member {number}", 20.0 + number, 19.0, 30.0, (20.0,))]
    return Picture(f"scores_{number}", "Scores.", partial(score_bars.scores, bars, quantity="BLEU"))


def failing() -> Figure:
    raise ValueError("no such figure")


def test_a_small_study_begins_no_process() -> None:
    with helpers(MANY - 1) as begun:
        assert begun == []


@pytest.mark.slow
@pytest.mark.pictures
def test_helpers_draw_what_is_drawn_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    odd = Picture("odd", "", lambda: score_bars.scores([], quantity="BLEU"))  # can't be sent
    pictures = [*map(picture, range(6)), odd, Picture("failing", "", failing)]
    alone = drawn_together(pictures, tmp_path, ())
    with helpers(MANY) as begun:
        assert len(begun) == 2
        begun[0].kill()
        assert drawn_together(pictures, tmp_path, begun) == alone
    assert list(alone) == [picture.name for picture in pictures]
    assert "no such figure" in alone["failing"].left_out
    assert all(helper.returncode is not None for helper in begun)
