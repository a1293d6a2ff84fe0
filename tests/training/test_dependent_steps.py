"""The chain's length against the table of the documentation, written out again."""

import math

import pytest
import torch

from rnnsearch.training.dependent_steps import dependent_steps

from ..model.designs import MODERN, PAPER, TRANSFORMER, build
from ..model.oracle import Design

S, T = 16.0, 8.0


@pytest.mark.parametrize(
    ("design", "training", "translation"),
    [
        (PAPER, S + T, S + T),
        (MODERN.but(query_state="current"), S + T, S + T),
        (MODERN.but(query_state="two_step"), S + 2 * T, S + 2 * T),
        (MODERN.but(query_state="current", cell="mingru"), math.log2(S) + math.log2(T), math.log2(S) + T),
        (MODERN.but(cell="mingru"), math.log2(S) + T, math.log2(S) + T),
        (MODERN.but(cell="mingru", mechanism="fixed"), math.log2(S) + math.log2(T), math.log2(S) + T),
        (MODERN.but(cell="mingru", query_state="current", input_feeding=True), math.log2(S) + T, math.log2(S) + T),
        (MODERN.but(layers=2, decoder_layers=3), S + 1 + T + 2, S + 1 + 3 * T),
        (MODERN.but(encoder="transformer", initial_state="mean", layers=2), 2 + T, 2 + T),
        (TRANSFORMER.but(layers=3), 3 + 3, 3 + 3 * T),
    ],
    ids=str,
)
def test_steps_of_the_equations(design: Design, training: float, translation: float) -> None:
    steps = dependent_steps(build(design), source_length=S, target_length=T)
    assert (steps.training, steps.translation) == (training, translation)


def test_of_another_package_nothing_is_known() -> None:
    translator = build(PAPER)
    translator.encoder = torch.nn.Identity()
    assert dependent_steps(translator, source_length=S, target_length=T) is None
