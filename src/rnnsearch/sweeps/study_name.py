"""The name of a study, which is also its folder's, and that folder."""

import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from rnnsearch.records.run_record import JOB
from rnnsearch.records.study_description import STUDY

if TYPE_CHECKING:  # with the statistics, which take a second to import
    from rnnsearch.study.report import Written

LONGEST = 200  # bytes of a name; file systems allow 255, but temporary names are longer
JOINERS = "\u200c\u200d"  # occur in words of Persian, Hindi and other languages


def study_name(config: DictConfig) -> str:
    """A study's name, which is its folder's: ``study=``, or made from the protocol's and the corpus's names.

    Raises:
        ValueError: for a name that is no plain file name.
    """
    choices, command = config.hydra.runtime.choices, config.hydra.job.config_name
    asks, data = choices["protocol"], choices["data"]
    named = f"compare-{data}" if command == "compare" else f"{asks}_{data}" if asks else f"sweep-{data}"
    return checked_name(str(config.study or named))


def checked_name(name: str) -> str:
    """A study's name in Unicode's composed form, so that it names one folder however it was typed.

    Raises:
        ValueError: for anything but a plain folder name.
    """
    composed = unicodedata.normalize("NFC", name)
    if composed.startswith((".", " ")) or composed.endswith(" ") or not composed or not all(map(_is_plain, composed)):
        raise ValueError(
            f"study={name}: a study's name has letters and digits of any script, '.', '_', '-' and blanks within, and "
            "begins with no '.'"
        )
    if len(composed.encode()) > LONGEST:
        raise ValueError(f"study={name}: a study's name has at most {LONGEST} bytes, this one {len(composed.encode())}")
    return composed


def _is_plain(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "LMN" or letter in "._- " or letter in JOINERS


def study_folder(cfg: DictConfig, *, begun: bool = False) -> Path:
    """The folder of ``study`` in ``paths.output``.

    Args:
        cfg: of the command.
        begun: whether to accept one that has points but no description yet, as during its tuning.

    Raises:
        FileNotFoundError: if there is none; the message lists those that exist.
        ValueError: if it is a path.
    """
    output, name = Path(cfg.paths.output), str(cfg.study)
    if Path(name).name != name:
        raise ValueError(f"study={name}: give a study's name, and the folder that it lies in as paths.output=DIR")
    for folder in (output / name, output / unicodedata.normalize("NFC", name)):
        if "\0" not in name and ((folder / STUDY).is_file() or (begun and any(folder.glob(f"*/{JOB}")))):
            return folder
    there = sorted(path.parent.name for path in output.glob(f"*/{STUDY}"))
    listed = f"; it has {', '.join(there)}" if there else ", nor any other; rnnsearch sweep makes one"
    raise FileNotFoundError(f"{output} has no study {cfg.study}{listed}")


def check_whole(report: "Written") -> None:
    """Fail if the report lacks something; what it lacks has been logged.

    Raises:
        ValueError: if a part of the report could not be made.
    """
    if report.left_out:
        lacking = "a part" if len(report.left_out) == 1 else f"{len(report.left_out)} parts"
        raise ValueError(f"{report.page} lacks {lacking} that could not be made; a sentence in its place says why")
