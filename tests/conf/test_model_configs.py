"""Every preset with every option of every group: its keys bind to the constructors and it builds, or it is refused."""

import inspect
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path

import hydra
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf

from rnnsearch.model.build import build_translator

CONF = Path(__file__).resolve().parents[2] / "conf"
PRESETS = ["rnnsearch", "rnnencdec", "small", "tiny", "reference", "auto", "transformer"]
FEW = ["rnnencdec", "tiny"]  # what is refused differs between these two; all others are like the second, or as they are
few_quickly = pytest.mark.parametrize(
    "preset", [pytest.param(preset, marks=[] if preset in FEW else pytest.mark.slow) for preset in PRESETS]
)
GROUPS = {
    "context": ["initial_only", "fixed", "mean", "location_only", "dot", "general", "scaled_dot", "additive", "slots"],
    "encoder": ["bidirectional", "unidirectional", "transformer"],
    "decoder": ["paper", "modern", "luong", "conditional", "transformer"],
}
WIRED = {  # what config/build.py adds
    "encoder": {"vocabulary_size", "kernels"},
    "context": {"annotation_size", "state_size"},
    "decoder": {"vocabulary_size", "context", "ends_size", "bidirectional", "kernels"},
}
OWN_CONTEXT = {"vocabulary_size", "annotation_size", "kernels"}  # to a decoder that has a mechanism of its own
PRESET_KEYS = {  # of the preset itself: what the groups read by interpolation, and what the whole model needs
    "embedding_size",
    "hidden_size",
    "attention_size",
    "readout_size",
    "cell",
    "dropout",
    "variational_dropout",
    "tied_embeddings",
    "initialization",
}
UNEQUAL = ("rnnsearch", "rnnencdec", "reference")  # embeddings, a Transformer's annotations, are not as wide as states
Choice = dict[str, str]


@pytest.fixture(autouse=True)
def searching() -> Iterator[None]:
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(CONF)):
        yield


def compose(preset: str, choice: Choice) -> DictConfig:
    """The `model` node alone, with its interpolations resolved."""
    chosen = [f"model/{group}={name}" for group, name in choice.items()]
    read = ["+sizes.units=24", "+sizes.dropout=0.1", "+word_dropout={source: null, target: 0.2}"]
    config = hydra.compose(overrides=[f"+model={preset}", *chosen, *read])
    OmegaConf.resolve(config)
    return config.model


@cache
def parts(preset: str) -> tuple[DictConfig, dict[tuple[str, str], DictConfig]]:
    """A composed preset, and what each option of each group becomes under it, from as few compositions as will do."""
    nodes = {}
    for k in range(max(map(len, GROUPS.values()))):
        choice = {group: names[k % len(names)] for group, names in GROUPS.items()}
        model = compose(preset, choice)
        nodes |= {(group, name): model[group] for group, name in choice.items()}
    return model, nodes


def assembled(preset: str, choice: Choice) -> DictConfig:
    """As `compose`, because options of different groups never write into each other (tested below)."""
    model, nodes = parts(preset)
    return OmegaConf.merge(
        {k: v for k, v in model.items() if k not in choice}, {g: nodes[g, n] for g, n in choice.items()}
    )


def conflicts(preset: str, choice: Choice) -> list[str]:
    """The words one of which a refusal must hold; empty where the combination makes sense."""
    if choice["decoder"] == "transformer":
        return [r"model\.context \(.*leave model/context out"]
    reasons = []
    if choice["encoder"] == "transformer":
        reasons += _behind_a_transformer(preset, choice)
    if choice["context"] == "dot" and choice["encoder"] == "transformer" and preset in UNEQUAL:
        reasons.append(r"model/context=dot.*model\.decoder\.hidden_size")
    if choice["context"] == "dot" and choice["encoder"] == "bidirectional":  # n units a direction, n in the decoder
        reasons.append(r"model/context=dot.*model\.decoder\.hidden_size")
    if preset == "rnnencdec" and choice["context"] not in ("fixed", "mean"):
        reasons.append(r"model\.decoder\.initial_state=context.*model/context=fixed")
    if preset != "rnnencdec" and choice["decoder"] == "paper" and choice["encoder"] == "unidirectional":
        reasons.append(r"model\.decoder\.initial_state=backward.*model/encoder=unidirectional")
    if choice["context"] == "initial_only" and choice["decoder"] == "conditional":
        reasons.append(r"model\.decoder\.query_state=two_step.*model/context=initial_only")
    return reasons


def _behind_a_transformer(preset: str, choice: Choice) -> list[str]:
    """Why a recurrent decoder does not go with an encoder that reads no end states."""
    initial = {"paper": "backward", "modern": "ends", "luong": "ends", "conditional": "mean"}[choice["decoder"]]
    initial = "context" if preset == "rnnencdec" else initial
    if initial == "backward":
        return [r"initial_state=backward.*model/encoder=unidirectional"]
    if initial == "ends" or choice["context"] == "fixed":
        return [r"reads the encoder's end states.*model\.decoder\.initial_state=mean"]
    return []


def check_binding(model: DictConfig) -> None:
    for group, wired in WIRED.items():
        if group in model:
            own = group == "decoder" and "TransformerDecoder" in model.decoder._target_
            check_keys(model[group], OWN_CONTEXT if own else wired)
    assert set(model) - set(WIRED) == PRESET_KEYS


def check_keys(node: DictConfig, wired: set[str]) -> None:
    """The keys and what is wired are the constructor's arguments, each given once."""
    keys = {key for key in node if key != "_target_"}
    assert not keys & wired
    inspect.signature(get_class(node["_target_"])).bind(**dict.fromkeys(keys | wired))


def check_builds_or_is_refused(preset: str, choice: Choice, model: DictConfig) -> None:
    reasons = conflicts(preset, choice)
    with torch.device("meta"):
        if not reasons:
            assert sum(p.numel() for p in build_translator(model, source_size=50, target_size=50).parameters()) > 0
            return
        with pytest.raises(ValueError, match="|".join(reasons)) as refused:
            build_translator(model, source_size=50, target_size=50)
    assert str(refused.value).count("\n") == 0


def choices() -> Iterator[Choice]:
    for names in product(*GROUPS.values()):
        yield dict(zip(GROUPS, names, strict=True))


def test_the_lists_above_are_what_conf_holds() -> None:
    for folder, names in ((".", PRESETS), *GROUPS.items()):
        assert {path.stem for path in (CONF / "model" / folder).glob("*.yaml")} == set(names)


@few_quickly
def test_every_combination_binds_and_builds_or_is_refused(preset: str) -> None:
    for choice in choices():
        model = assembled(preset, choice)
        if preset == "rnnencdec" and choice["decoder"] == "transformer":
            with pytest.raises(TypeError, match="initial_state"):  # which the preset sets, for a recurrent decoder
                check_binding(model)
            continue
        check_binding(model)
        check_builds_or_is_refused(preset, choice, model)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_as_it_is_builds(preset: str) -> None:
    model = compose(preset, {})
    check_binding(model)
    with torch.device("meta"):
        build_translator(model, source_size=50, target_size=50)


@few_quickly
def test_options_are_independent(preset: str) -> None:
    """A few compositions in full; `test_all_combinations_in_full` does the rest."""
    for k, choice in enumerate(choices()):
        if k % 13 == len(preset) % 13:
            assert compose(preset, choice) == assembled(preset, choice)


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_all_combinations_in_full(preset: str) -> None:
    for choice in choices():
        model = compose(preset, choice)
        assert model == assembled(preset, choice)
        if preset != "rnnencdec" or choice["decoder"] != "transformer":
            check_binding(model)
            check_builds_or_is_refused(preset, choice, model)


@pytest.mark.parametrize("key", ["attention_size", "annotation_size"])
def test_a_stray_key_and_one_given_twice_are_caught(key: str) -> None:
    """The check itself can fail."""
    node = OmegaConf.create({"_target_": "rnnsearch.model.context.General", key: 3})
    with pytest.raises((TypeError, AssertionError)):
        check_keys(node, WIRED["context"])
