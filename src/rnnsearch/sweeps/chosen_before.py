"""What a study's tuning chose earlier: found again under any label, checked, and described under present labels."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from msgspec.structs import replace
from omegaconf import DictConfig

from rnnsearch.config.overrides import spelt
from rnnsearch.records.study_description import Tuning
from rnnsearch.sweeps.request import Asked

Values = Mapping[str, Any]


class ChosenBefore:
    """The earlier tuning that study.json describes.

    Args:
        earlier: its description, or None.
        tuning: the command's config of the tuning.
        keys: the tuned ones.
        base: gives the key of a member's config with some values, whatever its seed and default rate.
    """

    def __init__(
        self, earlier: Tuning | None, tuning: DictConfig, keys: Sequence[str], base: Callable[[Asked, Values], str]
    ) -> None:
        self.earlier = earlier
        self.tuning = tuning
        self.keys = keys
        self.base = base
        self.values: Mapping[str, Values] = earlier.chosen if earlier else {}
        self._labels: dict[str, str] = {}  # earlier label -> present label

    def known(self, asked: Mapping[str, Asked]) -> dict[str, dict[str, Any]]:
        """The values chosen for members, whatever their seeds and labels are now; without edges that may be extended.

        Raises:
            ValueError: for a member that was tuned by other keys.
        """
        chosen: dict[str, dict[str, Any]] = {}
        for name, member in asked.items():
            was = next((label for label in self.values if self._is(member, label, name)), None)
            if was is None or self._may_be_extended(was):
                continue
            if set(self.values[was]) != set(self.keys):
                raise ValueError(
                    f"{name} was tuned by {', '.join(self.values[was])}, and {', '.join(self.keys)} is asked for; "
                    "go on with the tuning as it was, or take another study=NAME"
                )
            chosen[name] = dict(self.values[was])
            self._labels[was] = name
        return chosen

    def _is(self, asked: Asked, label: str, name: str) -> bool:
        """Whether a member was the one tuned under a label; earlier versions recorded only the label."""
        base = self.earlier.bases.get(label) if self.earlier else None
        return label == name if base is None else bool(base == self.base(asked, self.values[label]))

    def _may_be_extended(self, label: str) -> bool:
        before = self.earlier or Tuning()
        return label in before.at_edge and before.extensions is not None and self.tuning.extensions > before.extensions

    def check_alike(self, members: Collection[str], rungs: Sequence[Sequence[float]]) -> None:
        """Refuse to tune members in another way than the study's other members.

        Raises:
            ValueError: naming both settings.
        """
        before = self.earlier or Tuning()
        now = {"rungs": rungs, **self.settings}
        same = {key: getattr(before, key) for key in self.settings}
        then = {
            "rungs": [[rung.share, rung.keep] for rung in before.rungs],
            **{key: value for key, value in same.items() if value is not None},
        }
        is_old = not before.rungs or before.rungs[0].share is None  # with separate short trials, which no longer exist
        if members and not is_old and any(then[key] != now[key] for key in then):
            raise ValueError(
                f"{', '.join(members)}: this study's other members were tuned with {_spelt(then)}, not with "
                f"{_spelt(now)}; give the same again, or take another study=NAME"
            )

    @property
    def settings(self) -> dict[str, Any]:
        """The tuning settings that all members share."""
        return {"warmups": self.tuning.warmups, "factors": list(self.tuning.factors)}

    def relabelled(self, labels: Mapping[str, str]) -> Tuning | None:
        """The earlier description under the members' present labels: a wider sweep has longer ones.

        Args:
            labels: by run folder.
        """
        if self.earlier is None:
            return None
        of_runs = {
            trial.member: labels[trial.folder]
            for trial in self.earlier.trials
            if trial.folder in labels and trial.values == self.values.get(trial.member)
        }
        now = {**of_runs, **self._labels}
        return replace(
            self.earlier,
            chosen={now.get(member, member): values for member, values in self.earlier.chosen.items()},
            bases={now.get(member, member): base for member, base in self.earlier.bases.items()},
            trials=[replace(trial, member=now.get(trial.member, trial.member)) for trial in self.earlier.trials],
            at_edge=sorted(now.get(member, member) for member in self.earlier.at_edge),
        )


def _spelt(settings: Mapping[str, Any]) -> str:
    """Settings as the command line spells them."""
    shares, keeps = zip(*settings["rungs"], strict=True)
    others = {key: value for key, value in settings.items() if key != "rungs"}
    typed = {"judged_at": list(shares), "keep": list(keeps), **others}
    return " ".join(f"tuning.{key}={spelt(value)}" for key, value in typed.items())
