"""What a checkpoint must hold: checked by its own headers, before a model of any size is made of it."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

WEIGHTS = ("state_dict", "current_model_state")  # the second: as trained, where the first is an average
TRAINING = {"optimizer_states": list, "lr_schedulers": list, "loops": dict, "counters": dict, "callbacks": dict}
"""What it holds beside a model, for a training to go on with."""


def check_content(checkpoint: Any, place: object) -> None:
    """Refuse what is no checkpoint of ours, and weights that are no finite numbers.

    Raises:
        ValueError: ``place`` says of what.
    """
    if not isinstance(checkpoint, dict) or "rnnsearch" not in checkpoint:
        raise ValueError(
            f"{place} is a checkpoint, but not one that rnnsearch train made: it lacks model and tokenizers"
        )
    content = checkpoint["rnnsearch"]
    of_sides = content.get("tokenizers") if isinstance(content, dict) else None
    parts = [content.get("model"), *map(of_sides.get, ("source", "target"))] if isinstance(of_sides, dict) else [None]
    groups = [checkpoint.get("state_dict"), checkpoint.get("current_model_state", {})]
    if not all(isinstance(part, dict) for part in (*parts, *groups)):
        raise ValueError(f"{place} is a checkpoint with another structure than rnnsearch train writes; take another")
    for name, weight in ((name, weight) for group in groups for name, weight in group.items()):
        if not (isinstance(name, str) and _is_plain(weight)):
            raise ValueError(f"{place} has weights that are none ({name!s:.60}); take another checkpoint")
    if found := not_finite(checkpoint):
        raise ValueError(f"{place} has weights that are no finite numbers ({found}); take another checkpoint")


def not_finite(checkpoint: Mapping[str, Any]) -> str | None:
    """The name of a weight with a number that is not finite; None where all are."""
    of_all = ((name, weight) for key in WEIGHTS for name, weight in checkpoint.get(key, {}).items())
    return next((name for name, one in of_all if one.is_floating_point() and not one.isfinite().all()), None)


def _is_plain(weight: Any) -> bool:
    """Whether it is a tensor that holds each of its numbers."""
    if not (isinstance(weight, Tensor) and weight.layout == torch.strided and weight.device.type != "meta"):
        return False
    return weight.numel() * weight.element_size() <= weight.untyped_storage().nbytes()


def missing_for_training(checkpoint: Mapping[str, Any]) -> list[str]:
    """What a whole checkpoint lacks for a training to go on with."""
    return [key for key, kind in TRAINING.items() if not isinstance(checkpoint.get(key), kind)]


def check_sizes(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Refuse weights of other names or shapes than a model's, which may be one without memory (device ``meta``).

    Raises:
        ValueError: naming the first.
    """
    needed = {name: tuple(one.shape) for name, one in model.state_dict().items()}
    found = {name: tuple(one.shape) for name, one in weights.items()}
    for name in (*needed, *found):
        if needed.get(name) != found.get(name):
            has, needs = (f"shape {one[name]}" if name in one else "none" for one in (found, needed))
            raise ValueError(f"its weights are not those of its model ({name} has {has}, needs {needs})")


def layers(model: Any) -> Iterator[int]:
    """The numbers of layers that a model's config names."""
    if isinstance(model, Mapping):
        for key, value in model.items():
            yield from [value] if key == "layers" and isinstance(value, int) else layers(value)
