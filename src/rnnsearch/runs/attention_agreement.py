"""``agreement`` of ``rnnsearch evaluate``: whether attention, saliency and other runs rank source words alike."""

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig

from rnnsearch.config.progress import bar
from rnnsearch.config.terminal import say
from rnnsearch.config.trust import given
from rnnsearch.evaluation.attention_agreement import agreements
from rnnsearch.evaluation.comparison import Chance
from rnnsearch.evaluation.system import System
from rnnsearch.evaluation.trained_model import TrainedModel, load
from rnnsearch.runs.run_folder import LoadedRun, given_folders, languages


def asked_agreement(cfg: DictConfig, model: TrainedModel, first: LoadedRun) -> dict[str, System]:
    """The systems whose accounts of attention ``agreement`` compares, by name, the run's own first; empty for none.

    Raises:
        FileNotFoundError, ValueError: for one without attention, or of other languages.
    """
    if not cfg.agreement.saliency and cfg.agreement.runs is None:
        return {}
    systems = {str(first.folder): model.system}
    for folder in [] if cfg.agreement.runs is None else given_folders(cfg.agreement.runs):
        own, theirs = languages(first.folder), languages(folder)
        if own != theirs:
            raise ValueError(f"{folder} translates {' to '.join(theirs)}; agreement.runs needs {' to '.join(own)}")
        if str(folder) in systems:
            raise ValueError(f"agreement.runs names {folder} twice, or the run itself; name other runs")
        systems[str(folder)] = load(folder, checkpoint=cfg.checkpoint, device=cfg.device, trust=given()).system
    for name, system in systems.items():
        if not system.has_attention:
            raise ValueError(f"agreement compares attention weights, and {name} has none; give runs with attention")
    return systems


def agreement(
    cfg: DictConfig, systems: Mapping[str, System], rows: Sequence[Mapping[str, Any]], chance: Chance
) -> dict[str, Any]:
    """The JSON object of what `asked_agreement` gave, on the pairs of a split; it is shown in words, too."""
    compared = agreements(
        systems,
        [(row["source_text"], row["target_text"]) for row in rows],
        saliency=cfg.agreement.saliency,
        sentences=cfg.agreement.sentences,
        resamples=chance.resamples,
        seed=chance.seed,
        progress=bar,
    )
    say(summary_of_agreement(compared), stderr=True)
    return {"runs": [*systems], **compared}


def summary_of_agreement(result: Mapping[str, Mapping[str, Any]]) -> str:
    """A line for each that is compared."""
    lines = []
    for name, one in result.items():
        if one["kendall_tau"] is None:
            lines.append(f"{name.replace('_', ' ')}: no sentence has two words to rank")
            continue
        low, high = one["interval"]
        lines.append(
            f"{name.replace('_', ' ')}: Kendall's tau {one['kendall_tau']:.3f} [{low:.3f}, {high:.3f}], mean over "
            f"{one['sentences']:,} sentences"
        )
    return "\n".join(lines)
