"""Searches with every setting named, and how tests call them."""

import random
from collections.abc import Sequence

import torch

from rnnsearch.data.batching import pad
from rnnsearch.search.beam import BeamSearch
from rnnsearch.search.ensemble import Ensemble
from rnnsearch.search.hypotheses import Hypothesis, Search
from rnnsearch.search.sampling import Sampling

SHARED = {
    "min_length": 0,
    "max_length": None,
    "min_length_ratio": 0.0,
    "min_length_offset": 0,
    "max_length_ratio": 1.5,
    "max_length_offset": 3,
    "max_source_length": 50,
    "batch_size": 8,
    "forbid_unknown": False,
    "no_repeat_ngram": 0,
}
BEAM = {"beam_size": 4, "n_best": 1, "normalization": "average", "length_alpha": 0.6, "coverage_penalty": 0.0}
SAMPLING = {"n_best": 1, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "seed": 0}


def beam_search(**settings: object) -> BeamSearch:
    return BeamSearch(**(SHARED | BEAM | settings))


def sampling(**settings: object) -> Sampling:
    return Sampling(**(SHARED | SAMPLING | settings))


def n_best(
    search: Search,
    model: object,
    sources: Sequence[list[int]],
    *,
    padding: int = 0,
    prefixes: Sequence[Sequence[int]] | None = None,
    keys: Sequence[int] | None = None,
) -> list[list[Hypothesis]]:
    """What is found for sources; every member of an ensemble reads the same."""
    padded = tuple(torch.nn.functional.pad(part, (0, padding)) for part in pad(sources))
    source = (padded,) * len(model.members) if isinstance(model, Ensemble) else padded
    return search.search(model, source, padded[1].sum(-1) - 1, prefixes=prefixes, keys=keys)


def random_sources(count: int, *, seed: int = 0) -> list[list[int]]:
    """Sources of 1 to 8 tokens."""
    source = random.Random(seed)
    return [[source.randrange(4, 12) for _ in range(source.randrange(1, 9))] for _ in range(count)]
