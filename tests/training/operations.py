"""Operations as an independent count sees them: torch's own for products, and a list of what else there is."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from rnnsearch.config.compose import compose
from rnnsearch.model.build import build_translator
from rnnsearch.model.translator import Translator

CONTEXTS = ("additive", "dot", "fixed", "general", "initial_only", "location_only", "mean", "scaled_dot", "slots")
DECODERS = ("modern", "luong", "conditional", "paper")
CELLS = ("cudnn", "lstm", "paper", "elman", "mingru", "sru", "lrn")
VOCABULARY = 400
SLOTS = {"slots": 16, "position_size": 64, "normalized": "positions"}
EACH = {  # of a value that is made
    **dict.fromkeys(("add", "sub", "rsub", "mul", "div", "reciprocal", "exp", "sin", "cos", "tanh", "sigmoid"), 1),
    **{"maximum": 1, "lerp": 3, "addmm": 1, "_softmax": 5},  # of addmm, which FlopCounterMode counts, the bias
}
READ = {"sum": 1, "mean": 1, "linalg_vector_norm": 2, "mv": 2}  # of a value that is read


class Elements(TorchDispatchMode):
    """Counts all that FlopCounterMode does not."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, Tensor) and made.is_floating_point():
            name = func.overloadpacket.__name__.removesuffix("_")
            self.count += made.numel() * EACH.get(name, 0)
            self.count += args[0].numel() * READ[name] if name in READ else 0
        return made


def whole(translator: Translator, source_length: int, target_length: int) -> int:
    """Of everything up to the logits, for one sentence pair on the plain path, in float64."""
    translator = translator.double().eval()
    source_BS = torch.randint(4, VOCABULARY, (1, source_length))
    target_BT = torch.randint(4, VOCABULARY, (1, target_length))
    with torch.no_grad(), FlopCounterMode(display=False) as products, Elements() as elements:
        readouts_BTR, _ = translator(source_BS, torch.ones_like(source_BS, dtype=torch.bool), target_BT)
        translator.logits(readouts_BTR)
    return products.get_total_flops() + elements.count


@cache
def _model(decoder: str) -> DictConfig:
    return compose("train", ["data=controlled", "model=tiny", f"model/decoder={decoder}"]).model


def tiny(context: str, decoder: str, cell: str, *, own: Any = None) -> Translator:
    """The smallest model of conf/, with another context, decoder and cell; or a context mechanism of one's own."""
    config = _model(decoder).copy()
    name = context.title().replace("_", "")
    settings = {"additive": {"normed": False}, "location_only": {"position_size": 64}, "slots": SLOTS}.get(context, {})
    if context in ("additive", "location_only", "scaled_dot"):
        settings["attention_size"] = 96
    config.context = {"_target_": f"rnnsearch.model.context.{name}", **settings}
    config.encoder.cell = config.decoder.cell = cell
    if context == "dot":
        config.decoder.hidden_size = 2 * config.encoder.hidden_size
    translator = build_translator(config, source_size=VOCABULARY, target_size=VOCABULARY, kernels="plain")
    if own is not None:
        translator.decoder.context = own(annotation_size=192, state_size=96)
    return translator


def of_config(*words: str) -> Translator:
    """That of conf/model/tiny.yaml with other words."""
    config = compose("train", ["data=controlled", "model=tiny", *words]).model
    return build_translator(config, source_size=VOCABULARY, target_size=VOCABULARY, kernels="plain")


def designs() -> Iterator[tuple[str, str, str]]:
    """Every mechanism with every decoder and cell that there are."""
    for context in CONTEXTS:
        for decoder in DECODERS:
            if (context, decoder) != ("initial_only", "conditional"):  # refused: its second cell reads the context
                yield from ((context, decoder, cell) for cell in CELLS)
