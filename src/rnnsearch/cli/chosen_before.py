"""What a study's tuning chose before: found again under any label, kept alike, told in its present form."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig

from rnnsearch.cli.asked import Asked
from rnnsearch.cli.spelling import spelt

RATE = "optimizer.lr"

Values = Mapping[str, Any]


class ChosenBefore:
    """What study.json says of earlier tuning.

    Args:
        told: that; empty: nothing.
        tuning: of the command.
        keys: that the command tunes.
        base: gives the key of a member's config with some values, whatever its seed and default rate.
    """

    def __init__(
        self, told: Values, tuning: DictConfig, keys: Sequence[str], base: Callable[[Asked, Values], str]
    ) -> None:
        self.told = upgraded(told)
        self.tuning = tuning
        self.keys = keys
        self.base = base
        self.values: Mapping[str, Values] = self.told.get("chosen", {})
        self._labels: dict[str, str] = {}  # now, of members that were tuned under another one

    def known(self, asked: Mapping[str, Asked]) -> dict[str, dict[str, Any]]:
        """What was chosen for members, whatever their seeds and labels are now; without edges that may be extended.

        Raises:
            ValueError: for a member that was tuned by other keys.
        """
        found: dict[str, dict[str, Any]] = {}
        for name, one in asked.items():
            was = next((label for label in self.values if self._is(one, label, name)), None)
            if was is None or self._may_be_extended(was):
                continue
            if set(self.values[was]) != set(self.keys):
                raise ValueError(
                    f"{name} was tuned by {', '.join(self.values[was])}, and {', '.join(self.keys)} is asked for; "
                    "go on with the tuning as it was, or take another study=NAME"
                )
            found[name] = dict(self.values[was])
            self._labels[was] = name
        return found

    def _is(self, one: Asked, label: str, name: str) -> bool:
        """Whether a member is the one that was tuned under a label; of earlier versions the label alone is known."""
        base = self.told.get("bases", {}).get(label)
        return label == name if base is None else bool(base == self.base(one, self.values[label]))

    def _may_be_extended(self, label: str) -> bool:
        may = self.told.get("extensions")
        return label in self.told.get("at_edge", ()) and may is not None and int(self.tuning.extensions) > may

    def check_alike(self, members: Collection[str], rungs: Sequence[Sequence[float]]) -> None:
        """Refuse to tune members otherwise than those that the study has.

        Raises:
            ValueError: with what was other.
        """
        now = {"rungs": rungs, **self.settings}
        then = {
            "rungs": [[one["share"], one["keep"]] for one in self.told.get("rungs", [])],
            **{key: self.told[key] for key in self.settings if key in self.told},
        }
        is_old = not then["rungs"] or then["rungs"][0][0] is None  # short trials of their own, which nobody can ask for
        if members and not is_old and any(then[key] != now[key] for key in then):
            raise ValueError(
                f"{', '.join(members)}: this study's other members were tuned with {_spelt(then)}, not with "
                f"{_spelt(now)}; give the same again, or take another study=NAME"
            )

    @property
    def settings(self) -> dict[str, Any]:
        """The tuning's, that are the same for all members."""
        return {"warmups": self.tuning.warmups, "factors": list(self.tuning.factors)}

    def relabelled(self, labels: Mapping[str, str]) -> dict[str, Any]:
        """What was said, under the labels that members have now: a wider sweep has longer ones.

        Args:
            labels: by the folders of the study's runs.
        """
        if not self.told:
            return {}
        of_runs = {
            one["member"]: labels[one["folder"]]
            for one in self.told["trials"]
            if one.get("folder") in labels and one["values"] == self.values.get(one["member"])
        }
        now = {**of_runs, **self._labels}
        named: dict[str, Any] = {
            key: {now.get(member, member): value for member, value in self.told[key].items()}
            for key in ("chosen", "bases")
            if key in self.told
        }
        named["trials"] = [{**one, "member": now.get(one["member"], one["member"])} for one in self.told["trials"]]
        named["at_edge"] = sorted(now.get(member, member) for member in self.told.get("at_edge", ()))
        return {**self.told, **named}


def upgraded(tuning: Mapping[str, Any]) -> dict[str, Any]:
    """What study.json says of tuning, in the present form; earlier versions tuned the rate alone, in short trials."""
    if "learning_rates" not in tuning:
        return dict(tuning)
    trials = [
        {
            "member": one["member"],
            "values": {RATE: one["learning_rate"]},
            "status": "diverged" if one["nll"] is None else "finished",
            "values_at": [] if one["nll"] is None else [{"update": tuning.get("updates"), "value": one["nll"]}],
            "updates": tuning.get("updates"),
        }
        for one in tuning.get("trials", [])
    ]
    rates = tuning["learning_rates"]
    chosen = {name: {RATE: rate} for name, rate in tuning.get("chosen", {}).items()}
    return {
        "measure": "nll",
        "rungs": [{"share": None, "keep": 1, "updates": tuning.get("updates")}],
        "trials": trials,
        "chosen": chosen,
        "at_edge": [name for name, of in chosen.items() if len(rates) > 1 and of[RATE] in (min(rates), max(rates))],
    }


def _spelt(settings: Mapping[str, Any]) -> str:
    """Settings as on the command line."""
    shares, kept = zip(*settings["rungs"], strict=True)
    rest = {key: value for key, value in settings.items() if key != "rungs"}
    every = {"judged_at": list(shares), "keep": list(kept), **rest}
    return " ".join(f"tuning.{key}={spelt(value)}" for key, value in every.items())
