"""Models of different kinds made equal in size: the hidden sizes at which one matches another."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from rnnsearch.cli.trust import given
from rnnsearch.training.matching import match_hidden_sizes

if TYPE_CHECKING:  # torch takes seconds to import
    from rnnsearch.model.translator import Translator

BY = ("parameters", "flops")
LENGTH = 20  # tokens a side, at which operations are compared: what records call flops_per_token


def quantity(config: DictConfig, sizes: Mapping[str, int], by: str) -> float:
    """Trainable parameters, or operations a target token, of a config's model for vocabularies of the given sizes."""
    import torch

    from rnnsearch.model.build import build_translator

    with torch.device("meta"):
        translator = build_translator(
            config.model, source_size=sizes["source_size"], target_size=sizes["target_size"], trust=given()
        )
    return _operations(translator) if by == "flops" else _parameters(translator)


def _parameters(translator: "Translator") -> int:
    return sum(p.numel() for p in translator.parameters() if p.requires_grad)


def _operations(translator: "Translator") -> float:
    from rnnsearch.training.cost import operations_per_token

    return operations_per_token(translator, source_length=LENGTH, target_length=LENGTH).training


def matched_overrides(config: DictConfig, target: float, sizes: Mapping[str, int], by: str) -> list[str]:
    """The overrides of the hidden sizes at which a config's model has ``target`` parameters or operations.

    Args:
        config: of a training; its hidden sizes are changed.
        target: what another model has, by `quantity`.
        sizes: source_size and target_size, of the vocabularies.
        by: one of `BY`.

    Returns:
        Nothing where they are equal already.

    Raises:
        ValueError: if no sizes come within 1 %.
    """
    if abs(quantity(config, sizes, by) / target - 1) < 1e-9:
        return []

    def count(encoder: int, decoder: int) -> float:
        config.model.encoder.hidden_size, config.model.decoder.hidden_size = encoder, decoder
        return quantity(config, sizes, by)

    own = (config.model.encoder.hidden_size, config.model.decoder.hidden_size)
    encoder, decoder = match_hidden_sizes(count, encoder=own[0], decoder=own[1], parameters=target)
    return [f"model.encoder.hidden_size={encoder}", f"model.decoder.hidden_size={decoder}"]
