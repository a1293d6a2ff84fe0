"""How a command ends, as its exit code; 0 where all is well."""

FAILED = 1
MISUSED = 2  # called wrongly
INTERRUPTED = 130
UNREAD = 141  # nobody reads standard output


class Reported(Exception):
    """Something failed and it has been said what; the command ends with this exit code."""

    def __init__(self, code: int, sentence: str = "") -> None:
        super().__init__(sentence or f"failed with exit code {code}")
        self.code = code
