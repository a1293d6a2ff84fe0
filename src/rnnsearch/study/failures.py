"""A part of a report that fails is left out alone, with one sentence in its place and in the log.

For an error that a user can cause the sentence is its message; for a fault of this program it says where that happened.
"""

import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

logger = logging.getLogger(__name__)

Made = TypeVar("Made")


def attempted(what: str, make: Callable[[], Made]) -> tuple[Made | None, str]:
    """What ``make`` returns and no sentence, or None and the sentence that stands in its place."""
    try:
        return make(), ""
    except Exception as error:  # whatever failed, the rest of the report does not depend on it
        sentence = f"{what} is left out: {_story(error)}"
        logger.error("%s", sentence, exc_info=logger.isEnabledFor(logging.DEBUG))
        return None, sentence


def _story(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror.lower()}."
    if isinstance(error, ValueError | OSError) and (frame.line or "").startswith("raise") and str(error):
        return f"{error}."
    place = f"{Path(frame.filename).name}, line {frame.lineno}"
    return f"making it failed with {type(error).__name__} ({place}), which is a fault of this program."
