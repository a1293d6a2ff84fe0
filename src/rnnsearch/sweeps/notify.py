"""Calls the user's own command when a point of a sweep fails and when the sweep ends.

The command is named on the command line alone: a file of YAML may be a stranger's. It is run without a shell, beside
the sweep, and for a limited time; if it fails, a warning says so and nothing else happens.
"""

import logging
import os
import shlex
import shutil
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from rnnsearch.config.secrets import hidden
from rnnsearch.records.visible import visible_line
from rnnsearch.sweeps import ledger
from rnnsearch.sweeps.ledger import Point, State

logger = logging.getLogger(__name__)

PATIENCE = 30.0  # seconds that the command may take, and that the end of a sweep waits for it
LONGEST = 1000  # letters of a message


def checked_command(config: DictConfig, given_keys: Collection[str]) -> tuple[str, ...]:
    """The words of the command that ``notify`` names; none without one.

    Args:
        config: of the sweep.
        given_keys: of the command line.

    Raises:
        ValueError: if it stands in a file, refers to another key, or names no program.
    """
    if config.get("notify") is None:
        return ()
    if "notify" not in given_keys or OmegaConf.is_interpolation(config, "notify"):
        raise ValueError("notify: a command counts on the command line alone, word for word: give notify=CMD there")
    text = str(config.notify)
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(
            f"notify={text}: it can't be read as a command ({str(error).lower()}); mend its quotes"
        ) from None
    if not words or shutil.which(words[0]) is None:
        raise ValueError(f"notify={text}: there is no program {words[0] if words else ''}; name one that can be run")
    return tuple(words)


class Notifier:
    """Tells the user's command of failures and of the end; does nothing without a command.

    Args:
        command: its words; empty for none.
        study: the folder of the study.
    """

    def __init__(self, command: tuple[str, ...], study: Path) -> None:
        self.command = command
        self.study = study
        self._calls: list[threading.Thread] = []

    def failed(self, point: Point, state: State) -> None:
        """Tell of a point that failed, without waiting."""
        text = f"{point.folder.name} failed: {state.error}"
        self._call("failure", "failed", text, {"POINT": point.folder.name, "ERROR": state.error or ""})

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Tell how a block ends, however it does."""
        interrupted = False
        try:
            yield
        except (KeyboardInterrupt, SystemExit):
            interrupted = True
            raise
        finally:
            self.ended(interrupted=interrupted)

    def ended(self, *, interrupted: bool) -> None:
        """Tell of the end, and wait for all calls, `PATIENCE` at most."""
        if not self.command:
            return
        points = ledger.read_points(self.study) if self.study.is_dir() else []
        counts = Counter(ledger.state(point).status for point in points)
        left = [status for status in counts if status not in (*ledger.DONE, "paused")]
        status = (
            "interrupted" if interrupted else "failed" if counts["failed"] else "unfinished" if left else "finished"
        )
        told = ", ".join(f"{count} {status}" for status, count in sorted(counts.items())) or "no points"
        self._call("end", status, f"{status}: {told}", self._counts(counts))
        for call in self._calls:
            call.join(PATIENCE)

    @staticmethod
    def _counts(counts: Mapping[str, int]) -> dict[str, str]:
        numbers = {"POINTS": sum(counts.values()), "FINISHED": counts.get("finished", 0)}
        return {key: str(number) for key, number in (numbers | {"FAILED": counts.get("failed", 0)}).items()}

    def _call(self, event: str, status: str, text: str, more: Mapping[str, str]) -> None:
        if not self.command:
            return
        message = visible_line(hidden(f"rnnsearch {self.study.name}: {text}"))[:LONGEST]
        told = {"EVENT": event, "STUDY": self.study.name, "FOLDER": str(self.study), "STATUS": status, **more}
        variables = {f"RNNSEARCH_{key}": visible_line(hidden(value))[:LONGEST] for key, value in told.items()}
        call = threading.Thread(target=_run, args=((*self.command, message), variables), daemon=True)
        self._calls.append(call)
        call.start()


def _run(words: tuple[str, ...], variables: Mapping[str, str]) -> None:
    nowhere = subprocess.DEVNULL
    try:
        with subprocess.Popen(
            words,
            env={**os.environ, **variables},
            stdin=nowhere,
            stdout=nowhere,
            stderr=nowhere,
            start_new_session=True,
        ) as process:
            try:
                code = process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                logger.warning("notify: %s took more than %g s and was ended", words[0], PATIENCE)
                return
    except (OSError, ValueError) as error:
        logger.warning("notify: %s can't be run (%s)", words[0], error)
        return
    if code:
        logger.warning("notify: %s ended with exit code %d", words[0], code)
