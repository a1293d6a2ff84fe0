"""Models of different kinds made equal in size: the hidden sizes at which one matches another.

A Transformer's are those of its feed-forward nets; its width and heads stay.
"""

import copy
from collections.abc import Mapping

from omegaconf import DictConfig, OmegaConf

from rnnsearch.config.keys.roles import MATCHED_SIZES
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

    halves = {half: config.model[half] for half in ("encoder", "decoder")}
    keys = {half: next(key for key in MATCHED_SIZES if key in values) for half, values in halves.items()}

    def count(encoder: int, decoder: int) -> float:
        halves["encoder"][keys["encoder"]], halves["decoder"][keys["decoder"]] = encoder, decoder
        return quantity(config, sizes, by, lengths)

    own = {half: int(halves[half][key]) for half, key in keys.items()}
    heads = (config.model.get("context") or {}).get("heads") or 1  # they share annotations and states evenly
    found = match_hidden_sizes(count, encoder=own["encoder"], decoder=own["decoder"], parameters=target, step=heads)
    return [f"model.{half}.{keys[half]}={size}" for half, size in zip(halves, found, strict=True)]
