"""What commands print: the one place that does, so that no text of anybody's file acts on a terminal."""

import sys

from rnnsearch.visible import visible


def say(text: object, *, end: str = "\n", stderr: bool = False) -> None:
    """Print a text at once, on standard output unless told otherwise, with what would act in it made visible."""
    stream = sys.stderr if stderr else sys.stdout
    if stream is not None:  # somebody closed it
        print(visible(str(text)), end=end, file=stream, flush=True)


def for_stdout(text: str) -> str:
    """A result for standard output: made visible on a terminal; into a file or a pipe as it is, for it is data."""
    return visible(text) if sys.stdout.isatty() else text
