"""Modules that keep their weights: they get no gradient, and so no step, no decay and no part in an average."""

import difflib
from collections.abc import Mapping, Sequence

from torch import nn

from rnnsearch.model.translator import Translator

SHORT = {"context": "decoder.context"}  # as the config names it, which has it beside the decoder


def freeze(translator: Translator, names: Sequence[str]) -> None:
    """Keep the weights of some modules as they are.

    Dropout inside them stays on, as in all of training. A matrix that two modules share is frozen with either.

    Args:
        names: dotted names of modules, such as ``encoder``, ``context`` or ``decoder.output``.

    Raises:
        ValueError: for a name that no module with weights has, or if nothing is left to be trained.
    """
    modules = modules_with_weights(translator)
    for name in names:
        if name not in modules:
            near = difflib.get_close_matches(name, modules, 3)
            told = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(modules)}"
            raise ValueError(f"freeze=[{name}]: this model has no module of that name that has weights; {told}")
        modules[name].requires_grad_(False)
    if not any(parameter.requires_grad for parameter in translator.parameters()):
        raise ValueError(f"freeze=[{','.join(names)}] leaves nothing to be trained; leave a module out")


def modules_with_weights(translator: Translator) -> Mapping[str, nn.Module]:
    """The modules that can be frozen, by their names."""
    modules = {name: module for name, module in translator.named_modules() if name and list(module.parameters())}
    return {**{short: modules[name] for short, name in SHORT.items() if name in modules}, **modules}


def frozen_numbers(translator: nn.Module) -> int:
    """How many numbers of a model are not trained; one that two modules share counts once."""
    return sum(parameter.numel() for parameter in translator.parameters() if not parameter.requires_grad)
