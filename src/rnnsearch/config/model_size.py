"""Models of different kinds made equal in size: the hidden sizes at which one matches another."""

import copy
from collections.abc import Mapping

from omegaconf import DictConfig, OmegaConf

from rnnsearch.config.trust import given
from rnnsearch.training.equal_sizes import match_hidden_sizes


def quantity(
    config: DictConfig, sizes: Mapping[str, int], by: str, lengths: tuple[float, float] | None = None
) -> float:
    """Trainable parameters, or operations a target token, of a config's model for vocabularies of the given sizes.

    Args:
        lengths: tokens of a source and a target, at which operations are counted; parameters need none.

    Raises:
        ValueError: if its operations can't be counted.
    """
    from rnnsearch.model.build import build_translator
    from rnnsearch.model.without_memory import without_memory
    from rnnsearch.training.cost import operations_per_token

    with without_memory():
        translator = build_translator(
            config.model, source_size=sizes["source_size"], target_size=sizes["target_size"], trust=given()
        )
    if by != "flops":
        return sum(p.numel() for p in translator.parameters() if p.requires_grad)
    assert lengths is not None, "operations are counted at some length"
    source, target = lengths
    return operations_per_token(translator, source_length=source, target_length=target).training


def matched_overrides(
    config: DictConfig, target: float, sizes: Mapping[str, int], by: str, lengths: tuple[float, float] | None = None
) -> list[str]:
    """The overrides of the hidden sizes at which a config's model has ``target`` parameters or operations.

    Args:
        config: of a training.
        target: what another model has, by `quantity`.
        sizes: source_size and target_size, of the vocabularies.
        by: parameters or flops.
        lengths: of `quantity`.

    Returns:
        Nothing where they are equal already.

    Raises:
        ValueError: if no sizes come within 1 %, or operations can't be counted.
    """
    if abs(quantity(config, sizes, by, lengths) / target - 1) < 1e-9:
        return []

    config = copy.deepcopy(config)
    OmegaConf.set_readonly(config, False)

    def count(encoder: int, decoder: int) -> float:
        config.model.encoder.hidden_size, config.model.decoder.hidden_size = encoder, decoder
        return quantity(config, sizes, by, lengths)

    own = (config.model.encoder.hidden_size, config.model.decoder.hidden_size)
    encoder, decoder = match_hidden_sizes(count, encoder=own[0], decoder=own[1], parameters=target)
    return [f"model.encoder.hidden_size={encoder}", f"model.decoder.hidden_size={decoder}"]
