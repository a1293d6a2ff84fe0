"""Signals that ask a training to save and leave, as clusters send them before they take a machine back."""

import signal
import threading
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class StopRequest:
    """Whether a signal has asked the training to save and leave.

    While a training heeds it, a signal is only noted; before and after that, as while data are encoded or the test
    split is translated, it interrupts at once, as Ctrl-C does.
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
        """Take the signals from whoever has them; only a main thread can."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                signal.signal(number, self)
