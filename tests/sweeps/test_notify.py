"""The user's own command: what it is told, and that it costs the sweep nothing."""

import logging
import os
import sys
import time
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from tests.sweeps.trainings import write_point, write_record

from rnnsearch.sweeps import ledger, notify
from rnnsearch.sweeps.ledger import Attempt, State
from rnnsearch.sweeps.notify import Notifier, checked_command

TELLS = """
import os, sys
with open(sys.argv[1], "a") as file:
    words = {key[10:]: value for key, value in os.environ.items() if key.startswith("RNNSEARCH_")}
    words.pop("CACHE", None)
    print(dict(sorted(words.items())), sys.argv[2:], file=file)
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A finished point and one that failed."""
    folder = tmp_path / "mine"
    for name, outcome in (("done", "finished"), ("broken", "failed")):
        point = write_point(folder / name, member=name)
        ledger.add_attempt(point, Attempt(started="2026-01-01T00:00:00Z", outcome=outcome))
        write_record(point.folder, outcome)
    return folder


def test_what_it_is_told(study: Path, tmp_path: Path) -> None:
    (tmp_path / "tells.py").write_text(TELLS)
    told = tmp_path / "told.txt"
    notifier = Notifier((sys.executable, str(tmp_path / "tells.py"), str(told)), study)
    point = ledger.read_point(study / "broken")
    notifier.failed(point, State("failed", error="OSError: \x1b[2Jgone; $(rm -r x)"))
    for _ in range(200):
        if told.is_file() and told.read_text():
            break
        time.sleep(0.05)
    notifier.ended(interrupted=False)
    failure, end = (line for line in told.read_text().splitlines())
    assert "'EVENT': 'failure'" in failure
    assert "'POINT': 'broken', 'STATUS': 'failed', 'STUDY': 'mine'" in failure
    assert "['rnnsearch mine: broken failed: OSError: \\\\u001b[2Jgone; $(rm -r x)']" in failure
    assert "'EVENT': 'end'" in end
    assert "'FAILED': '1', 'FINISHED': '1'" in end
    assert "'POINTS': '2', 'STATUS': 'failed'" in end
    assert "['rnnsearch mine: failed: 1 failed, 1 finished']" in end


def test_it_is_not_waited_for_and_ended_with_what_it_began(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(notify, "PATIENCE", 0.5)
    child = tmp_path / "child"
    notifier = Notifier(("sh", "-c", f"sleep 60 & echo $! > {child}; wait"), study)
    began = time.monotonic()
    notifier.failed(ledger.read_point(study / "broken"), State("failed", error="x"))
    assert time.monotonic() - began < 0.4
    with caplog.at_level(logging.WARNING):
        notifier.ended(interrupted=True)
        for call in notifier._calls:
            call.join(10)
    assert "sh took more than 0.5 s and was ended" in caplog.text
    pid = int(child.read_text())
    for _ in range(100):
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text().split(") ")[1].startswith("Z"):
            return
        time.sleep(0.05)
    os.kill(pid, 9)
    pytest.fail("what the command began goes on")


def test_its_failure_is_a_warning(study: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        Notifier(("false",), study).ended(interrupted=False)
        Notifier((str(tmp_path / "none"),), tmp_path / "no_study").ended(interrupted=False)
    assert "false ended with exit code 1" in caplog.text
    assert "can't be run" in caplog.text
    caplog.clear()
    Notifier((), study).ended(interrupted=False)
    assert not caplog.text


def test_only_the_command_line_names_one() -> None:
    config = OmegaConf.create({"notify": "true --x 'a b'", "theirs": "sh -c evil"})
    assert checked_command(config, {"notify"}) == ("true", "--x", "a b")
    assert checked_command(OmegaConf.create({"notify": None}), ()) == ()
    assert checked_command(OmegaConf.create({}), ()) == ()
    with pytest.raises(ValueError, match="counts on the command line alone"):
        checked_command(config, {"study"})
    with pytest.raises(ValueError, match="word for word"):
        checked_command(OmegaConf.create({"notify": "${theirs}", "theirs": "sh"}), {"notify"})
    with pytest.raises(ValueError, match="there is no program no_such_program"):
        checked_command(OmegaConf.create({"notify": "no_such_program x"}), {"notify"})
    with pytest.raises(ValueError, match="mend its quotes"):
        checked_command(OmegaConf.create({"notify": "true 'x"}), {"notify"})
