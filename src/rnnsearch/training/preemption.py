"""Signals that ask a training to save and leave; clusters send them before they take a machine back."""

import signal
import threading
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class StopRequest:
    """Whether a signal has asked the training to save and leave.

    While the training heeds signals, they are only noted; before and after that (while data are encoded or the test
    split is translated) a signal interrupts at once, as Ctrl-C does.
    """

    def __init__(self) -> None:
        self.asked = False
        self.heeded = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """The signals' handler."""
        self.asked = True
        if not self.heeded:
            raise KeyboardInterrupt

    def install(self) -> None:
        """Take over the signals from any other handler; only the main thread can."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                signal.signal(number, self)
